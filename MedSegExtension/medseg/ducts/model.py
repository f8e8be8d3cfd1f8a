"""What measuring a duct gives: branches, nodes, parts and findings, in LPS millimetres."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

#: Goes up whenever the JSON changes in a way a reader must know about.
SCHEMA = "medseg-ducts-1"


@dataclass
class Branch:
    """A duct between two nodes.

    Attributes
    ----------
    id : number of the branch, from 1; the same mask always gives the same numbers.
    points_lps_mm : (N, 3) centreline from ``start_node`` to ``end_node``.
    diameter_mm : (N,) calibre: the diameter of the circle with the area of the section. Where ``resolved`` is False
        it is an upper bound.
    resolved : (N,) bool.
    own : (N,) bool, False where the point lies in a bifurcation or in the cap of an end, and the calibre is that of the
        nearest section of the branch's own.
    measured_mm : (N,) what the sections gave, also where that is below what the voxels resolve: for finding narrow
        places, not for reading off.
    fitted_mm : what the tubes fitted to the voxels gave, NaN where another branch hides the wall: for finding narrow
        places, also in bifurcations.
    length_mm : along the centreline.
    tortuosity : length over the distance between the ends, at least 1; NaN for a ring.
    mean_diameter_mm, min_diameter_mm : over the sections of its own.
    min_resolved : whether ``min_diameter_mm`` is a number; where not, it is a bound.
    component : the part of the duct it belongs to.
    name : proposed or given name; None where none is known.
    """

    id: int
    points_lps_mm: np.ndarray
    diameter_mm: np.ndarray
    resolved: np.ndarray
    own: np.ndarray
    measured_mm: np.ndarray
    fitted_mm: np.ndarray
    length_mm: float
    tortuosity: float
    mean_diameter_mm: float
    min_diameter_mm: float
    min_resolved: bool
    narrowest_lps_mm: np.ndarray
    start_node: int
    end_node: int
    component: int
    closed: bool = False
    name: str | None = None
    name_source: str | None = None

    @property
    def mean_resolved(self) -> bool:
        """Whether every section that the mean is over is resolved; otherwise the mean is an upper bound."""
        return bool(self.resolved[self.own].all()) if self.own.any() else bool(self.resolved.all())

    @property
    def distance_mm(self) -> np.ndarray:
        """(N,) distance along the branch from its first point."""
        steps = np.linalg.norm(np.diff(self.points_lps_mm, axis=0), axis=1)
        return np.concatenate([[0.0], np.cumsum(steps)])


@dataclass
class Node:
    """An end (degree 1), a bifurcation (3 and more), the seam of a ring (2) or a part without centreline (0).

    ``angles_deg`` maps "a-b" of branch ids to the angle between them where they leave the node.
    ``at_border`` : the end lies at the edge of the image, where the duct was cut.
    """

    id: int
    position_lps_mm: np.ndarray
    degree: int
    kind: str
    component: int
    branches: list[int]
    angles_deg: dict[str, float] = field(default_factory=dict)
    at_border: bool = False
    name: str | None = None


@dataclass
class Component:
    """A connected part of the duct.

    ``gap_mm`` : distance from one of its ends to the nearest end or centreline of another part, None where it is alone.
    """

    id: int
    voxels: int
    volume_ml: float
    surface_area_mm2: float
    length_mm: float
    branches: list[int]
    position_lps_mm: np.ndarray
    gap_mm: float | None = None
    nearest_component: int | None = None
    remark: str | None = None


@dataclass
class Finding:
    """A candidate stricture or dilatation.

    Attributes
    ----------
    kind : "stricture", "possible complete stricture" or "dilatation".
    branch : id of the branch, or of the branch below a gap. ``other_branch`` : the one beyond the gap.
    position_lps_mm : (3,) narrowest or widest place; the middle of a gap.
    length_mm : from shoulder to shoulder, at half the change; the width of a gap.
    diameter_mm : narrowest or widest calibre; with ``resolved`` False an upper bound. 0 for a gap.
    reference_diameter_mm : the calibre expected there from the duct on both sides.
    change : 1 - diameter / reference for a stricture (a bound from below where not resolved), diameter / reference -
        1 for a dilatation.
    grade : in words, see docs/measuring.md.
    """

    kind: str
    branch: int
    position_lps_mm: np.ndarray
    length_mm: float
    diameter_mm: float
    resolved: bool
    reference_diameter_mm: float
    change: float
    grade: str
    from_mm: float | None = None
    to_mm: float | None = None
    other_branch: int | None = None
    name: str | None = None


@dataclass
class Bridge:
    """A gap between two ends that point at each other; joining it is proposed, never made."""

    from_node: int
    to_node: int
    from_branch: int
    to_branch: int
    gap_mm: float
    angle_deg: float
    diameters_mm: tuple[float, float]
    points_lps_mm: np.ndarray


@dataclass
class DuctMeasurement:
    """Everything measured on one label. Positions are LPS mm, lengths mm, areas mm², volumes ml."""

    label: int
    branches: list[Branch]
    nodes: list[Node]
    components: list[Component]
    strictures: list[Finding]
    dilatations: list[Finding]
    bridges: list[Bridge]
    volume_ml: float
    surface_area_mm2: float
    total_length_mm: float
    warnings: list[str]
    resolution_mm: float
    spacing_mm: tuple[float, float, float]
    source: str = "volume"
    label_name: str | None = None
    surface_lps_mm: tuple[np.ndarray, np.ndarray] = field(
        default_factory=lambda: (np.zeros((0, 3)), np.zeros((0, 3), dtype=np.int64)), repr=False
    )

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready; says its units and coordinate system. Numbers are rounded to a thousandth of their unit."""
        return {
            "schema": SCHEMA,
            "coordinate_system": "LPS",
            "units": {
                "position": "mm",
                "length": "mm",
                "diameter": "mm",
                "area": "mm2",
                "volume": "ml",
                "angle": "degree",
            },
            "notice": "Research use only. Strictures and dilatations are candidates for a radiologist to judge.",
            "source": self.source,
            "label": self.label,
            "label_name": self.label_name,
            "spacing_ijk_mm": jsonable(self.spacing_mm),
            "smallest_calibre_resolved_mm": jsonable(self.resolution_mm),
            "volume_ml": jsonable(self.volume_ml),
            "surface_area_mm2": jsonable(self.surface_area_mm2),
            "total_length_mm": jsonable(self.total_length_mm),
            "branches": [_record(b) for b in self.branches],
            "nodes": [_record(n) for n in self.nodes],
            "components": [_record(c) for c in self.components],
            "strictures": [_record(f) for f in self.strictures],
            "dilatations": [_record(f) for f in self.dilatations],
            "bridges_proposed": [_record(b) for b in self.bridges],
            "warnings": list(self.warnings),
        }


def bounded(diameter_mm: float, resolved: bool, digits: int = 1) -> str:
    """A calibre for people: ``4.2``, or ``< 1.7`` where the voxels do not resolve it."""
    return f"{diameter_mm:.{digits}f}" if resolved else f"< {diameter_mm:.{digits}f}"


def _record(item: Any) -> dict[str, Any]:
    record = {key: jsonable(value) for key, value in vars(item).items() if key not in ("measured_mm", "fitted_mm")}
    if isinstance(item, Branch):
        record["distance_mm"] = jsonable(item.distance_mm)
        record["mean_resolved"] = item.mean_resolved
    return record


def jsonable(value: Any) -> Any:
    """Plain numbers, lists and dictionaries; numbers rounded to a thousandth, NaN as None."""
    if isinstance(value, np.ndarray):
        return [jsonable(v) for v in value.tolist()]
    if isinstance(value, (list, tuple)):
        return [jsonable(v) for v in value]
    if isinstance(value, dict):
        return {str(k): jsonable(v) for k, v in value.items()}
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return round(value, 3) if np.isfinite(value) else None
    return value
