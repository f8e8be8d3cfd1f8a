"""Agreement of two measured duct trees: branches and length found by calibre, calibre errors, strictures.

Works on measurements (`medseg.ducts`) of the two masks; neither is taken for exact: both come from the same method.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.spatial import cKDTree

if TYPE_CHECKING:
    from ..ducts import Branch, DuctMeasurement

#: Classes of calibre in mm, by the mean of the reference's branch.
CALIBRES_MM = ((0.0, 1.5), (1.5, 2.4), (2.4, 4.0), (4.0, float("inf")))
#: A point of one tree is found when the other's centreline comes within half its calibre, or within this.
NEAR_MM = 1.5
#: A branch is found when this part of its length is.
FOUND = 0.5
#: A stricture is found when a candidate of the other tree lies within half its length and this.
NEAR_STRICTURE_MM = 3.0


@dataclass
class CalibreClass:
    """Branches of the reference in one class of calibre.

    ``errors_mm`` : for each branch with at least four points resolved in both trees, the mean of prediction less
    reference. ``absolute_errors_mm`` : for the same branches, the mean of the absolute differences.
    """

    low_mm: float
    high_mm: float
    branches: int = 0
    branches_found: int = 0
    length_mm: float = 0.0
    length_found_mm: float = 0.0
    errors_mm: list[float] = field(default_factory=list)
    absolute_errors_mm: list[float] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The class in words."""
        return f"{self.low_mm:g} mm and more" if np.isinf(self.high_mm) else f"{self.low_mm:g} to {self.high_mm:g} mm"

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready; None where there is nothing to take a mean of."""
        return {
            "calibre": self.name,
            "branches": self.branches,
            "branches_found": self.branches_found,
            "length_mm": round(self.length_mm, 2),
            "length_found_mm": round(self.length_found_mm, 2),
            "calibre_compared_branches": len(self.errors_mm),
            "calibre_bias_mm": _mean(self.errors_mm),
            "calibre_error_mm": _mean(self.absolute_errors_mm),
        }


@dataclass
class TreeAgreement:
    """How well the tree of a prediction agrees with that of a reference.

    Attributes
    ----------
    classes : by the calibre of the reference's branches.
    length_mm : of the prediction's centrelines. length_false_mm : the part of it that is near no reference centreline.
    strictures, strictures_found, strictures_false : of the reference; of these, matched by a candidate of the
        prediction; candidates of the prediction that match none.
    stricture_errors_mm : narrowest calibre of prediction less reference, where both are resolved or without lumen.
    parts_prediction, parts_reference : parts with a centreline.
    cases : how many were added up.
    """

    classes: list[CalibreClass]
    length_mm: float = 0.0
    length_false_mm: float = 0.0
    strictures: int = 0
    strictures_found: int = 0
    strictures_false: int = 0
    stricture_errors_mm: list[float] = field(default_factory=list)
    parts_prediction: int = 0
    parts_reference: int = 0
    cases: int = 1

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "cases": self.cases,
            "classes": [c.as_dict() for c in self.classes],
            "prediction_length_mm": round(self.length_mm, 2),
            "prediction_length_false_mm": round(self.length_false_mm, 2),
            "strictures": self.strictures,
            "strictures_found": self.strictures_found,
            "strictures_false": self.strictures_false,
            "stricture_calibre_error_mm": _mean([abs(e) for e in self.stricture_errors_mm]),
            "parts_prediction": self.parts_prediction,
            "parts_reference": self.parts_reference,
        }


def compare_trees(prediction: DuctMeasurement, reference: DuctMeasurement) -> TreeAgreement:
    """Compare two measurements in the same patient coordinates.

    Branches are not matched one to one, for a missed side branch joins two branches to one: every point of the
    reference is looked for in the prediction, and every point of the prediction in the reference.
    """
    result = TreeAgreement([CalibreClass(low, high) for low, high in CALIBRES_MM])
    predicted, expected = _Points(prediction.branches), _Points(reference.branches)
    for b in reference.branches:
        kind = next(c for c in result.classes if c.low_mm <= b.mean_diameter_mm < c.high_mm)
        steps = _steps(b)
        at = predicted.nearest(b)
        found = at >= 0
        kind.branches += 1
        kind.branches_found += bool(steps[found].sum() >= FOUND * steps.sum())
        kind.length_mm += float(steps.sum())
        kind.length_found_mm += float(steps[found].sum())
        both = found & b.resolved & b.own
        both[both] &= predicted.sure[at[both]]
        if both.sum() >= 4:
            error = predicted.diameter[at[both]] - b.diameter_mm[both]
            kind.errors_mm.append(float(error.mean()))
            kind.absolute_errors_mm.append(float(np.abs(error).mean()))
    for b in prediction.branches:
        steps = _steps(b)
        result.length_mm += float(steps.sum())
        result.length_false_mm += float(steps[expected.nearest(b) < 0].sum())
    _compare_strictures(prediction, reference, result)
    result.parts_prediction = sum(bool(c.branches) for c in prediction.components)
    result.parts_reference = sum(bool(c.branches) for c in reference.components)
    return result


def add_up(agreements: Sequence[TreeAgreement]) -> TreeAgreement:
    """All cases as one: counts and lengths added, errors of all branches together."""
    total = TreeAgreement([CalibreClass(low, high) for low, high in CALIBRES_MM], cases=0)
    for agreement in agreements:
        for mine, other in zip(total.classes, agreement.classes, strict=True):
            for name in ("branches", "branches_found", "length_mm", "length_found_mm"):
                setattr(mine, name, getattr(mine, name) + getattr(other, name))
            mine.errors_mm += other.errors_mm
            mine.absolute_errors_mm += other.absolute_errors_mm
        for name in ("length_mm", "length_false_mm", "strictures", "strictures_found", "strictures_false"):
            setattr(total, name, getattr(total, name) + getattr(agreement, name))
        for name in ("parts_prediction", "parts_reference", "cases"):
            setattr(total, name, getattr(total, name) + getattr(agreement, name))
        total.stricture_errors_mm += agreement.stricture_errors_mm
    return total


class _Points:
    """The centreline points of a tree, to look others up in."""

    def __init__(self, branches: Sequence[Branch]) -> None:
        self.tree = cKDTree(np.concatenate([b.points_lps_mm for b in branches])) if branches else None
        self.diameter = np.concatenate([b.diameter_mm for b in branches]) if branches else np.zeros(0)
        self.sure = np.concatenate([b.resolved & b.own for b in branches]) if branches else np.zeros(0, dtype=bool)

    def nearest(self, b: Branch) -> np.ndarray:
        """(N,) the nearest point of this tree to each of a branch, -1 where none is near."""
        if self.tree is None:
            return np.full(len(b.points_lps_mm), -1)
        apart, at = self.tree.query(b.points_lps_mm)
        return np.where(apart <= np.maximum(NEAR_MM, b.diameter_mm / 2), at, -1)


def _steps(b: Branch) -> np.ndarray:
    """(N,) mm that each point of a branch stands for."""
    half = np.diff(b.distance_mm) / 2
    return np.concatenate([half, [0.0]]) + np.concatenate([[0.0], half])


def _compare_strictures(prediction: DuctMeasurement, reference: DuctMeasurement, result: TreeAgreement) -> None:
    places = np.array([f.position_lps_mm for f in prediction.strictures]).reshape(-1, 3)
    matched = np.zeros(len(places), dtype=bool)
    for f in reference.strictures:
        result.strictures += 1
        apart = np.linalg.norm(places - f.position_lps_mm, axis=1)
        near = apart <= f.length_mm / 2 + NEAR_STRICTURE_MM
        matched |= near
        if near.any():
            result.strictures_found += 1
            other = prediction.strictures[int(np.argmin(np.where(near, apart, np.inf)))]
            if all(x.resolved or x.diameter_mm == 0 for x in (f, other)):
                result.stricture_errors_mm.append(other.diameter_mm - f.diameter_mm)
    result.strictures_false = int((~matched).sum())


def _mean(values: Sequence[float]) -> float | None:
    return round(float(np.mean(values)), 3) if values else None
