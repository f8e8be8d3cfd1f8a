"""The outcome as files, whole or absent."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from medseg.io import atomic_path


def write_outcome(outcome: dict[str, Any], out: Path, page: Callable[[dict[str, Any]], str]) -> Path:
    """JSON at ``out``, and the page beside it. Returns the page's path."""
    html = out.with_suffix(".html")
    text = page(outcome)
    with atomic_path(out) as temporary:
        temporary.write_text(json.dumps(outcome, indent=1) + "\n", encoding="utf-8")
    with atomic_path(html) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return html
