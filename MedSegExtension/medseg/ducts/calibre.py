"""Calibre along a centreline: the diameter of the circle with the area of the section, and where it is only a bound."""

from __future__ import annotations

import numpy as np

from .centreline import Path
from .curves import tangents_of, weighted_smooth
from .grid import DuctGrid
from .sections import cross_sections, voxel_across
from .skeleton import Radius

#: Sections are averaged along the duct over a Gaussian of this many voxels (standard deviation).
AVERAGED_VOXELS = 0.7
#: A calibre below this many voxels across the duct is a bound: whether a voxel of such a duct is labelled is chance.
RESOLVED_VOXELS = 1.5
#: The bound is this many voxels above what was measured (the true calibre is below it in 97.5 of 100 points of the
#: phantoms), and never below `LEAST_BOUND_VOXELS`: thinner ducts leave no trace to be measured.
BOUND_MARGIN_VOXELS, LEAST_BOUND_VOXELS = 0.4, 1.1

#: A section in a bifurcation counts where its area is below this part of the nearest own one, and its centre is within
#: this part of its radius of the path.
NARROW_IN_BIFURCATION, OFF_CENTRE = 0.8, 0.35


def measure_calibre(
    paths: list[Path], grid: DuctGrid, radius: Radius
) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """For each path the diameter in mm (N,), whether it is resolved (N,) bool, and what was measured in mm (N,).

    Where it is not resolved, the diameter given is the bound: the duct is thinner than that; so is the whole of a
    branch that has no section of its own between two bifurcations. Inside a bifurcation and in the cap of an end, a
    branch has the calibre of its nearest section of its own, unless its section is smaller there.
    """
    if not paths:
        return []
    points = np.concatenate([path.points for path in paths])
    tangents = np.concatenate([tangents_of(path.points, path.closed) for path in paths])
    area, offset = cross_sections(grid, points, tangents, radius(points))
    # a section that is not about its own point says nothing: the path leads along the edge of the lumen there
    centred = np.linalg.norm(offset, axis=1) <= OFF_CENTRE * np.sqrt(area / np.pi)
    centred &= grid.sample(points) >= 0.5
    across = voxel_across(grid, tangents)
    result = []
    at = 0
    for path in paths:
        n = len(path.points)
        own_area, limit = area[at : at + n], across[at : at + n]
        middle = centred[at : at + n]
        at += n
        step = np.linalg.norm(np.diff(path.points, axis=0), axis=1).mean()
        sigma = AVERAGED_VOXELS * float(grid.spacing.max()) / max(float(step), 1e-6)
        if path.own.any():
            held = weighted_smooth(own_area, path.own.astype(float), sigma, path.closed)
            # what other ducts add to a section in a bifurcation makes it larger: where it is smaller, it is narrow
            narrow = ~path.own & ~path.cap & middle & (own_area < NARROW_IN_BIFURCATION * held)
            smoothed = weighted_smooth(own_area, (path.own | narrow).astype(float), sigma, path.closed)
        else:  # a branch inside a bifurcation: its narrowest section is the least mixed with others
            smoothed = np.full(n, own_area.min())
        diameter = 2 * np.sqrt(smoothed / np.pi)
        resolved = diameter >= RESOLVED_VOXELS * limit
        bound = np.maximum(diameter + BOUND_MARGIN_VOXELS * limit, LEAST_BOUND_VOXELS * limit)
        if not (path.own | path.cap).any():  # between two bifurcations: other ducts are part of every section
            resolved, bound = np.zeros(n, dtype=bool), np.full(n, 2 * np.sqrt(own_area.max() / np.pi))
        result.append((np.where(resolved, diameter, bound), resolved, diameter))
    return result
