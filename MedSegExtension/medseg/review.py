"""Where a person should look first: slices and branches ordered by doubt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .volume import Volume

#: Slices whose doubt is below this share of the worst one are not worth a stop.
LEAST_SHARE = 0.1
#: Parts smaller than this are specks: they are counted with the measurement, and not worth a stop each.
LEAST_ML = 0.01


@dataclass(frozen=True)
class Doubt:
    """A place to look at.

    Attributes
    ----------
    kind : "slice", "gap", "part", "stricture", "dilatation", "thin branch".
    weight : 0 to 1, 1 the most doubtful of its kind; places are ordered by it.
    position_lps_mm : where.
    number : of the slice (stored order, from 0), the branch or the part.
    detail : numbers for the sentence that describes it.
    """

    kind: str
    weight: float
    position_lps_mm: tuple[float, float, float]
    number: int
    detail: dict[str, float]

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {**vars(self), "position_lps_mm": list(self.position_lps_mm)}


def entropy(probabilities: np.ndarray) -> np.ndarray:
    """Binary entropy in bits of each probability: 1 where it is 0.5, 0 where it is 0 or 1; float32."""
    p = np.clip(probabilities.astype(np.float32), 1e-7, 1 - 1e-7)
    return (-(p * np.log2(p) + (1 - p) * np.log2(1 - p))).astype(np.float32)


def doubtful_slices(probabilities: np.ndarray, grid: Volume) -> list[Doubt]:
    """Slices along the stored k axis, by their undecided area.

    Parameters
    ----------
    probabilities : (K, J, I) in [0, 1] of the structure, or of whatever label is most probable.
    grid : a volume of the same shape, for positions.

    ``detail["undecided_mm2"]`` is the sum of the voxels' entropies times their area; the position is its centre.
    """
    h = entropy(probabilities)
    h[probabilities < 0.01] = 0  # a sea of certain background adds up to more than an undecided duct
    i_mm, j_mm, _ = grid.spacing
    area = h.sum(axis=(1, 2)) * i_mm * j_mm
    worst = float(area.max(initial=0.0))
    found = []
    for k in np.flatnonzero(area > LEAST_SHARE * worst) if worst > 0 else ():
        rows, columns = (float((h[k].sum(axis=1 - axis) * np.arange(h.shape[1 + axis])).sum()) for axis in (0, 1))
        total = float(h[k].sum())
        position = grid.ijk_to_lps @ np.array([columns / total, rows / total, float(k), 1.0])
        found.append(
            Doubt("slice", float(area[k]) / worst, _three(position), int(k), {"undecided_mm2": float(area[k])})
        )
    return sorted(found, key=lambda d: -d.weight)


def doubtful_branches(measurement: Mapping[str, Any]) -> list[Doubt]:
    """Breaks, narrow places and ducts below what the voxels resolve, of a measurement's `as_dict`.

    A gap weighs more the shorter it is (a duct hardly ends by chance just before another), a narrow place by its
    degree, a thin branch by its length.
    """
    found = []
    for bridge in measurement["bridges_proposed"]:
        points = np.asarray(bridge["points_lps_mm"], dtype=float)
        weight = 1 / (1 + bridge["gap_mm"] / 5)
        detail = {"gap_mm": bridge["gap_mm"], "other_branch": bridge["to_branch"]}
        found.append(Doubt("gap", weight, _three(points.mean(axis=0)), bridge["from_branch"], detail))
    joined = {n for b in measurement["bridges_proposed"] for n in (b["from_branch"], b["to_branch"])}
    parts = measurement["components"]
    largest = max((p["voxels"] for p in parts), default=0)
    for part in parts:
        if part["voxels"] < largest and part["volume_ml"] >= LEAST_ML and not joined & set(part["branches"]):
            gap = part["gap_mm"] if part["gap_mm"] is not None else 0.0
            weight = min(1.0, 0.3 + gap / 50)
            detail = {"volume_ml": part["volume_ml"], "gap_mm": gap}
            found.append(Doubt("part", weight, _three(part["position_lps_mm"]), part["id"], detail))
    for kind, name in (("stricture", "strictures"), ("dilatation", "dilatations")):
        for finding in measurement[name]:
            if finding["kind"] == "possible complete stricture":
                continue  # stands there as a gap
            weight = min(1.0, abs(finding["change"] or 0.0))
            detail = {"diameter_mm": finding["diameter_mm"], "expected_mm": finding["reference_diameter_mm"]}
            found.append(Doubt(kind, weight, _three(finding["position_lps_mm"]), finding["branch"], detail))
    total = measurement["total_length_mm"] or 1.0
    for branch in measurement["branches"]:
        if not branch["min_resolved"]:
            detail = {"bound_mm": branch["min_diameter_mm"], "length_mm": branch["length_mm"]}
            weight = min(0.5, branch["length_mm"] / total)
            found.append(Doubt("thin branch", weight, _three(branch["narrowest_lps_mm"]), branch["id"], detail))
    return sorted(found, key=lambda d: -d.weight)


def _three(position: Any) -> tuple[float, float, float]:
    x, y, z = (float(v) for v in list(position)[:3])
    return x, y, z
