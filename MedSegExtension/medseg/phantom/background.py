"""Solid organs, muscle and fat: dark in a heavily T2-weighted image, but not black."""

from __future__ import annotations

import numpy as np

from .grid import Grid
from .painting import Painted, ellipsoid, lay, smooth_noise, soften, tube
from .randomness import Draws
from .tree import LIVER_LOBES, VISCERAL_OFFSET_MM, VISCERAL_SLOPE, Anatomy


def paint_background(grid: Grid, anatomy: Anatomy, draws: Draws, rng: np.random.Generator) -> np.ndarray:
    """float32 (K, J, I) image of everything solid; bile is 1 on this scale.

    Body wall, subcutaneous fat (partly suppressed), liver, spleen, kidneys, pancreas, spine and lungs, with texture.
    """
    x, y, z = grid.lps()
    h = anatomy.hilum
    middle = h[0] + 30.0  # the hilum lies right of the midline
    half_width, half_depth = draws.uniform(150.0, 180.0), draws.uniform(95.0, 125.0)
    waist = 1.0 - 0.0006 * np.abs(z - h[2])
    radius = np.sqrt(((x - middle) / (half_width * waist)) ** 2 + ((y - h[1] - 5.0) / half_depth) ** 2)
    depth = (1.0 - radius) * half_depth
    skin = draws.uniform(8.0, 30.0)
    fat, muscle, inner = draws.uniform(0.03, 0.09), draws.uniform(0.015, 0.035), draws.uniform(0.03, 0.07)
    image = np.full(grid.shape, 0.0, dtype=np.float32)
    image += soften(depth, grid) * np.float32(fat)
    image += soften(depth - skin, grid) * np.float32(muscle - fat)
    image += soften(depth - skin - 14.0, grid) * np.float32(inner - muscle)
    del radius, depth

    lumps = tuple(max(int(n * s / 9.0), 2) for n, s in zip(grid.shape, grid.spacing[::-1], strict=True))
    image *= 1.0 + 0.30 * smooth_noise(rng, grid.shape, lumps)  # type: ignore[arg-type]

    wide = tuple(max(int(n * s / 38.0), 2) for n, s in zip(grid.shape, grid.spacing[::-1], strict=True))
    bumps = np.clip(3.0 * smooth_noise(rng, grid.shape, wide), -7.0, 7.0)  # type: ignore[arg-type]
    _paint_liver(image, grid, anatomy, bumps, draws)
    lay(
        image,
        ellipsoid(grid, h + np.array([118.0, 45.0, 25.0]), np.array([30.0, 42.0, 52.0]), bumps),
        draws.uniform(0.06, 0.13),
    )
    _paint_lungs(image, grid, anatomy, bumps, draws)
    for side in (-1.0, 1.0):
        _paint_kidney(image, grid, middle, h, side, 0.6 * bumps, draws)
    del bumps
    pancreas = [b for b in anatomy.branches if b.label == 3]
    if pancreas:
        gland = pancreas[-1].points[6::6]
        lay(image, tube(grid, gland, np.linspace(13.0, 8.0, len(gland))), draws.uniform(0.05, 0.10), 0.8)
    _paint_spine(image, grid, middle, h, draws)
    grain = smooth_noise(rng, grid.shape, tuple(max(n // 3, 2) for n in grid.shape))  # type: ignore[arg-type]
    image *= 1.0 + 0.12 * grain
    return np.maximum(image, 0.0)


def _paint_liver(image: np.ndarray, grid: Grid, anatomy: Anatomy, bumps: np.ndarray, draws: Draws) -> None:
    """Two lobes that blend into each other, flat below where the other organs press on it."""
    low = np.array([-130.0, -85.0, -100.0]) * anatomy.scale + anatomy.hilum
    high = np.array([110.0, 85.0, 110.0]) * anatomy.scale + anatomy.hilum
    corners = np.array([[x, y, z] for x in (low[0], high[0]) for y in (low[1], high[1]) for z in (low[2], high[2])])
    p = grid.to_grid_mm(corners)
    box = grid.box(p.min(axis=0), p.max(axis=0))
    if box is None:
        return
    x, y, z = ((c - np.float32(anatomy.hilum[n])) / np.float32(anatomy.scale[n]) for n, c in enumerate(grid.lps(box)))
    depths = []
    for centre, axes in LIVER_LOBES:
        q = np.sqrt(
            sum(((c - np.float32(m)) / np.float32(a)) ** 2 for c, m, a in zip((x, y, z), centre, axes, strict=True))
        )
        depths.append((1.0 - q) * np.float32(min(axes)))
    blend = np.float32(14.0)
    depth = np.maximum(*depths) + np.maximum(blend - np.abs(depths[0] - depths[1]), 0.0) ** 2 / (4.0 * blend)
    below = (z - VISCERAL_OFFSET_MM - VISCERAL_SLOPE * x) * np.float32(0.894)
    depth = np.minimum(depth, below) + bumps[box]
    fill = soften(depth.astype(np.float32), grid)
    lay(image, Painted(box, fill, fill), draws.uniform(0.035, 0.085))


def _paint_lungs(image: np.ndarray, grid: Grid, anatomy: Anatomy, bumps: np.ndarray, draws: Draws) -> None:
    """Air above the diaphragm: no signal."""
    for x, top in ((-55.0, 96.0), (105.0, 82.0)):
        centre = anatomy.hilum + np.array([x * anatomy.scale[0], 10.0, top * anatomy.scale[2] + 70.0])
        lay(image, ellipsoid(grid, centre, np.array([70.0, 80.0, 72.0]), bumps), 0.006, 0.95)
    heart = anatomy.hilum + np.array([55.0, -30.0, 112.0])
    lay(image, ellipsoid(grid, heart, np.array([52.0, 40.0, 30.0]), bumps), draws.uniform(0.03, 0.07))


def kidney_centre(middle: float, hilum: np.ndarray, side: float) -> np.ndarray:
    """LPS mm; ``side`` is −1 for the right kidney (lower), 1 for the left."""
    return np.array([middle + side * 66.0, hilum[1] + 42.0, hilum[2] + (-62.0 if side < 0 else -48.0)])


def _paint_kidney(
    image: np.ndarray, grid: Grid, middle: float, hilum: np.ndarray, side: float, bumps: np.ndarray, draws: Draws
) -> None:
    centre = kidney_centre(middle, hilum, side)
    lay(image, ellipsoid(grid, centre, np.array([30.0, 27.0, 54.0]), bumps), draws.uniform(0.09, 0.20))
    # Renal sinus: fat.
    lay(image, ellipsoid(grid, centre - np.array([side * 10.0, 2.0, 0.0]), np.array([15.0, 13.0, 30.0]), bumps), 0.05)


def spine_y(hilum: np.ndarray, z: np.ndarray | float) -> np.ndarray | float:
    """Anterior-posterior position of the vertebral canal's middle: lumbar lordosis, thoracic kyphosis."""
    level = (z - hilum[2] + 40.0) / 100.0
    return hilum[1] + 43.0 + 9.0 * level * level


def _paint_spine(image: np.ndarray, grid: Grid, middle: float, hilum: np.ndarray, draws: Draws) -> None:
    """Vertebral bodies (dark) and discs (brighter where they hold water)."""
    marrow, water = draws.uniform(0.03, 0.06), draws.uniform(0.05, 0.22)
    z = hilum[2] + 150.0
    while z > hilum[2] - 200.0:
        y = float(spine_y(hilum, z)) - 30.0
        lay(image, ellipsoid(grid, np.array([middle, y, z]), np.array([23.0, 17.0, 17.0])), marrow)
        lay(
            image,
            ellipsoid(grid, np.array([middle, y, z - 17.5]), np.array([19.0, 14.0, 5.0])),
            water * draws.uniform(0.5, 1.0),
        )
        z -= 35.0
