"""The figures of a run for TensorBoard (always) and MLflow (where asked for)."""

from __future__ import annotations

from typing import Any


class Journal:
    """Takes nothing down: what a trainer has that nobody gave one."""

    def epoch(self, line: dict[str, Any]) -> None:
        """Take the line of an epoch down, as it stands in ``metrics.jsonl``."""

    def close(self) -> None:
        """Write what is left."""
