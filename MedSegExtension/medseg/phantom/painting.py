"""Painting organs into the image: tubes and ellipsoids with soft, partly filled borders."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .grid import Grid

Box = tuple[slice, slice, slice]


@dataclass
class Painted:
    """A painted shape: its box of voxels, how full each is (float32, 0 … 1) and the mm along its axis."""

    box: Box
    fill: np.ndarray
    along: np.ndarray


def soften(depth: np.ndarray, grid: Grid) -> np.ndarray:
    """Part of each voxel inside a smooth wall, from mm to the wall at its centre (positive inside)."""
    width = np.float32(sum(grid.spacing) / 3.0)
    return np.clip(depth / width + np.float32(0.5), 0.0, 1.0, dtype=np.float32)


def tube(grid: Grid, points: np.ndarray, radii: np.ndarray) -> Painted | None:
    """A tube along (n, 3) LPS points with (n,) radii in mm."""
    p = grid.to_grid_mm(points)
    margin = np.float64(max(grid.spacing))
    outer = grid.box(p.min(axis=0) - radii.max() - margin, p.max(axis=0) + radii.max() + margin)
    if outer is None:
        return None
    depth = np.full([s.stop - s.start for s in outer], -1e3, dtype=np.float32)
    along = np.zeros_like(depth)
    start = 0.0
    for n in range(len(p) - 1):
        a, b, ra, rb = p[n], p[n + 1], float(radii[n]), float(radii[n + 1])
        length = float(np.sqrt(((b - a) ** 2).sum()))
        reach = max(ra, rb) + margin
        box = grid.box(np.minimum(a, b) - reach, np.maximum(a, b) + reach)
        if box is not None:
            d, t = _segment(grid, box, a, b, ra, rb)
            inner = tuple(slice(s.start - o.start, s.stop - o.start) for s, o in zip(box, outer, strict=True))
            nearer = d > depth[inner]
            depth[inner] = np.where(nearer, d, depth[inner])
            along[inner] = np.where(nearer, start + t * length, along[inner])
        start += length
    return Painted(outer, soften(depth, grid), along)


def _segment(grid: Grid, box: Box, a: np.ndarray, b: np.ndarray, ra: float, rb: float) -> tuple[np.ndarray, np.ndarray]:
    """mm to the wall and position 0 … 1 along one piece of a tube, for the voxels in a box."""
    z, y, x = (
        np.arange(s.start, s.stop, dtype=np.float32) * np.float32(grid.spacing[axis]) - np.float32(a[axis])
        for s, axis in zip(box, (2, 1, 0), strict=True)
    )
    u = (b - a).astype(np.float32)
    square = max(float((u * u).sum()), 1e-6)
    t = ((z * u[2])[:, None, None] + (y * u[1])[None, :, None] + (x * u[0])[None, None, :]) / np.float32(square)
    np.clip(t, 0.0, 1.0, out=t)
    dx, dy, dz = x[None, None, :] - t * u[0], y[None, :, None] - t * u[1], z[:, None, None] - t * u[2]
    return np.float32(ra) + t * np.float32(rb - ra) - np.sqrt(dx * dx + dy * dy + dz * dz), t


def ellipsoid(grid: Grid, centre: np.ndarray, semi_axes: np.ndarray, bumps: np.ndarray | None = None) -> Painted | None:
    """An ellipsoid with its axes along LPS; ``along`` is zero. ``bumps``: (K, J, I) mm to move its surface out."""
    c = grid.to_grid_mm(np.asarray(centre, dtype=float)[None, :])[0]
    reach = float(np.max(semi_axes)) + max(grid.spacing) + (0.0 if bumps is None else 8.0)
    box = grid.box(c - reach, c + reach)
    if box is None:
        return None
    x, y, z = grid.lps(box)
    q = np.sqrt(
        ((x - centre[0]) / semi_axes[0]) ** 2
        + ((y - centre[1]) / semi_axes[1]) ** 2
        + ((z - centre[2]) / semi_axes[2]) ** 2
    )
    depth = ((1.0 - q) * float(np.min(semi_axes))).astype(np.float32)
    if bumps is not None:
        depth += bumps[box]
    return Painted(box, soften(depth, grid), np.zeros_like(depth))


def lay(image: np.ndarray, shape: Painted | None, signal: float | np.ndarray, cover: float = 1.0) -> None:
    """Replaces what is there by ``signal``, as far as each voxel is filled (times ``cover``)."""
    if shape is None:
        return
    part = image[shape.box]
    fill = shape.fill * np.float32(cover)
    part += fill * (np.asarray(signal, dtype=np.float32) - part)


def smooth_noise(rng: np.random.Generator, shape: tuple[int, int, int], cells: tuple[int, int, int]) -> np.ndarray:
    """float32 noise of mean 0 and standard deviation about 1 that varies over ``cells`` lumps along each axis."""
    coarse = rng.standard_normal(tuple(c + 1 for c in cells), dtype=np.float32)
    result = coarse
    for axis, count in enumerate(shape):
        where = np.linspace(0.0, cells[axis], count, dtype=np.float32)
        low = np.minimum(where.astype(int), cells[axis] - 1)
        part = where - low
        part = part * part * (3.0 - 2.0 * part)
        lower, upper = np.take(result, low, axis=axis), np.take(result, low + 1, axis=axis)
        view = [None, None, None]
        view[axis] = slice(None)  # type: ignore[call-overload]
        result = lower + (upper - lower) * part[tuple(view)].astype(np.float32)
    return np.asarray(result, dtype=np.float32)
