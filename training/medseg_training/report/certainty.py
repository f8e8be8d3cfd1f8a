"""How far probabilities can be trusted: ROC, precision and recall, calibration, from counts of probabilities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: Steps of probability in which voxels are counted; curves are exact at their edges.
STEPS = 1000


@dataclass(frozen=True, eq=False)
class Counts:
    """Voxels of one label by probability, (STEPS,) each: ``inside`` belong to it, ``outside`` do not."""

    inside: np.ndarray
    outside: np.ndarray

    @classmethod
    def of(cls, probabilities: np.ndarray, reference: np.ndarray) -> Counts:
        """From probabilities (any shape, 0..1) and a bool mask of the same shape."""
        step = np.minimum((probabilities * STEPS).astype(np.int64), STEPS - 1)
        inside = np.bincount(step[reference], minlength=STEPS)
        return cls(inside, np.bincount(step.ravel(), minlength=STEPS) - inside)

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.inside + other.inside, self.outside + other.outside)

    def above(self) -> tuple[np.ndarray, np.ndarray]:
        """True and false positives for thresholds STEPS/STEPS, ..., 1/STEPS, 0: (STEPS + 1,) each, ascending."""
        right = np.concatenate([[0], self.inside[::-1].cumsum()])
        wrong = np.concatenate([[0], self.outside[::-1].cumsum()])
        return right, wrong


def roc(counts: Counts) -> tuple[np.ndarray, np.ndarray, float]:
    """False-positive rate, true-positive rate, and the area under the curve (trapezoids); NaN without one kind."""
    right, wrong = counts.above()
    with np.errstate(invalid="ignore", divide="ignore"):
        x, y = wrong / wrong[-1], right / right[-1]
    return x, y, float(np.trapezoid(y, x))


def precision_recall(counts: Counts) -> tuple[np.ndarray, np.ndarray, float]:
    """Recall, precision, and average precision (steps of recall times precision, Buckley and Voorhees 2004)."""
    right, wrong = counts.above()
    found = right + wrong
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = np.where(found > 0, right / np.maximum(found, 1), 1.0)
        recall = right / right[-1]
    return recall, precision, float(np.sum(np.diff(recall) * precision[1:]))


def calibration(counts: Counts, groups: int = 10) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Mean probability, share inside, and voxels of each of ``groups`` equal steps, and the expected calibration error.

    The error is the mean distance of the two, weighted by voxels (Naeini et al. 2015), over voxels of probability 0.01
    and more: the sea of certain background would hide everything else. Groups without voxels are NaN.
    """
    middle = (np.arange(STEPS) + 0.5) / STEPS
    every = counts.inside + counts.outside
    counted = np.where(middle >= 0.01, every, 0)
    inside = np.where(middle >= 0.01, counts.inside, 0)
    shape = (groups, STEPS // groups)
    voxels = counted.reshape(shape).sum(1)
    with np.errstate(invalid="ignore", divide="ignore"):
        said = (counted * middle).reshape(shape).sum(1) / voxels
        was = inside.reshape(shape).sum(1) / voxels
    if not voxels.any():
        return said, was, voxels, float("nan")
    return said, was, voxels, float(np.nansum(np.abs(said - was) * voxels) / voxels.sum())


def best_threshold(counts: Counts) -> tuple[float, float]:
    """The threshold of the largest pooled Dice, and that Dice; over all voxels together, not by case."""
    right, wrong = counts.above()
    dice = 2 * right / np.maximum(right + wrong + right[-1], 1)
    best = int(dice.argmax())
    return 1 - best / STEPS, float(dice[best])
