"""Subsegmental branches: shorter, narrower, and kept apart from what is already there."""

from __future__ import annotations

import numpy as np

from .curves import norm, towards, turned, unit
from .randomness import Draws
from .tree import BILE_DUCTS, LIVER_LOBES, VISCERAL_OFFSET_MM, VISCERAL_SLOPE, Anatomy, Branch

#: Calibre at which a branch is no longer followed, mm: MR cholangiography resolves about 1 mm at best.
END_DIAMETER_MM = 1.0

#: A branch must be at least this wide where a further one leaves it, mm.
_SMALLEST_PARENT_MM = 1.75


def taper(count: int, start_mm: float, end_mm: float) -> np.ndarray:
    """(count,) calibre that stays near ``start_mm`` and falls to ``end_mm`` over the last third."""
    s = np.linspace(0.0, 1.0, count)
    return end_mm + (max(start_mm, end_mm) - end_mm) * (1.0 - s * s * s * s)


def inside_liver(anatomy: Anatomy, points: np.ndarray, margin: float = 0.9) -> np.ndarray:
    """(n,) bool: points within ``margin`` of the way to the surface of the liver (an ellipsoid for each lobe)."""
    p = (points - anatomy.hilum) / anatomy.scale
    inside = np.zeros(len(p), dtype=bool)
    for centre, axes in LIVER_LOBES:
        q = (p - np.array(centre)) / np.array(axes)
        inside |= q[:, 0] * q[:, 0] + q[:, 1] * q[:, 1] + q[:, 2] * q[:, 2] <= margin * margin
    return inside & (p[:, 2] > VISCERAL_OFFSET_MM + 6.0 + VISCERAL_SLOPE * p[:, 0])


def subdivide(anatomy: Anatomy, parent: Branch, draws: Draws, depth: int = 1) -> None:
    """Adds branches of the next order to a segmental (depth 1) or subsegmental (depth 2) duct."""
    if parent.length_mm < 16.0:
        return
    wanted = draws.integer(2, 3) if depth == 1 else draws.integer(0, 2)
    for number in range(wanted):
        low = 0.22 + 0.58 * number / max(wanted, 1)
        index = parent.index_at(draws.uniform(low, low + 0.5 / max(wanted, 1)))
        if parent.diameters[index] < _SMALLEST_PARENT_MM:
            continue
        _branch(anatomy, parent, index, draws, depth, number)


def _branch(anatomy: Anatomy, parent: Branch, index: int, draws: Draws, depth: int, number: int) -> None:
    """Tries a few directions; gives up where the liver ends or other ducts are too near."""
    start, along = parent.points[index], unit(parent.tangent(index))
    start_mm = max(float(parent.diameters[index]) * draws.uniform(0.76, 0.92), END_DIAMETER_MM + 0.4)
    for _ in range(6):
        angle, azimuth = draws.uniform(0.6, 1.1), draws.uniform(0.0, 2.0 * np.pi)
        length = draws.uniform(16.0, 34.0) if depth == 1 else draws.uniform(9.0, 18.0)
        end = start + unit(turned(along, angle, azimuth) + 0.25 * along) * length
        points = towards(start, turned(along, angle * 0.8, azimuth), end, draws, wobble_mm=0.9, wavelength_mm=20.0)
        if len(points) < 6 or not inside_liver(anatomy, points).all():
            continue
        diameters = taper(len(points), start_mm, END_DIAMETER_MM)
        away = norm(points - start) > 0.5 * float(parent.diameters[index]) + 4.0
        if anatomy.clearance(points[away], diameters[away] * 0.5) < 2.0:
            continue
        branch = anatomy.add(f"{parent.name}.{number + 1}", parent.id, BILE_DUCTS, points, diameters, 2 + depth)
        if depth == 1:
            subdivide(anatomy, branch, draws, depth=2)
        return
