"""A branch of a duct and the anatomy it belongs to."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .curves import arc_length, norm, quantise

BILE_DUCTS, GALLBLADDER, PANCREATIC_DUCT = 1, 2, 3

#: Right and left lobe of an average liver as ellipsoids: centre from the hilum and semi-axes, mm.
LIVER_LOBES = (((-46.0, 6.0, 8.0), (76.0, 66.0, 90.0)), ((28.0, -10.0, 20.0), (74.0, 44.0, 44.0)))
#: The visceral surface cuts them below the plane z = offset + slope · x.
VISCERAL_OFFSET_MM, VISCERAL_SLOPE = -48.0, 0.5


@dataclass
class Branch:
    """One unbranched stretch of lumen.

    Attributes
    ----------
    id : position in ``Anatomy.branches``. parent : id of the branch nearer to the duodenum, or None.
    points : (n, 3) centreline in LPS mm, from the duodenal end upwards, quantised.
    diameters : (n,) mm, quantised; 0 where the lumen is closed.
    order : 0 extrahepatic, 1 hepatic and sectoral, 2 segmental, 3 subsegmental, 4 beyond.
    """

    id: int
    name: str
    parent: int | None
    label: int
    points: np.ndarray
    diameters: np.ndarray
    order: int = 0
    strictures: list[dict] = field(default_factory=list)
    dilatations: list[dict] = field(default_factory=list)

    @property
    def length_mm(self) -> float:
        return float(arc_length(self.points)[-1])

    def tangent(self, index: int) -> np.ndarray:
        """Direction (not normalised) of the centreline at a point, away from the duodenum."""
        low, high = max(index - 2, 0), min(index + 2, len(self.points) - 1)
        return self.points[high] - self.points[low]

    def index_at(self, fraction: float) -> int:
        """Index of the point at a fraction of the way up."""
        return min(max(int(fraction * (len(self.points) - 1) + 0.5), 0), len(self.points) - 1)


@dataclass
class Stone:
    """A stone inside a lumen: an ellipsoid with semi-axes in mm along LPS."""

    branch: int
    centre: np.ndarray
    semi_axes: np.ndarray


@dataclass
class Anatomy:
    """All ducts of a case."""

    hilum: np.ndarray
    scale: np.ndarray
    variants: dict[str, str] = field(default_factory=dict)
    disease: str = "none"
    branches: list[Branch] = field(default_factory=list)
    stones: list[Stone] = field(default_factory=list)
    sludge_fraction: float = 0.0

    def add(
        self, name: str, parent: int | None, label: int, points: np.ndarray, diameters: np.ndarray, order: int
    ) -> Branch:
        branch = Branch(len(self.branches), name, parent, label, points, quantise(diameters), order)
        self.branches.append(branch)
        return branch

    def named(self, name: str) -> Branch | None:
        """The first branch of that name."""
        return next((b for b in self.branches if b.name == name), None)

    def upstream(self, branch: Branch) -> list[Branch]:
        """Every branch that drains through this one."""
        found: list[Branch] = []
        waiting = [branch.id]
        while waiting:
            children = [b for b in self.branches if b.parent in waiting]
            found += children
            waiting = [b.id for b in children]
        return found

    def gaps(self, points: np.ndarray) -> np.ndarray:
        """(n,) mm from each of the (n, 3) points to the nearest wall of a duct; negative inside one."""
        gap = np.full(len(points), 1e9)
        for other in self.branches:
            distance = norm(points[:, None, :] - other.points[None, :, :]) - 0.5 * other.diameters[None, :]
            gap = np.minimum(gap, distance.min(axis=1))
        return gap

    def clearance(self, points: np.ndarray, radii: np.ndarray) -> float:
        """Smallest gap in mm between the walls of a new branch and of those that exist."""
        return float((self.gaps(points) - radii).min()) if len(points) else 1e9
