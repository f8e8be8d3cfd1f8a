"""Smooth curves in space, sampled at even steps and rounded so that every platform gets the same points."""

from __future__ import annotations

import numpy as np

from .randomness import Draws

#: Anatomy is rounded to this many decimals of a millimetre before anything is derived from it: the last bits of sine
#: and square root differ between maths libraries, a thousandth of a millimetre does not.
DECIMALS = 3


def quantise(values: np.ndarray | float) -> np.ndarray:
    """Values rounded to a thousandth (of a millimetre); negative zero becomes zero."""
    return np.round(np.asarray(values, dtype=float), DECIMALS) + 0.0


def norm(vectors: np.ndarray) -> np.ndarray:
    """Lengths of (..., 3) vectors, by exact operations only (no BLAS)."""
    x, y, z = vectors[..., 0], vectors[..., 1], vectors[..., 2]
    return np.sqrt(x * x + y * y + z * z)


def unit(vector: np.ndarray) -> np.ndarray:
    """The (3,) vector at length 1; the z axis for a vector of no length."""
    length = float(norm(vector))
    return vector / length if length > 1e-9 else np.array([0.0, 0.0, 1.0])


def arc_length(points: np.ndarray) -> np.ndarray:
    """(n,) distance in mm along the (n, 3) points from the first one."""
    steps = norm(points[1:] - points[:-1])
    total = [0.0]
    for step in steps.tolist():  # a plain running sum: the order of additions is the same everywhere
        total.append(total[-1] + step)
    return np.array(total)


def resample(points: np.ndarray, step_mm: float) -> np.ndarray:
    """(m, 3) points about ``step_mm`` apart along the polyline, first and last kept."""
    along = arc_length(points)
    count = max(round(float(along[-1]) / step_mm), 1) + 1
    wanted = np.linspace(0.0, along[-1], count)
    return np.stack([np.interp(wanted, along, points[:, axis]) for axis in range(3)], axis=1)


def perpendiculars(direction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two unit vectors perpendicular to a direction and to each other."""
    d = unit(direction)
    other = np.array([1.0, 0.0, 0.0]) if abs(d[0]) < 0.8 else np.array([0.0, 1.0, 0.0])
    first = unit(cross(d, other))
    return first, cross(d, first)


def cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cross product of two (3,) vectors."""
    return np.array([a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]])


def turned(direction: np.ndarray, angle_rad: float, azimuth_rad: float) -> np.ndarray:
    """The direction tilted by ``angle_rad`` towards ``azimuth_rad`` around itself."""
    first, second = perpendiculars(direction)
    side = first * np.cos(azimuth_rad) + second * np.sin(azimuth_rad)
    return unit(unit(direction) * np.cos(angle_rad) + side * np.sin(angle_rad))


def _wobble(points: np.ndarray, draws: Draws, amplitude_mm: float, wavelength_mm: float) -> np.ndarray:
    """Tortuosity: slow waves across the curve that vanish at both ends."""
    along = arc_length(points)
    length = max(float(along[-1]), 1e-6)
    s = along / length
    window = np.minimum(1.0, np.minimum(s, 1.0 - s) * 5.0)
    first, second = perpendiculars(points[-1] - points[0])
    moved = points.copy()
    for side in (first, second):
        for harmonic in (1.0, 2.2):
            phase = draws.uniform(0.0, 2.0 * np.pi)
            height = amplitude_mm * draws.uniform(0.4, 1.0) / harmonic
            wave = np.sin(2.0 * np.pi * harmonic * along / wavelength_mm + phase)
            moved += (height * window * wave)[:, None] * side
    return moved


def through(
    controls: np.ndarray | list,
    draws: Draws,
    *,
    wobble_mm: float = 0.0,
    wavelength_mm: float = 40.0,
    step_mm: float = 1.2,
) -> np.ndarray:
    """Catmull-Rom curve through (n, 3) control points with tortuosity; (m, 3) quantised points."""
    given = np.asarray(controls, dtype=float)
    ends = np.concatenate([[2 * given[0] - given[1]], given, [2 * given[-1] - given[-2]]])
    u = np.linspace(0.0, 1.0, 24, endpoint=False)[:, None]
    pieces = []
    for p0, p1, p2, p3 in zip(ends[:-3], ends[1:-2], ends[2:-1], ends[3:], strict=True):
        pieces.append(
            0.5
            * (
                2 * p1
                + (p2 - p0) * u
                + (2 * p0 - 5 * p1 + 4 * p2 - p3) * u * u
                + (3 * p1 - p0 - 3 * p2 + p3) * u * u * u
            )
        )
    curve = np.concatenate([*pieces, given[-1:]])
    curve = _wobble(curve, draws, wobble_mm, wavelength_mm) if wobble_mm else curve
    return quantise(resample(curve, step_mm))


def towards(
    start: np.ndarray,
    direction: np.ndarray,
    end: np.ndarray,
    draws: Draws,
    *,
    wobble_mm: float = 0.0,
    wavelength_mm: float = 30.0,
    step_mm: float = 1.2,
) -> np.ndarray:
    """Curve that leaves ``start`` in ``direction`` and bends to ``end`` (quadratic Bézier with tortuosity)."""
    length = float(norm(end - start))
    middle = start + unit(direction) * (0.45 * length)
    u = np.linspace(0.0, 1.0, max(int(length / 1.0), 8))[:, None]
    curve = start * (1 - u) * (1 - u) + middle * (2.0 * u * (1 - u)) + end * u * u
    curve = _wobble(curve, draws, wobble_mm, wavelength_mm) if wobble_mm else curve
    return quantise(resample(curve, step_mm))
