"""The pancreatic duct."""

from __future__ import annotations

import numpy as np

from .curves import arc_length, through
from .frequencies import PANCREAS_DIVISUM
from .randomness import Draws
from .tree import PANCREATIC_DUCT, Anatomy

#: Mean calibre in head, body and tail, mm: Hadidi A, J Clin Ultrasound 1983; 11: 17–22 and Asghar 2024 (head 3.43).
_HEAD_MM, _BODY_MM, _TAIL_MM = 3.4, 2.5, 1.5


def add_pancreatic_duct(anatomy: Anatomy, draws: Draws, *, width: float) -> None:
    """Adds the main pancreatic duct (about 165 mm, Asghar 2024), or two ducts where dorsal and ventral did not fuse.

    Parameters
    ----------
    width : factor on the calibre (1: normal).
    """
    cbd = anatomy.branches[0]

    def place(position: tuple[float, float, float], jitter: float = 4.0) -> np.ndarray:
        return anatomy.hilum + (np.array(position) + draws.vector((jitter,) * 3)) * anatomy.scale

    size = draws.normal(0.92, 0.13, 0.7, 1.25) * width
    divisum = draws.flag(PANCREAS_DIVISUM)
    anatomy.variants["pancreatic duct"] = "divisum" if divisum else "fused"
    rise = draws.uniform(-8.0, 16.0)
    gland = [
        place((34.0, -8.0, -48.0)),
        place((62.0, -6.0, -40.0 + 0.5 * rise)),
        place((92.0, 8.0, -30.0 + rise)),
        place((114.0, 20.0, -24.0 + 1.3 * rise)),
    ]
    # Joins the bile duct 2–7 mm above the papilla (common channel).
    start = cbd.points[int(draws.uniform(2.0, 6.0))]
    if divisum:
        ventral = through(
            [start, start + np.array([9.0, -4.0, -1.0]), start + np.array([19.0, -9.0, 4.0])],
            draws,
            wobble_mm=0.8,
            wavelength_mm=25.0,
        )
        anatomy.add(
            "ventral pancreatic duct",
            cbd.id,
            PANCREATIC_DUCT,
            ventral,
            np.linspace(1.6, 1.1, len(ventral)) * max(size, 0.9),
            0,
        )
        minor = cbd.points[0] + np.array([1.0, -11.0, 21.0])
        controls, parent, name = [minor, minor + np.array([16.0, -4.0, 3.0]), *gland], None, "dorsal pancreatic duct"
    else:
        controls = [start, start + np.array([9.0, -4.0, -1.0]), start + np.array([26.0, -12.0, 9.0]), *gland]
        parent, name = cbd.id, "main pancreatic duct"
    points = through(controls, draws, wobble_mm=1.6, wavelength_mm=45.0)
    s = arc_length(points)
    s = s / s[-1]
    calibre = np.interp(s, [0.0, 0.06, 0.25, 0.55, 0.9, 1.0], [1.6, 0.85 * _HEAD_MM, _HEAD_MM, _BODY_MM, _TAIL_MM, 1.1])
    ripple = 1.0 + 0.05 * np.sin(2.0 * np.pi * s * draws.uniform(6.0, 11.0))
    anatomy.add(name, parent, PANCREATIC_DUCT, points, np.maximum(calibre * size * ripple, 1.0), 0)
