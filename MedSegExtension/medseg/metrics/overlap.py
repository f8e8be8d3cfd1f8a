"""Agreement by counting voxels: Dice, IoU, precision, recall."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .box import check_pair


@dataclass(frozen=True)
class Counts:
    """Voxels in both masks, and in only one of them."""

    both: int
    only_prediction: int
    only_reference: int

    @property
    def prediction(self) -> int:
        """Voxels of the prediction."""
        return self.both + self.only_prediction

    @property
    def reference(self) -> int:
        """Voxels of the reference."""
        return self.both + self.only_reference

    @property
    def dice(self) -> float:
        """2·|P∩R| / (|P| + |R|); NaN where both are empty."""
        return _ratio(2 * self.both, self.prediction + self.reference)

    @property
    def iou(self) -> float:
        """|P∩R| / |P∪R| (Jaccard); NaN where both are empty."""
        return _ratio(self.both, self.both + self.only_prediction + self.only_reference)

    @property
    def precision(self) -> float:
        """|P∩R| / |P|: 0 where only the prediction is empty, NaN where both are."""
        return _ratio(self.both, self.prediction) if self.prediction else _ratio(0, self.reference)

    @property
    def recall(self) -> float:
        """|P∩R| / |R|: 0 where only the reference is empty, NaN where both are."""
        return _ratio(self.both, self.reference) if self.reference else _ratio(0, self.prediction)


def count(prediction: np.ndarray, reference: np.ndarray) -> Counts:
    """Count voxels of two bool masks of one shape (any number of axes)."""
    check_pair(prediction, reference)
    both = int(np.count_nonzero(prediction & reference))
    return Counts(both, int(np.count_nonzero(prediction)) - both, int(np.count_nonzero(reference)) - both)


def dice(prediction: np.ndarray, reference: np.ndarray) -> float:
    """Dice coefficient of two bool masks of one shape, in [0, 1].

    0 where exactly one of them is empty, NaN where both are (such a case is not counted). MONAI's ``DiceMetric``
    gives the same figures, except NaN where only the reference is empty.
    """
    return count(prediction, reference).dice


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
