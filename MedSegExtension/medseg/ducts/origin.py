"""Where a segmentation comes from, and what must stand on everything that is made from it."""

from __future__ import annotations

from dataclasses import dataclass

RESEARCH_ONLY = "Research use only. Not for diagnosis or for planning a procedure."
SYNTHETIC = "The model that made this segmentation was trained on synthetic cases."


@dataclass(frozen=True)
class Origin:
    """Where a segmentation comes from, as far as the caller knows.

    Attributes
    ----------
    model, version : name and version of the model, where it is known.
    synthetic : whether that model was trained on synthetic cases.
    edited : whether a person corrected the segmentation.
    """

    model: str | None = None
    version: str | None = None
    synthetic: bool = False
    edited: bool = False

    def line(self) -> str:
        """In words."""
        made = f"{self.model} {self.version or ''}".strip() if self.model else "model not stated"
        return f"{made}{', corrected by a person' if self.edited else ''}"
