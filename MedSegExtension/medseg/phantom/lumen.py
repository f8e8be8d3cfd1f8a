"""How much of each voxel is lumen, exactly and the same on every platform.

Each voxel is looked at in 4 × 4 × 4 points; a point is lumen when it lies in one of the truncated cones between
neighbouring centreline points. Only additions, multiplications, divisions, square roots and comparisons of float64 are
used, element by element, which IEEE 754 rounds in one way only; sums are over integers.
"""

from __future__ import annotations

import numpy as np

from .curves import norm
from .grid import Grid
from .tree import Anatomy, Branch

#: Points looked at along each axis of a voxel.
SUBSAMPLES = 4
POINTS_A_VOXEL = SUBSAMPLES**3

_BITS_SET = np.array([bin(byte).count("1") for byte in range(256)], dtype=np.uint8)


class Lumen:
    """Collects the lumen of branches on a grid, as one 64-bit mask for each voxel that is touched."""

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        steps = (np.arange(SUBSAMPLES) + 0.5) / SUBSAMPLES - 0.5
        k, j, i = np.meshgrid(steps, steps, steps, indexing="ij")
        si, sj, sk = grid.spacing
        self._offsets = (i.ravel() * si, j.ravel() * sj, k.ravel() * sk)
        self._half_diagonal = 0.5 * float(norm(np.array(grid.spacing)))
        self._index: list[np.ndarray] = []
        self._bits: list[np.ndarray] = []

    def add(self, branch: Branch) -> None:
        """Adds the lumen of one branch."""
        points = self.grid.to_grid_mm(branch.points)
        radii = branch.diameters * 0.5
        for n in range(len(points) - 1):
            if radii[n] > 0.0 or radii[n + 1] > 0.0:
                self._cone(points[n], points[n + 1], float(radii[n]), float(radii[n + 1]))

    def _cone(self, a: np.ndarray, b: np.ndarray, ra: float, rb: float) -> None:
        largest = max(ra, rb)
        reach = largest + self._half_diagonal
        box = self.grid.box(np.minimum(a, b) - reach, np.maximum(a, b) + reach)
        if box is None:
            return
        k, j, i = (np.arange(s.start, s.stop) for s in box)
        si, sj, sk = self.grid.spacing
        x = np.broadcast_to((i * si)[None, None, :], (len(k), len(j), len(i))).ravel()
        y = np.broadcast_to((j * sj)[None, :, None], (len(k), len(j), len(i))).ravel()
        z = np.broadcast_to((k * sk)[:, None, None], (len(k), len(j), len(i))).ravel()
        _, rows, columns = self.grid.shape
        flat = ((k * rows)[:, None, None] + j[None, :, None]) * columns + i[None, None, :]
        flat = flat.ravel()
        depth = _depth(x, y, z, a, b, ra, rb)
        # The depth changes by at most this much over half a voxel's diagonal.
        slope = abs(ra - rb) / max(float(norm(b - a)), 1e-9)
        margin = self._half_diagonal * (1.0 + slope)
        whole = depth > margin
        partly = (depth >= -margin) & ~whole
        if whole.any():
            self._index.append(flat[whole])
            self._bits.append(np.full(int(whole.sum()), np.uint64(0xFFFFFFFFFFFFFFFF)))
        if partly.any():
            ox, oy, oz = self._offsets
            inside = (
                _depth(x[partly][:, None] + ox, y[partly][:, None] + oy, z[partly][:, None] + oz, a, b, ra, rb) > 0.0
            )  # strictly: a closed lumen has none
            self._index.append(flat[partly])
            self._bits.append(np.packbits(inside, axis=1).view(np.uint64)[:, 0])

    def masks(self) -> tuple[np.ndarray, np.ndarray]:
        """(n,) sorted flat voxel indices, and (n,) uint64 masks of which points are lumen."""
        if not self._index:
            return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.uint64)
        index, bits = np.concatenate(self._index), np.concatenate(self._bits)
        order = np.argsort(index, kind="stable")
        index, bits = index[order], bits[order]
        first = np.flatnonzero(np.concatenate([[True], index[1:] != index[:-1]]))
        return index[first], np.bitwise_or.reduceat(bits, first)


def count_points(bits: np.ndarray) -> np.ndarray:
    """(n,) number of lumen points (0 … 64) in (n,) uint64 masks."""
    if not len(bits):
        return np.zeros(0, dtype=np.uint8)
    return _BITS_SET[np.ascontiguousarray(bits).view(np.uint8).reshape(-1, 8)].sum(axis=1, dtype=np.uint8)


def _depth(
    x: np.ndarray, y: np.ndarray, z: np.ndarray, a: np.ndarray, b: np.ndarray, ra: float, rb: float
) -> np.ndarray:
    """mm from each point to the wall of the rounded cone from a to b; positive inside."""
    ux, uy, uz = float(b[0] - a[0]), float(b[1] - a[1]), float(b[2] - a[2])
    square = ux * ux + uy * uy + uz * uz
    dx, dy, dz = x - a[0], y - a[1], z - a[2]
    if square > 0.0:
        t = np.minimum(np.maximum((dx * ux + dy * uy + dz * uz) / square, 0.0), 1.0)
        dx, dy, dz = dx - t * ux, dy - t * uy, dz - t * uz
        radius = ra + t * (rb - ra)
    else:
        radius = np.full(np.shape(x), max(ra, rb))
    return np.asarray(radius - np.sqrt(dx * dx + dy * dy + dz * dz))


def label_lumen(anatomy: Anatomy, grid: Grid) -> tuple[np.ndarray, dict[int, tuple[np.ndarray, np.ndarray]]]:
    """Labels of all ducts, and how full each voxel is.

    Returns
    -------
    labels : (K, J, I) uint8. A voxel is labelled when at least half of its points lie in any lumen; it gets the label
        that fills most of it, the lower one on a draw.
    filled : for each label, (flat voxel indices, points of lumen 1 … 64 as uint8).
    """
    labels = np.zeros(grid.shape, dtype=np.uint8)
    flat = labels.reshape(-1)
    filled: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    every_index, every_bits = [], []
    most = np.zeros(flat.shape, dtype=np.uint8)
    for label in sorted({b.label for b in anatomy.branches}):
        lumen = Lumen(grid)
        for branch in anatomy.branches:
            if branch.label == label:
                lumen.add(branch)
        index, bits = lumen.masks()
        count = count_points(bits)
        index, bits, count = index[count > 0], bits[count > 0], count[count > 0]
        filled[label] = (index, count)
        every_index.append(index)
        every_bits.append(bits)
        wins = index[count > most[index]]
        flat[wins] = label
        most[index] = np.maximum(most[index], count)
    union = Lumen(grid)
    union._index, union._bits = every_index, every_bits
    index, bits = union.masks()
    thin = index[count_points(bits) < POINTS_A_VOXEL // 2]
    flat[thin] = 0
    return labels, filled
