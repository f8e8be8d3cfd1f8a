"""The ducts as a tree of tubes, fitted to the voxels: calibre where sections cannot tell, and with less noise.

A section sees what the voxels in its plane hold: in a duct of two voxels that is one voxel more or less, and in a
bifurcation it is the lumens of all branches. Here the whole tree is a model instead: every branch a tube about a
smooth line, the lumen their union. A voxel belongs to the mask when at least half of it lies in the lumen, so each
voxel at the wall bounds the radius there from one side, and neighbouring voxels along a smooth tube bound it together;
what a side branch fills is explained by the side branch. Line and radius of all branches are found together by maximum
a posteriori. Cylindrical models fitted to image data measure thin vessels better than sections do: Woerz S, Rohr K.
IEEE Trans Image Process 2007;16:1994-2010; the fit to a labelled mask is our own.

The result finds narrow places; the calibres that are read off come from the sections (`calibre.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import ndimage
from scipy.optimize import minimize
from scipy.spatial import cKDTree

from .centreline import Path
from .curves import arc_length, resample
from .grid import NEIGHBOURS, DuctGrid

#: Distance between the points of a tube, in voxels.
STEP_VOXELS = 0.8
#: How sharply a voxel changes sides at the wall, in voxels (logistic scale), in a mask and in probabilities: the half
#: of a voxel that is filled depends on how the wall cuts it, and probabilities go from 0 to 1 over about a voxel.
SHARPNESS_MASK, SHARPNESS_PROBABILITIES = 0.15, 0.25
#: Weights of the priors: bending of the line (squared), change of the radius (absolute, so that steps are allowed),
#: distance of the line from where it began (squared); all in voxels.
BENDING, CHANGE, STRAYING = 3.0, 2.0, 0.2
#: The absolute value is rounded off below this change of radius.
ROUNDED = 0.03
#: A voxel is at least half filled by a tube of radius r voxels up to about sqrt(r² - this) voxels from its middle.
HALF_FULL = 0.13
#: A place on a tube is known when this part of the voxels at its wall is its own.
KNOWN = 0.5
#: Steps of the optimiser before and after the voxels are shared out anew.
STEPS = (25, 25)
#: Tubes near a voxel that are looked at.
CANDIDATES = 4
#: Ducts with more voxels at their walls than this are not fitted, for time goes with them (0.8 s for 15 000): they are
#: wide for their voxels, and sections will do.
MOST_VOXELS = 100_000


def fit_tubes(paths: list[Path], calibres: Sequence[tuple[np.ndarray, ...]], grid: DuctGrid) -> list[np.ndarray]:
    """For each path the fitted diameter in mm (N,) at its points, NaN where another branch hides the wall.

    Parameters
    ----------
    paths : centrelines, local mm.
    calibres : for each path what `measure_calibre` gave; the last array is where the fit begins.
    """
    if not paths:
        return []
    tree = _Tree(paths, [c[-1] for c in calibres], grid)
    if len(tree.voxels) > MOST_VOXELS:
        return [np.full(len(path.points), np.nan) for path in paths]
    radii, known = tree.fit()
    result = []
    for path, (first, last), s in zip(paths, tree.spans, tree.along, strict=True):
        at = arc_length(path.points)
        diameter = np.interp(at, s, 2 * radii[first:last] * tree.unit)
        nearest = np.clip(np.searchsorted((s[1:] + s[:-1]) / 2, at), 0, last - first - 1)
        result.append(np.where(known[first:last][nearest], diameter, np.nan))
    return result


def half_full(radius: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How far from the middle of a tube its voxels are half full, in voxels, and the derivative; (N,) each.

    Below half a voxel in radius no voxel is half full: the line goes on down, so that the fit can tell thin from
    thinner.
    """
    least = 0.5
    wide = np.maximum(radius, least)
    value = np.sqrt(wide**2 - HALF_FULL)
    thin = radius < least
    at_least = np.sqrt(least**2 - HALF_FULL)
    return np.where(thin, at_least + 1.5 * (radius - least), value), np.where(thin, 1.5, wide / value)


