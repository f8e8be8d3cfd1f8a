"""Fluids that are not bile and are as bright: gut, cerebrospinal fluid, urine, cysts; and slow blood."""

from __future__ import annotations

import numpy as np

from .background import kidney_centre, spine_y
from .curves import through
from .grid import Grid
from .painting import Painted, ellipsoid, lay, smooth_noise, tube
from .randomness import Draws
from .subsegments import inside_liver
from .tree import BILE_DUCTS, Anatomy


def paint_vessels(image: np.ndarray, grid: Grid, anatomy: Anatomy, draws: Draws) -> None:
    """Portal vein beside the ducts, hepatic veins and caval vein: dark where blood is fast, brighter where slow."""

    def place(*position: float) -> np.ndarray:
        return anatomy.hilum + np.array(position) * anatomy.scale

    portal, hepatic = draws.uniform(0.03, 0.26), draws.uniform(0.03, 0.24)
    trunk = through([place(34, 8, -52), place(14, 12, -25), place(2, 8, -2)], draws, wobble_mm=1.0, step_mm=4.0)
    lay(image, tube(grid, trunk, np.full(len(trunk), 6.0)), portal * draws.uniform(0.3, 1.0))
    for branch in anatomy.branches:
        if branch.label == BILE_DUCTS and 1 <= branch.order <= 2 and len(branch.points) > 6:
            # The vein runs beside the duct (mostly behind it) and is about twice as wide.
            radius = 4.6 if branch.order == 1 else 2.9
            start = 0 if branch.order == 1 else 2
            points = branch.points[start::3]
            gap = radius + 0.5 * float(branch.diameters.max()) + draws.uniform(0.6, 2.0)
            side = np.array([draws.uniform(-0.4, 0.4), 0.8, -0.5])
            narrowing = np.linspace(1.0, 0.45 if branch.order == 2 else 0.85, len(points))
            lay(image, tube(grid, points + side * gap, radius * narrowing), portal * draws.uniform(0.6, 1.2), 0.9)
    junction = place(14, 34, 78)
    for target in (place(-82, 22, 30), place(-38, -18, 14), place(48, -10, 34)):
        vein = through(
            [junction, 0.5 * (junction + target) + draws.vector((8.0, 8.0, 8.0)), target],
            draws,
            wobble_mm=2.0,
            step_mm=3.0,
        )
        lay(image, tube(grid, vein, np.linspace(5.5, 1.6, len(vein))), hepatic * draws.uniform(0.7, 1.2), 0.9)
    cava = through([place(12, 36, 95), place(14, 34, 20), place(16, 26, -60), place(18, 22, -170)], draws, step_mm=6.0)
    lay(image, tube(grid, cava, np.full(len(cava), 10.5)), draws.uniform(0.02, 0.12))
    aorta = cava + np.array([28.0, 4.0, 0.0])
    lay(image, tube(grid, aorta, np.full(len(aorta), 9.5)), 0.015)


def paint_spinal_canal(image: np.ndarray, grid: Grid, anatomy: Anatomy, draws: Draws) -> None:
    """Cerebrospinal fluid with cord, cauda equina and the root sleeves at each level."""
    h, middle = anatomy.hilum, anatomy.hilum[0] + 30.0
    z = np.arange(h[2] + 190.0, h[2] - 215.0, -5.0)
    canal = np.stack([np.full(len(z), middle), spine_y(h, z), z], axis=1)
    signal = draws.uniform(0.95, 1.3)
    width = draws.uniform(7.0, 9.0)
    lay(image, tube(grid, canal, np.full(len(z), width)), signal)
    conus = h[2] - draws.uniform(5.0, 30.0)
    cord = canal[z > conus]
    if len(cord) > 2:
        lay(image, tube(grid, cord, np.linspace(4.6, 3.4, len(cord))), 0.22)
    for _ in range(20):
        # Roots hang from the conus, mostly in the back of the sac.
        a, out = draws.uniform(-2.6, 2.6), draws.uniform(0.35, 0.85)
        part = canal[(z < conus + 5.0) & (z > conus - draws.uniform(60.0, 190.0))]
        if len(part) > 3:
            spread = np.linspace(0.25, out, len(part))[:, None] * (width - 1.5)
            root = part + spread * np.array([np.sin(a), 0.5 + 0.5 * np.cos(a), 0.0])
            lay(image, tube(grid, root, np.full(len(root), 0.75)), 0.25, 0.9)
    level = h[2] + 132.0
    while level > h[2] - 190.0:
        for side in (-1.0, 1.0):
            start = np.array([middle + side * (width - 1.0), float(spine_y(h, level)) - 1.0, level])
            sleeve = np.stack(
                [
                    start,
                    start + np.array([side * 5.0, -1.0, -3.5]),
                    start + np.array([side * draws.uniform(8.0, 13.0), -2.0, -7.0]),
                ]
            )
            lay(image, tube(grid, sleeve, np.array([2.4, 1.9, 1.1])), 0.85 * signal)
        level -= 35.0


