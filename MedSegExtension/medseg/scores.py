"""What must be kept of a run to decide again with another threshold or other post-processing, exactly and at once."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .card import ModelCard, PostProcessing
from .postprocess import count_labels, postprocess
from .volume import Volume


@dataclass(frozen=True, eq=False)
class Scores:
    """Arrays (K, J, I) on the volume's own grid; `best` and `top` may be views of the run's slices, turned back.

    Attributes
    ----------
    best : value of the most probable label (background not counted); uint8 or uint16.
    top : that label's probability, float32.
    decided : the label map before post-processing as the run decided it.
    """

    best: np.ndarray
    top: np.ndarray
    decided: np.ndarray

    def decide(
        self, volume: Volume, card: ModelCard, threshold: float | None, settings: PostProcessing | None = None
    ) -> tuple[Volume, dict[int, int]]:
        """The label map on the grid of ``volume`` that the run would have made with these choices, and voxel counts.

        ``threshold`` None is the run's own decision. ``settings`` None is the card's post-processing.
        """
        settings = card.postprocessing if settings is None else settings
        labels = self.decided.copy() if threshold is None else np.where(self.top >= threshold, self.best, 0)
        labels = np.ascontiguousarray(labels, dtype=self.best.dtype)
        low = settings.hysteresis_low
        candidates = None if low is None else np.where(self.top >= low, self.best, 0)
        values = [label.value for label in card.output.labels]
        postprocess(labels, values, settings, volume.voxel_volume_mm3, candidates)
        return volume.with_array(labels), count_labels(labels, values)


def changed_postprocessing(card: ModelCard, changes: dict[str, object] | None) -> PostProcessing | None:
    """The card's post-processing with ``changes``, or None where nothing is changed. Raises InputError."""
    if not changes:
        return None
    data = card.to_dict()
    merged = {**data.get("postprocessing", {}), **changes}
    data["postprocessing"] = {name: value for name, value in merged.items() if value is not None}
    return replace(ModelCard.from_dict(data, "the post-processing given").postprocessing)
