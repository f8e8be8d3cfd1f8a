"""Polylines in mm: even spacing, smoothing that keeps bends, tangents."""

from __future__ import annotations

import numpy as np
from scipy.signal import savgol_filter


def arc_length(points: np.ndarray) -> np.ndarray:
    """Distance along the polyline (N, 3) from its first point, (N,)."""
    return np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])


def resample(points: np.ndarray, step: float) -> np.ndarray:
    """The polyline (N, 3) with points about ``step`` mm apart, both ends kept, at least two points."""
    s = arc_length(points)
    keep = np.concatenate([[True], np.diff(s) > 0])
    s, points = s[keep], points[keep]
    if len(s) < 2:
        return np.repeat(points[:1], 2, axis=0)
    n = max(int(np.ceil(s[-1] / step)), 1) + 1
    at = np.linspace(0, s[-1], n)
    return np.stack([np.interp(at, s, points[:, axis]) for axis in range(3)], axis=1)


def smooth(points: np.ndarray, window_mm: float, closed: bool = False, pinned: bool = True) -> np.ndarray:
    """Local quadratic smoothing (Savitzky and Golay 1964) of an evenly spaced polyline (N, 3).

    A moving mean would pull a bend inwards and shorten it; a local quadratic follows it. ``closed`` polylines repeat
    their first point at the end. ``pinned`` keeps both ends of an open one where they are.
    """
    n = len(points) - 1 if closed else len(points)
    step = np.linalg.norm(np.diff(points, axis=0), axis=1).mean()
    if n < 5 or step <= 0:
        return points
    window = min(round(window_mm / step) | 1, (n - 1) | 1 if n % 2 else n - 1)
    if window < 5:
        return points
    if closed:
        result = savgol_filter(points[:-1], window, 2, axis=0, mode="wrap")
        return np.vstack([result, result[:1]])
    result = savgol_filter(points, window, 2, axis=0, mode="interp")
    if pinned:
        result = move_ends(result, points[0], points[-1])
    return result


def move_ends(points: np.ndarray, start: np.ndarray, stop: np.ndarray) -> np.ndarray:
    """The polyline shifted so that it runs from ``start`` to ``stop``, the shift fading linearly between the ends."""
    t = np.linspace(0, 1, len(points))[:, None]
    return points + (1 - t) * (start - points[0]) + t * (stop - points[-1])


def tangents_of(points: np.ndarray, closed: bool = False) -> np.ndarray:
    """Unit tangents (N, 3) by central differences."""
    if closed:
        ring = points[:-1]
        difference = np.roll(ring, -1, axis=0) - np.roll(ring, 1, axis=0)
        difference = np.vstack([difference, difference[:1]])
    else:
        difference = np.gradient(points, axis=0)
    length = np.linalg.norm(difference, axis=1, keepdims=True)
    return np.where(length > 0, difference / np.maximum(length, 1e-12), np.array([1.0, 0.0, 0.0]))


def direction(points: np.ndarray) -> np.ndarray:
    """Unit vector (3,) of the straight line that fits ``points`` (N, 3) best, pointing from the first to the last."""
    centred = points - points.mean(axis=0)
    axis = np.linalg.svd(centred, full_matrices=False)[2][0]
    return axis if axis @ (points[-1] - points[0]) >= 0 else -axis


def weighted_smooth(values: np.ndarray, weights: np.ndarray, sigma: float, closed: bool = False) -> np.ndarray:
    """Gaussian mean of ``values`` (N,) with ``weights`` (N,), ``sigma`` in samples; where no weight reaches, the
    value is that of the nearest sample that has weight."""
    from scipy.ndimage import gaussian_filter1d

    mode = "wrap" if closed else "constant"
    over = gaussian_filter1d(values * weights, sigma, mode=mode)
    under = gaussian_filter1d(weights.astype(float), sigma, mode=mode)
    good = weights > 0
    if not good.any():
        return gaussian_filter1d(values, sigma, mode="wrap" if closed else "nearest")
    smoothed = np.where(under > 1e-6, over / np.maximum(under, 1e-12), 0.0)
    index = np.arange(len(values))
    nearest = index[good][np.argmin(np.abs(index[:, None] - index[good][None, :]), axis=1)]
    return np.where(good, smoothed, smoothed[nearest])