def paint_urine(image: np.ndarray, grid: Grid, anatomy: Anatomy, draws: Draws) -> None:
    """Calyces, renal pelvis and ureter on both sides."""
    h, middle = anatomy.hilum, anatomy.hilum[0] + 30.0
    for side in (-1.0, 1.0):
        centre = kidney_centre(middle, h, side)
        signal, size = draws.uniform(0.75, 1.25), draws.uniform(0.7, 1.5)
        pelvis = centre - np.array([side * 14.0, 4.0, 4.0])
        lay(image, ellipsoid(grid, pelvis, np.array([7.0, 4.5, 8.5]) * size), signal)
        for up in (-24.0, -2.0, 23.0):
            neck = centre + np.array([-side * 2.0, draws.uniform(-4.0, 4.0), 0.72 * up])
            way = np.stack([pelvis, 0.5 * (pelvis + neck), neck])
            lay(image, tube(grid, way, np.array([3.4, 1.8, 1.9]) * size), signal)
            for _ in range(draws.integer(2, 3)):
                cup = neck + np.array(
                    [side * draws.uniform(4.0, 9.0), draws.uniform(-7.0, 7.0), draws.uniform(-8.0, 8.0)]
                )
                lay(image, tube(grid, np.stack([neck, cup]), np.array([1.3, 2.5]) * size), signal)
        end = np.array([middle + side * 34.0, h[1] + 26.0, h[2] - 220.0])
        ureter = through(
            [pelvis - np.array([0.0, 2.0, 8.0]), pelvis + np.array([-side * 12.0, -6.0, -45.0]), end],
            draws,
            wobble_mm=2.0,
            wavelength_mm=70.0,
            step_mm=4.0,
        )
        wave = 0.55 + 0.75 * np.sin(np.arange(len(ureter)) * 4.0 / draws.uniform(12.0, 25.0)) ** 2
        lay(image, tube(grid, ureter, 1.5 * size * wave), 0.9 * signal)


def paint_cysts(image: np.ndarray, grid: Grid, anatomy: Anatomy, draws: Draws) -> None:
    """Hepatic and renal cysts; a few cases with many small biliary hamartomas; a pancreatic cyst now and then."""
    h = anatomy.hilum
    count = draws.integer(1, 4) if draws.flag(0.35) else 0
    spots = [(h + np.array([-46.0, 6.0, 8.0]) * anatomy.scale, draws.uniform(3.0, 14.0)) for _ in range(count)]
    if draws.flag(0.06):
        spots += [(h + np.array([-36.0, 4.0, 12.0]) * anatomy.scale, draws.uniform(1.2, 3.2)) for _ in range(25)]
    for centre, radius in spots:
        place = centre + draws.vector((62.0, 46.0, 66.0)) * anatomy.scale
        if inside_liver(anatomy, place[None, :], 0.95)[0]:
            _cyst(image, grid, anatomy, place, radius, draws)
    for side in (-1.0, 1.0):
        if draws.flag(0.28):
            place = kidney_centre(h[0] + 30.0, h, side) + np.array(
                [side * 24.0, draws.uniform(-12.0, 8.0), draws.uniform(-40.0, 40.0)]
            )
            _cyst(image, grid, anatomy, place, draws.uniform(4.0, 20.0), draws)
    if draws.flag(0.1):
        _cyst(
            image,
            grid,
            anatomy,
            h + np.array([draws.uniform(30.0, 100.0), 0.0, draws.uniform(-60.0, -25.0)]),
            draws.uniform(3.0, 9.0),
            draws,
        )


def _cyst(image: np.ndarray, grid: Grid, anatomy: Anatomy, centre: np.ndarray, radius: float, draws: Draws) -> None:
    """One cyst, unless it would lie on a duct."""
    axes = radius * np.array([draws.uniform(0.8, 1.0), draws.uniform(0.8, 1.0), draws.uniform(0.8, 1.0)])
    signal = draws.uniform(0.95, 1.35)
    if anatomy.clearance(centre[None, :], np.array([radius])) > 1.5:
        lay(image, ellipsoid(grid, centre, axes), signal)


