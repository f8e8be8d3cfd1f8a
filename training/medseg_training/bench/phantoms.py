"""Slices to train on, made on the spot: something like ducts in something like a body. For speed, not for learning."""

from __future__ import annotations

from pathlib import Path

import numpy as np

DUCTS = 6


def make_data(folder: Path, cases: int, slices: int, size: int, seed: int) -> None:
    """Write ``images.npy`` (cases, slices, size, size) float32 and ``labels.npy``, uint8, 1 inside ducts."""
    shape = (cases, slices, size, size)
    images = np.lib.format.open_memmap(folder / "images.npy", "w+", np.float32, shape)
    labels = np.lib.format.open_memmap(folder / "labels.npy", "w+", np.uint8, shape)
    for case in range(cases):
        rng = np.random.default_rng([seed, case])
        ends = [_path(rng, slices, size) for _ in range(2 * DUCTS)]
        radii = rng.uniform(0.006, 0.02, DUCTS) * size
        for k in range(slices):
            mask = np.zeros((size, size), np.uint8)
            for n in range(DUCTS):
                _draw(mask, ends[2 * n][k], ends[2 * n + 1][k], max(1.0, radii[n]))
            images[case, k] = _picture(rng, mask, size)
            labels[case, k] = mask
    images.flush()
    labels.flush()


def _path(rng: np.random.Generator, slices: int, size: int) -> np.ndarray:
    """(slices, 2): where the end of a duct lies; it wanders from slice to slice."""
    start = rng.uniform(0.3, 0.7, 2) * size
    steps = rng.normal(0, 0.006 * size, (slices, 2)).cumsum(0)
    return np.clip(start + steps, 0.1 * size, 0.9 * size)


def _draw(mask: np.ndarray, one: np.ndarray, other: np.ndarray, radius: float) -> None:
    """Set what lies within ``radius`` of the line between two points."""
    low = np.floor(np.minimum(one, other) - radius - 1).astype(int).clip(0)
    high = np.ceil(np.maximum(one, other) + radius + 2).astype(int)
    part = mask[low[0] : high[0], low[1] : high[1]]
    away = np.indices(part.shape, dtype=np.float32) + (low - one).astype(np.float32)[:, None, None]
    along = (other - one).astype(np.float32)
    share = np.clip(np.tensordot(along, away, 1) / max(1e-6, float(along @ along)), 0, 1)
    part[((away - along[:, None, None] * share) ** 2).sum(0) <= radius**2] = 1


def _picture(rng: np.random.Generator, mask: np.ndarray, size: int) -> np.ndarray:
    """Bright ducts in a mottled body, dark around it, noise over all."""
    places = (np.arange(size, dtype=np.float32) + 0.5) / size
    coarse = rng.normal(0, 1, (10, 10)).astype(np.float32)
    weights = np.maximum(0, 1 - np.abs(places[:, None] * 9 - np.arange(10, dtype=np.float32)))
    body = ((places[:, None] - 0.5) / 0.36) ** 2 + ((places[None] - 0.5) / 0.44) ** 2 < 1
    noise = rng.standard_normal((size, size), dtype=np.float32)
    return body * (100 + 15 * (weights @ coarse @ weights.T)) + 150.0 * mask + 8 * noise
