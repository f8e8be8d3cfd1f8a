"""Analytic ducts drawn on voxel grids the way a reference mask is made: a voxel belongs when at least half of it is
lumen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from medseg.volume import Volume
from scipy.spatial import cKDTree

SUBSAMPLES = 3


@dataclass
class Drawn:
    """A label map and the turn (3, 3) that brought the shape's own axes to LPS."""

    labels: Volume
    turn: np.ndarray


def turn_of(seed: int | None) -> np.ndarray:
    """A random rotation, or none."""
    if seed is None:
        return np.eye(3)
    q, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    return q * np.sign(np.linalg.det(q))


def draw_tubes(
    tubes: list[tuple[np.ndarray, np.ndarray]],
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0),
    seed: int | None = None,
    flat: bool = False,
) -> Drawn:
    """Label 1 on a grid around tubes, each (points (N, 3) mm, radii (N,) mm), turned and shifted by ``seed``.

    A tube is the sweep of balls along its points; ``flat`` cuts it at the planes through its first and last point.
    """
    turn = turn_of(seed)
    shift = np.random.default_rng(seed).uniform(0, 1, 3) if seed is not None else np.full(3, 0.37)
    turned = [(points @ turn.T, radii) for points, radii in tubes]
    step = np.asarray(spacing)
    widest = max(radii.max() for _, radii in turned)
    every = np.concatenate([points for points, _ in turned])
    low = every.min(axis=0) - widest - (3 - shift) * step
    count = np.ceil((every.max(axis=0) + widest + 3 * step - low) / step).astype(int) + 1
    grid = np.stack(np.meshgrid(*(low[a] + np.arange(count[a]) * step[a] for a in range(3)), indexing="ij"), axis=-1)
    near = cKDTree(every).query(grid.reshape(-1, 3), distance_upper_bound=widest + step.max() * 1.5)[0] < np.inf
    voxels = grid.reshape(-1, 3)[near]
    filled = np.zeros(len(voxels))
    offsets = (np.arange(SUBSAMPLES) + 0.5) / SUBSAMPLES - 0.5
    trees = [cKDTree(points) for points, _ in turned]
    for a in offsets:
        for b in offsets:
            for c in offsets:
                at = voxels + np.array([a, b, c]) * step
                inside = np.zeros(len(at), dtype=bool)
                for (points, radii), tree in zip(turned, trees, strict=True):
                    apart, nearest = tree.query(at)
                    here = apart < radii[nearest]
                    if flat:
                        here &= (nearest > 0) | ((at - points[0]) @ (points[1] - points[0]) >= 0)
                        here &= (nearest < len(points) - 1) | ((at - points[-1]) @ (points[-1] - points[-2]) <= 0)
                    inside |= here
                filled += inside
    array = np.zeros(int(np.prod(count)), dtype=np.uint8)
    array[near] = filled >= SUBSAMPLES**3 / 2
    array = np.ascontiguousarray(array.reshape(tuple(count)).transpose(2, 1, 0))
    return Drawn(Volume(array, spacing, (float(low[0]), float(low[1]), float(low[2]))), turn)


def straight(start: tuple[float, float, float], stop: tuple[float, float, float], per_mm: float = 6.0) -> np.ndarray:
    """Points (N, 3) of a straight line."""
    a, b = np.array(start, dtype=float), np.array(stop, dtype=float)
    t = np.linspace(0, 1, int(np.linalg.norm(b - a) * per_mm) + 2)[:, None]
    return a + t * (b - a)


def arc(radius: float, degrees: float, per_mm: float = 6.0) -> np.ndarray:
    """Points (N, 3) of an arc about the origin."""
    t = np.linspace(0, np.radians(degrees), int(radius * np.radians(degrees) * per_mm) + 2)
    return np.stack([radius * np.cos(t), radius * np.sin(t), 0 * t], axis=1)


@pytest.fixture(scope="session")
def draw() -> Callable[..., Drawn]:
    return draw_tubes


@pytest.fixture(scope="session")
def line() -> Callable[..., np.ndarray]:
    return straight


@pytest.fixture(scope="session")
def bend() -> Callable[..., np.ndarray]:
    return arc
