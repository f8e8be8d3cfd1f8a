"""What must be kept of a run to decide again with another threshold or other post-processing, exactly and at once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .card import ModelCard, PostProcessing
from .postprocess import bounding_box, count_labels, postprocess
from .volume import Volume


@dataclass(frozen=True, eq=False)
class Scores:
    """Arrays (K, J, I) on the volume's own grid; `best` and `top` may be views of the run's slices, turned back.

    Attributes
    ----------
    best : value of the most probable label (background not counted); uint8 or uint16.
    top : that label's probability, float32.
    decided : the label map before post-processing as the run decided it.
    planes, values : only where the last label that reaches the threshold wins (the card's ``overlap``), because then
        the threshold says which label it is: (L, K, J, I) float32, every label's probability, and the labels' values.
    """

    best: np.ndarray
    top: np.ndarray
    decided: np.ndarray
    planes: np.ndarray | None = None
    values: tuple[int, ...] = ()

    def decide(
        self, volume: Volume, card: ModelCard, threshold: float | None, settings: PostProcessing | None = None
    ) -> tuple[Volume, dict[int, int]]:
        """The label map on the grid of ``volume`` that the run would have made with these choices, and voxel counts.

        ``threshold`` None is the run's own decision. ``settings`` None is the card's post-processing.
        """
        settings = card.postprocessing if settings is None else settings
        best, top = self.best, self.top
        if self.planes is not None and threshold is not None:
            number, top = last_reached(self.planes, threshold)
            best = np.asarray(self.values, best.dtype)[number]
        labels = self.decided.copy() if threshold is None else np.where(top >= threshold, best, 0)
        labels = np.ascontiguousarray(labels, dtype=self.best.dtype)
        low = settings.hysteresis_low
        candidates = None if low is None else np.where(top >= low, best, 0)
        values = [label.value for label in card.output.labels]
        postprocess(labels, values, settings, volume.voxel_volume_mm3, candidates)
        return volume.with_array(labels), count_labels(labels, values)

    def part(self, floor: float) -> dict[str, Any]:
        """What a preview of thresholds from ``floor`` on needs: the box in which any label reaches it.

        ``corner`` is the box's first voxel (k, j, i); ``best`` and ``top``, or ``planes`` and ``values``, are as here.
        Everything is empty where nothing reaches ``floor``.
        """
        highest = self.top if self.planes is None else self.planes.max(axis=0)
        box = bounding_box(highest >= floor) or (slice(0, 0),) * 3
        part: dict[str, Any] = {"corner": [one.start for one in box]}
        if self.planes is None:
            return {**part, "best": self.best[box], "top": self.top[box]}
        return {**part, "planes": self.planes[(slice(None), *box)], "values": list(self.values)}


def last_reached(scores: np.ndarray, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """Index and value of the last of (L, ...) scores that reaches the threshold; where none does, of the largest."""
    reached = scores[::-1] >= threshold
    last = len(scores) - 1 - reached.argmax(axis=0)
    best = np.where(reached.any(axis=0), last, scores.argmax(axis=0))
    return best, np.take_along_axis(scores, best[None], axis=0)[0]


def changed_postprocessing(card: ModelCard, changes: dict[str, object] | None) -> PostProcessing | None:
    """The card's post-processing with ``changes``, or None where nothing is changed. Raises InputError."""
    if not changes:
        return None
    data = card.to_dict()
    merged = {**data.get("postprocessing", {}), **changes}
    data["postprocessing"] = {name: value for name, value in merged.items() if value is not None}
    return replace(ModelCard.from_dict(data, "the post-processing given").postprocessing)