def paint_gut(image: np.ndarray, grid: Grid, anatomy: Anatomy, draws: Draws, rng: np.random.Generator) -> None:
    """Stomach, duodenum and jejunum: fluid with folds, and air on top of it (in front, the patient lies supine)."""

    def place(position: tuple[float, float, float], jitter: float) -> np.ndarray:
        return anatomy.hilum + (np.array(position) + draws.vector((jitter,) * 3)) * anatomy.scale

    papilla = anatomy.branches[0].points[0]
    course = ((92, 22, 62), (98, 6, 28), (84, -16, -22), (48, -26, -46), (12, -22, -44))
    stomach = through([place(p, 6.0) for p in course], draws, wobble_mm=4.0, wavelength_mm=110.0, step_mm=6.0)
    s = np.linspace(0.0, 1.0, len(stomach))
    girth = np.interp(s, [0.0, 0.2, 0.5, 0.8, 1.0], [20.0, 26.0, 20.0, 14.0, 7.0]) * draws.uniform(0.7, 1.15)
    full = draws.choose({"empty": 0.3, "partly": 0.5, "full": 0.2})
    level = {"empty": 8.0, "partly": -4.0, "full": -30.0}[full]
    _fluid(
        image,
        grid,
        _gut(grid, anatomy, stomach, girth),
        draws,
        rng,
        period=17.0,
        fold=0.45,
        level=float(place((0, 0, 0), 0.0)[1]) + level + draws.uniform(-6.0, 6.0),
        patchy={"empty": 0.75, "partly": 0.05, "full": 0.0}[full],
        signal=draws.uniform(0.6, 1.25),
    )
    r = draws.uniform(8.5, 13.0)
    beside = papilla + np.array([-(r + 1.2), 2.0, 0.0])
    bulb = [place((4, -18, -42), 2.0), place((-11, -3, -45), 2.0)]
    descending = [beside + np.array([-3.0, -3.0, 30.0]), beside, beside + np.array([4.0, 4.0, -24.0])]
    ascending = [place((8, 14, -122), 4.0), place((48, 8, -112), 5.0), place((62, -6, -84), 5.0)]
    duodenum = through([*bulb, *descending, *ascending], draws, step_mm=4.0)
    swell = 1.0 + 0.15 * np.sin(np.arange(len(duodenum)) * 4.0 / 11.0)
    near = np.sqrt(((duodenum - papilla) ** 2).sum(axis=1)) < 24.0
    size = np.where(near, r, r * swell * draws.uniform(0.75, 1.1))
    _fluid(
        image,
        grid,
        _gut(grid, anatomy, duodenum, size),
        draws,
        rng,
        period=5.5,
        fold=0.6,
        level=float(anatomy.hilum[1]) - draws.uniform(10.0, 40.0),
        patchy=draws.uniform(0.05, 0.6),
        signal=draws.uniform(0.55, 1.2),
    )
    for _ in range(draws.integer(3, 7)):
        start = place((draws.uniform(30.0, 130.0), draws.uniform(-30.0, 15.0), draws.uniform(-165.0, -70.0)), 0.0)
        bends = [start]
        for _ in range(4):
            bends.append(bends[-1] + draws.vector((32.0, 12.0, 24.0)))
        loop = through(bends, draws, wobble_mm=3.0, wavelength_mm=50.0, step_mm=4.0)
        bowel = _gut(grid, anatomy, loop, np.full(len(loop), draws.uniform(6.0, 11.0)))
        _fluid(
            image,
            grid,
            bowel,
            draws,
            rng,
            period=4.5,
            fold=0.65,
            level=float(anatomy.hilum[1]) - 60.0,
            patchy=draws.uniform(0.2, 0.8),
            signal=draws.uniform(0.4, 1.1),
        )


def _gut(grid: Grid, anatomy: Anatomy, points: np.ndarray, radii: np.ndarray) -> Painted | None:
    """A tube that gives way to ducts and gallbladder: they touch the gut but do not lie in it."""
    return tube(grid, points, np.minimum(radii, np.maximum(anatomy.gaps(points) - 1.0, 1.5)))


def _fluid(
    image: np.ndarray,
    grid: Grid,
    shape: Painted | None,
    draws: Draws,
    rng: np.random.Generator,
    *,
    period: float,
    fold: float,
    level: float,
    patchy: float,
    signal: float,
) -> None:
    """Gut: a wall, fluid below the air level, folds across it, and collapsed stretches."""
    phase = draws.uniform(0.0, 6.28)
    if shape is None:
        return
    size = shape.fill.shape
    _, y, _ = grid.lps(shape.box)
    cells = tuple(max(int(n * s / (2.2 * period)), 2) for n, s in zip(size, grid.spacing[::-1], strict=True))
    lumpy, other = (smooth_noise(rng, size, cells) for _ in range(2))  # type: ignore[arg-type]
    # Folds are rings that wander, fork and fade; some are missing.
    wave = np.sin(2.0 * np.pi * shape.along / period + phase + 2.4 * lumpy)
    folds = 1.0 - fold * np.clip(wave + 0.5 * other, 0.0, 1.0) ** 2
    # Peristalsis empties whole stretches.
    stretch = np.sin(shape.along / 13.0 + 1.7 * phase) + 0.7 * np.sin(shape.along / 5.5 + 3.1 * phase) + 0.35 * other
    wet = np.clip((stretch + 2.0 - 4.0 * patchy) * 1.2, 0.0, 1.0)
    below = np.clip((y - level) / 1.5 + 0.5, 0.0, 1.0)
    content = 0.05 + (signal * folds * (0.9 + 0.1 * lumpy) - 0.05) * wet
    lay(image, shape, 0.01 + (content - 0.01) * below)
