"""Intensity normalisation: what a card asks for, measured on voxels, as one affine map."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from .card import Normalisation


@dataclass(frozen=True)
class Intensity:
    """An affine map of intensities, ``(x - shift) * scale``, clipped to [0, 1] where asked.

    ``limits`` is what intensities are limited to before.
    """

    shift: float
    scale: float
    clip: bool = False
    limits: tuple[float, float] | None = None

    def apply(self, image: np.ndarray) -> np.ndarray:
        """float32 image of the same shape."""
        if self.limits is not None:
            image = np.clip(image, np.float32(self.limits[0]), np.float32(self.limits[1]))
        mapped = (image - np.float32(self.shift)) * np.float32(self.scale)
        return np.clip(mapped, 0.0, 1.0, out=mapped) if self.clip else mapped


def measure_intensity(voxels: np.ndarray, normalisation: Normalisation) -> Intensity:
    """The intensity map that ``normalisation`` asks for on these voxels (any shape, any real dtype).

    A constant image maps to zero: it has no contrast to bring out, and dividing by zero would make NaN.
    """
    limits = normalisation.limits
    if limits is None:
        return _measured(voxels, normalisation)
    return replace(_measured(np.clip(voxels, *limits), normalisation), limits=limits)


def mean_and_deviation(voxels: np.ndarray) -> tuple[float, float]:
    """Mean and (population) standard deviation in double precision, of voxels of any shape and real dtype.

    In two passes, the second a plane at a time: numpy's ``std`` allocates eight bytes a voxel, and getting that memory
    takes longer than the arithmetic (0.02 to 0.14 s for 7 million voxels, in place of 0.01).
    """
    mean = float(np.mean(voxels, dtype=np.float64))
    squares = 0.0
    for plane in voxels if voxels.ndim > 2 else voxels[None]:
        away = np.subtract(plane, mean, dtype=np.float64)
        squares += float(np.square(away, out=away).sum())
    return mean, math.sqrt(squares / voxels.size)


def _measured(voxels: np.ndarray, normalisation: Normalisation) -> Intensity:
    kind = normalisation.kind
    if kind == "none":
        return Intensity(0.0, 1.0)
    if kind == "divide":
        assert normalisation.divisor
        return Intensity(0.0, 1.0 / normalisation.divisor)
    if kind == "window":
        assert normalisation.window
        low, high = normalisation.window
        return Intensity(low, 1.0 / (high - low), normalisation.clip)
    if kind == "zscore":
        if normalisation.mean is not None and normalisation.standard_deviation is not None:
            return Intensity(normalisation.mean, 1.0 / normalisation.standard_deviation)
        mean, deviation = mean_and_deviation(voxels)
        return Intensity(mean, 1.0 / deviation if deviation > 0 else 0.0)
    if kind == "percentile":
        low, high = (float(p) for p in np.percentile(voxels, normalisation.percentiles))
    else:
        low, high = float(voxels.min()), float(voxels.max())
    return Intensity(low, 1.0 / (high - low) if high > low else 0.0, normalisation.clip and kind == "percentile")
