"""Calibre along a centreline: the diameter of the circle with the area of the section, and where it is only a bound."""

from __future__ import annotations

import numpy as np

from .centreline import Path
from .curves import tangents_of, weighted_smooth
from .grid import DuctGrid
from .sections import cross_sections, voxel_across
from .skeleton import Radius

#: Sections are averaged along the duct over a Gaussian of this many voxels (standard deviation).
AVERAGED_VOXELS = 1.0
#: A calibre below this many voxels across the duct is a bound: whether a voxel of such a duct is labelled is chance.
RESOLVED_VOXELS = 1.5
#: The bound is this many voxels above what was measured (the true calibre is below it in 97.5 of 100 points of the
#: phantoms), and never below `LEAST_BOUND_VOXELS`: thinner ducts leave no trace to be measured.
BOUND_MARGIN_VOXELS, LEAST_BOUND_VOXELS = 0.4, 1.1


def measure_calibre(
    paths: list[Path], grid: DuctGrid, radius: Radius
) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """For each path the diameter in mm (N,), whether it is resolved (N,) bool, and what was measured in mm (N,).

    Where it is not resolved, the diameter given is the bound: the duct is thinner than that. Inside a bifurcation and
    in the cap of an end, a branch has the calibre of its nearest section of its own.
    """
    if not paths:
        return []
    points = np.concatenate([path.points for path in paths])
    tangents = np.concatenate([tangents_of(path.points, path.closed) for path in paths])
    area, _ = cross_sections(grid, points, tangents, radius(points))
    across = voxel_across(grid, tangents)
    result = []
    at = 0
    for path in paths:
        n = len(path.points)
        own_area, limit = area[at : at + n], across[at : at + n]
        at += n
        step = np.linalg.norm(np.diff(path.points, axis=0), axis=1).mean()
        sigma = AVERAGED_VOXELS * float(grid.spacing.max()) / max(float(step), 1e-6)
        if path.own.any():
            smoothed = weighted_smooth(own_area, path.own.astype(float), sigma, path.closed)
        else:  # a branch inside a bifurcation: its narrowest section is the least mixed with others
            smoothed = np.full(n, own_area.min())
        diameter = 2 * np.sqrt(smoothed / np.pi)
        resolved = diameter >= RESOLVED_VOXELS * limit
        bound = np.maximum(diameter + BOUND_MARGIN_VOXELS * limit, LEAST_BOUND_VOXELS * limit)
        result.append((np.where(resolved, diameter, bound), resolved, diameter))
    return result
