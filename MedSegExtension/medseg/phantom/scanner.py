"""From anatomy to what a scanner stores: bile, coil, breathing, point spread, ghosts, noise, whole numbers."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from .grid import Grid
from .lumen import POINTS_A_VOXEL
from .painting import ellipsoid, lay, smooth_noise
from .randomness import Draws
from .settings import PhantomSettings
from .tree import BILE_DUCTS, GALLBLADDER, Anatomy


def paint_bile(
    image: np.ndarray,
    grid: Grid,
    anatomy: Anatomy,
    filled: dict[int, tuple[np.ndarray, np.ndarray]],
    draws: Draws,
    rng: np.random.Generator,
) -> None:
    """Bile and pancreatic juice into the image, each voxel as far as it is filled; then sludge and stones."""
    flat = image.reshape(-1)
    signals = {BILE_DUCTS: 1.0, GALLBLADDER: draws.uniform(0.7, 1.2), 3: draws.uniform(0.9, 1.15)}
    _, rows, columns = grid.shape
    level = _sludge_level(anatomy)
    for label in sorted(filled, reverse=True):
        index, count = filled[label]
        signal = np.full(len(index), signals[label], dtype=np.float32)
        signal *= 1.0 + 0.03 * rng.standard_normal(1, dtype=np.float32)
        if label == GALLBLADDER and level is not None:
            k, rest = np.divmod(index, rows * columns)
            j, i = np.divmod(rest, columns)
            y = grid.origin[1] + sum(n * grid.spacing[a] * grid.direction[1, a] for a, n in ((0, i), (1, j), (2, k)))
            signal *= 1.0 - 0.6 * np.clip((y - level) / 2.0 + 0.5, 0.0, 1.0).astype(np.float32)
        fill = count.astype(np.float32) / POINTS_A_VOXEL
        flat[index] += fill * (signal - flat[index])
    for stone in anatomy.stones:
        lay(image, ellipsoid(grid, stone.centre, stone.semi_axes), draws.uniform(0.04, 0.15))


def _sludge_level(anatomy: Anatomy) -> float | None:
    """LPS y of the top of the sludge: it lies in the dependent part of the gallbladder."""
    bladder = anatomy.named("gallbladder")
    if bladder is None or anatomy.sludge_fraction <= 0.0:
        return None
    radius = bladder.diameters * 0.5
    top, bottom = float((bladder.points[:, 1] - radius).min()), float((bladder.points[:, 1] + radius).max())
    return bottom - anatomy.sludge_fraction * (bottom - top)


def _noise(rng: np.random.Generator, shape: tuple[int, ...], grain: float) -> np.ndarray:
    """float32 Gaussian noise of standard deviation 1; ``grain``: voxels over which it is smoothed within slices."""
    noise = rng.standard_normal(shape, dtype=np.float32)
    if grain > 0.0:
        for axis in (1, 2):
            noise = ndimage.gaussian_filter1d(noise, grain, axis=axis, truncate=3.0, mode="wrap")
        noise /= noise[::8].std()
    return noise


def acquire(
    image: np.ndarray, settings: PhantomSettings, draws: Draws, rng: np.random.Generator
) -> tuple[np.ndarray, dict[str, float]]:
    """Applies the scanner to a noise-free image in which bile is 1.

    The magnitude of a complex signal with Gaussian noise in both parts has a Rician distribution (Gudbjartsson H,
    Patz S, Magn Reson Med 1995; 34: 910–914). Breathing smears along the body's long axis (rows) and leaves ghosts
    along the phase-encoding axis (columns, left to right, in coronal slices; Wood ML, Henkelman RM, Med Phys 1986; 13:
    794–805).

    Returns
    -------
    (K, J, I) int16 voxels, and what was drawn.
    """
    noise = draws.uniform(0.008, 0.032) * settings.noise
    # Scanners interpolate (zero filling): neighbouring voxels then share their noise.
    grain = draws.uniform(0.35, 0.6) if draws.flag(0.5) else 0.0
    in_plane, through_plane = draws.uniform(0.25, 0.45), draws.uniform(0.30, 0.50)
    smear = draws.uniform(0.0, 0.45) * settings.breathing
    ghost, shift = draws.uniform(0.0, 0.03) * settings.breathing, draws.integer(14, 60)
    uneven = draws.uniform(0.04, 0.12) * settings.bias
    bile = draws.uniform(250.0, 1600.0)

    b = settings.blur_voxels
    sigmas = (through_plane * b, float(np.hypot(in_plane * b, smear)), in_plane * b)
    for axis, sigma in enumerate(sigmas):
        if sigma > 0.05:
            image = ndimage.gaussian_filter1d(image, sigma, axis=axis, truncate=3.5, mode="nearest")
    if ghost > 0.0:
        image = image + np.float32(ghost) * (np.roll(image, shift, axis=2) + np.roll(image, -shift, axis=2))
    if uneven > 0.0:
        coil = smooth_noise(rng, (image.shape[0], image.shape[1], image.shape[2]), (1, 2, 2))
        image = image * np.exp(np.float32(uneven) * coil)
    image *= np.float32(bile)
    if noise > 0.0:
        level = np.float32(noise * bile)
        image += level * _noise(rng, image.shape, grain)
        np.hypot(image, level * _noise(rng, image.shape, grain), out=image)
    voxels = np.clip(np.rint(image), 0, 32767).astype(np.int16)
    drawn = {
        "bile_signal": bile,
        "noise_sd_of_bile": noise,
        "noise_grain_voxels": grain,
        "blur_in_plane_voxels": in_plane * b,
        "blur_through_plane_voxels": through_plane * b,
        "breathing_smear_voxels": smear,
        "ghost_of_signal": ghost,
        "coil_unevenness": uneven,
    }
    return voxels, {key: round(value, 4) for key, value in drawn.items()}