class _Tree:
    """Points, segments and voxels of the model, in units of a voxel (the cube root of its volume)."""

    def __init__(self, paths: list[Path], diameters: list[np.ndarray], grid: DuctGrid) -> None:
        self.unit = float(np.cbrt(grid.voxel_volume_mm3))
        self.spacing = grid.spacing / self.unit
        points, radii, segments, triples = [], [], [], []
        self.spans: list[tuple[int, int]] = []
        self.along: list[np.ndarray] = []
        ends: dict[Any, list[int]] = {}
        count = 0
        for path, diameter in zip(paths, diameters, strict=True):
            line = resample(path.points, STEP_VOXELS * self.unit)
            s = arc_length(line)
            points.append(line / self.unit)
            radii.append(np.maximum(np.interp(s, arc_length(path.points), diameter) / 2 / self.unit, 0.45))
            index = np.arange(count, count + len(line))
            segments.append(np.stack([index[:-1], index[1:]], axis=1))
            if len(line) > 2:
                triples.append(np.stack([index[:-2], index[1:-1], index[2:]], axis=1))
            ends.setdefault(path.start, []).append(count)
            ends.setdefault(path.stop, []).append(count + len(line) - 1)
            self.spans.append((count, count + len(line)))
            self.along.append(s)
            count += len(line)
        self.start = np.concatenate(points)
        self.radii = np.concatenate(radii)
        self.segments = np.concatenate(segments)
        self.branch = np.repeat(np.arange(len(segments)), [len(s) for s in segments])
        self.triples = np.concatenate(triples) if triples else np.zeros((0, 3), dtype=int)
        # the ends of branches at one node move together
        leader = np.arange(count)
        for members in ends.values():
            leader[members] = members[0]
        self.leaders, self.follows = np.unique(leader, return_inverse=True)
        self._take_voxels(grid)

    def _take_voxels(self, grid: DuctGrid) -> None:
        """Voxels within one of the wall on both sides: only they bound the radius."""
        wall = ndimage.binary_dilation(grid.mask, NEIGHBOURS) & ~ndimage.binary_erosion(grid.mask, NEIGHBOURS, 2)
        index = np.argwhere(wall)
        self.voxels = index * self.spacing
        self.filled = grid.occupancy[tuple(index.T)].astype(float)
        binary = bool(np.isin(self.filled, (0.0, 1.0)).all())
        self.sharpness = SHARPNESS_MASK if binary else SHARPNESS_PROBABILITIES

    def fit(self) -> tuple[np.ndarray, np.ndarray]:
        """Radii (P,) in voxels and whether they are known (P,)."""
        n = 3 * len(self.leaders)
        x = np.concatenate([self.start[self.leaders].ravel(), self.radii])
        bounds = [(None, None)] * n + [(0.1, None)] * len(self.radii)
        for steps in STEPS:
            self._share_out(x)
            x = minimize(
                self._cost, x, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": steps, "maxcor": 20}
            ).x
        return x[n:], self._known(x)

    def _unpack(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        n = 3 * len(self.leaders)
        return x[:n].reshape(-1, 3)[self.follows], x[n:]

    def _share_out(self, x: np.ndarray) -> None:
        """Set the pairs of voxels and nearby segments, ordered by voxel."""
        points, radii = self._unpack(x)
        middle = points[self.segments].mean(axis=1)
        reach = radii[self.segments].max(axis=1) + 2.5
        k = min(CANDIDATES, len(middle))
        apart, nearest = cKDTree(middle).query(self.voxels, k=k, distance_upper_bound=float(reach.max()))
        apart, nearest = apart.reshape(len(self.voxels), k), nearest.reshape(len(self.voxels), k)
        good = np.isfinite(apart)
        good[good] = apart[good] < reach[nearest[good]]
        self.pair_voxel, column = np.nonzero(good)
        self.pair_segment = nearest[self.pair_voxel, column]
        changes = np.flatnonzero(np.diff(self.pair_voxel)) + 1
        self.firsts = np.concatenate([[0], changes]) if len(self.pair_voxel) else np.zeros(0, dtype=int)
        self.counts = np.diff(np.concatenate([self.firsts, [len(self.pair_voxel)]]))

    def _depths(self, points: np.ndarray, radii: np.ndarray) -> tuple[np.ndarray, ...]:
        """For each pair: depth of the voxel in the tube, place along the segment, way off it (3), slope of the wall."""
        one, two = self.segments[self.pair_segment].T
        axis = points[two] - points[one]
        to = self.voxels[self.pair_voxel] - points[one]
        t = np.clip((to * axis).sum(axis=1) / ((axis * axis).sum(axis=1) + 1e-9), 0, 1)
        off = to - t[:, None] * axis
        apart = np.sqrt((off * off).sum(axis=1) + 1e-6)
        reach, slope = half_full(radii[one] + t * (radii[two] - radii[one]))
        return reach - apart, t, off / apart[:, None], slope

    def _margins(self, points: np.ndarray, radii: np.ndarray) -> dict[str, np.ndarray]:
        """For each voxel the segment in which it lies deepest, and how deep."""
        depth, t, outward, slope = self._depths(points, radii)
        best = np.maximum.reduceat(depth, self.firsts) if len(depth) else np.zeros(0)
        at = np.flatnonzero(depth >= np.repeat(best, self.counts))
        voxel = self.pair_voxel[at]
        at = at[np.concatenate([[True], voxel[1:] != voxel[:-1]])] if len(at) else at
        outward, (one, two) = outward[at], self.segments[self.pair_segment[at]].T
        # across a wall that faces the long side of the voxels the outline has longer steps
        width = self.sharpness * np.linalg.norm(outward * self.spacing, axis=1)
        return {
            "one": one, "two": two, "t": t[at], "outward": outward, "slope": slope[at], "depth": depth[at],
            "width": width, "voxel": self.pair_voxel[at],
        }  # fmt: skip

    def _cost(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        """Cost and gradient. That a voxel's place along a segment moves with it is left out: radii are nearly even."""
        points, radii = self._unpack(x)
        m = self._margins(points, radii)
        z = m["depth"] / m["width"]
        filled = self.filled[m["voxel"]]
        cost = float((np.logaddexp(0, z) - filled * z).sum())
        pull = (1 / (1 + np.exp(-np.clip(z, -50, 50))) - filled) / m["width"]
        count = len(radii)

        def share(values: np.ndarray) -> np.ndarray:
            first = np.bincount(m["one"], values * (1 - m["t"]), count)
            return first + np.bincount(m["two"], values * m["t"], count)

        by_radius = share(pull * m["slope"])
        by_point = np.stack([share(pull * m["outward"][:, axis]) for axis in range(3)], axis=1)

        bend = points[self.triples[:, 0]] - 2 * points[self.triples[:, 1]] + points[self.triples[:, 2]]
        cost += BENDING * float((bend * bend).sum())
        for column, factor in ((0, 1.0), (1, -2.0), (2, 1.0)):  # each point is once in each column
            np.add.at(by_point, self.triples[:, column], 2 * BENDING * factor * bend)
        change = radii[self.segments[:, 1]] - radii[self.segments[:, 0]]
        rounded = np.sqrt(change * change + ROUNDED**2)
        cost += CHANGE * float(rounded.sum())
        by_change = CHANGE * change / rounded
        by_radius += np.bincount(self.segments[:, 1], by_change, count)
        by_radius -= np.bincount(self.segments[:, 0], by_change, count)
        stray = points - self.start
        cost += STRAYING * float((stray * stray).sum())
        by_point += 2 * STRAYING * stray
        together = [np.bincount(self.follows, by_point[:, axis], len(self.leaders)) for axis in range(3)]
        return cost, np.concatenate([np.stack(together, axis=1).ravel(), by_radius])

    def _known(self, x: np.ndarray) -> np.ndarray:
        """(P,) bool: where most of the voxels at a tube's wall are not in another branch's lumen or at its wall."""
        points, radii = self._unpack(x)
        depth, t = self._depths(points, radii)[:2]
        branch = self.branch[self.pair_segment]
        # of each branch the segment in which a voxel lies deepest
        order = np.lexsort((-depth, branch, self.pair_voxel))
        voxel, branch = self.pair_voxel[order], branch[order]
        first = np.ones(len(order), dtype=bool)
        first[1:] = (voxel[1:] != voxel[:-1]) | (branch[1:] != branch[:-1])
        order, voxel = order[first], voxel[first]
        depth, t, segment = depth[order], t[order], self.pair_segment[order]
        deepest = np.full(len(self.voxels), -np.inf)
        np.maximum.at(deepest, voxel, depth)
        near = np.abs(depth) < 1.0
        mine = (depth >= deepest[voxel])[near].astype(float)
        one, two = self.segments[segment[near]].T
        t, count = t[near], len(radii)
        all_ = np.bincount(one, 1 - t, count) + np.bincount(two, t, count)
        own = np.bincount(one, mine * (1 - t), count) + np.bincount(two, mine * t, count)
        known = own >= KNOWN * np.maximum(all_, 1e-6)
        # a point so narrow that every voxel is nearer to its neighbours' wider lumen is as well known as they are
        for start, stop in self.spans:
            bare = all_[start:stop] <= 1e-6
            if bare.any() and not bare.all():
                index = np.arange(stop - start)
                nearest = np.abs(index[bare, None] - index[~bare]).argmin(axis=1)
                known[start:stop][bare] = known[start:stop][~bare][nearest]
        return known
