"""Gallbladder and cystic duct."""

from __future__ import annotations

import numpy as np

from .curves import quantise, through
from .randomness import Draws
from .tree import GALLBLADDER, Anatomy


def add_gallbladder(anatomy: Anatomy, draws: Draws, *, removed: bool) -> None:
    """Adds the cystic duct and, unless it was removed, the gallbladder.

    The insertion follows ``anatomy.variants["cystic duct"]``. Calibre of the cystic duct 2–4 mm with the spiral folds
    as ripples; after cholecystectomy a stump of 8–18 mm is left.
    """
    cbd = anatomy.branches[0]
    junction = cbd.points[-1]
    radius = 0.5 * float(cbd.diameters[-1])
    pattern = anatomy.variants["cystic duct"]

    def place(position: tuple[float, float, float], jitter: float) -> np.ndarray:
        return anatomy.hilum + (np.array(position) + draws.vector((jitter,) * 3)) * anatomy.scale

    neck = place((-20.0, -7.0, -20.0), 3.0)
    up = neck - junction
    if pattern == "medial":
        # Behind the duct and in from the left.
        controls = [
            junction,
            junction + np.array([radius + 2.5, 2.0, 3.0]),
            junction + np.array([0.0, radius + 4.5, 9.0]),
            junction + np.array([-9.0, 2.5, 13.0]),
        ]
    elif pattern == "parallel":
        # Beside the duct in a common sheath for some 2 cm.
        later = [cbd_or_hepatic(anatomy, mm) + np.array([-(radius + 4.0), 0.0, 0.0]) for mm in (7.0, 14.0, 20.0)]
        controls = [junction, *later]
    else:
        controls = [junction, junction + np.array([-(radius + 5.0), -1.0, 4.0])]
    last = np.asarray(controls[-1])
    bend = 0.5 * (last + neck) + np.array([0.0, draws.uniform(-3.0, 2.0), draws.uniform(-3.0, 2.0)])
    controls += [bend, neck] if float(np.abs(up).max()) > 14.0 else [neck]
    points = through(controls, draws, wobble_mm=1.2, wavelength_mm=14.0, step_mm=0.9)
    width = draws.normal(3.0, 0.5, 2.0, 4.0)
    s = np.arange(len(points)) * 0.9
    folds = np.minimum(1.0, s / 10.0) * np.sin(2.0 * np.pi * s / 4.2 + draws.uniform(0.0, 6.28))
    diameters = width * (1.0 + 0.17 * folds)
    if removed:
        keep = min(int(draws.uniform(8.0, 18.0) / 0.9), len(points))
        anatomy.add("cystic duct stump", cbd.id, GALLBLADDER, points[:keep], diameters[:keep], 0)
        return
    cystic = anatomy.add("cystic duct", cbd.id, GALLBLADDER, points, diameters, 0)
    fundus = place((-46.0, -22.0, -62.0), 6.0)
    body = 0.5 * (neck + fundus) + draws.vector((4.0, 4.0, 3.0))
    axis = through([points[-1], body, fundus], draws, wobble_mm=0.8, wavelength_mm=60.0, step_mm=2.0)
    s = np.linspace(0.0, 1.0, len(axis))
    size = draws.normal(27.0, 5.0, 17.0, 40.0)
    pear = 0.16 + 1.95 * s - 1.12 * s * s
    anatomy.add("gallbladder", cystic.id, GALLBLADDER, axis, quantise(np.maximum(size * pear, 2.5)), 0)


def cbd_or_hepatic(anatomy: Anatomy, above_mm: float) -> np.ndarray:
    """The point of the extrahepatic duct that far above the junction of the cystic duct."""
    hepatic = anatomy.branches[1].points
    return hepatic[min(int(above_mm / 1.2), len(hepatic) - 1)]
