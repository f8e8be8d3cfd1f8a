"""Slices resampled as nnU-Net v2 resamples whole volumes whose slices stay where they are.

Sources: nnU-Net v2.8's default resampling, and scikit-image's ``resize``, which it calls: `scipy.ndimage.zoom` on pixel
areas, limited to the range of what it was given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from .nnunet_plans import Resampling

#: Largest spacing over the smallest from which nnU-Net resamples the coarse axis on its own.
ANISOTROPY = 3


@dataclass(frozen=True)
class _Range:
    """What a resampled slice is limited to: scikit-image limits to the values it was given at once."""

    low: float | np.ndarray
    high: float | np.ndarray


class InPlane:
    """Resampling of slices of a volume with ``spacing`` to ``target``, both (slice, row, column) in mm.

    Where the volume is coarse along one axis of the plane, that axis is resampled on its own (by ``order_z``).
    ``stacks`` are the volumes, where slices of them are resampled: cubic results are limited to their values.
    """

    def __init__(
        self,
        how: Resampling,
        spacing: Sequence[float],
        target: Sequence[float],
        stacks: Sequence[np.ndarray] | None = None,
    ) -> None:
        self._how = how
        self._axis = _separate_axis(how.separate, spacing, target)
        self._ranges: list[_Range] | None = None
        if stacks is not None and how.order > 1 and self._axis != 0:
            over = (0, 1, 2) if self._axis is None else tuple(axis for axis in range(3) if axis != self._axis)
            self._ranges = [_Range(stack.min(axis=over), stack.max(axis=over)) for stack in stacks]

    def resample(self, image: np.ndarray, shape: tuple[int, int], place: tuple[int, int] | None = None) -> np.ndarray:
        """(rows, columns) onto ``shape``, float64; as it is where it has this shape. ``place``: volume and slice."""
        if image.shape == shape:
            return image
        image = image.astype(np.float64)
        if self._axis not in (1, 2):
            limits = (
                _Range(image.min(), image.max()) if self._ranges is None or place is None else self._ranges[place[0]]
            )
            return np.clip(_zoom(image, shape, self._how.order), limits.low, limits.high)
        # One row (or column) after the other along the fine axis, then the coarse axis on its own.
        coarse = self._axis - 1
        half = (image.shape[0], shape[1]) if coarse == 0 else (shape[0], image.shape[1])
        fine = _zoom(image, half, self._how.order)
        if self._ranges is not None and place is not None:
            low, high = (
                np.expand_dims(v, 1 - coarse) for v in (self._ranges[place[0]].low, self._ranges[place[0]].high)
            )
            fine = np.clip(fine, low, high)
        if half == shape:
            return fine
        steps = [np.arange(shape[axis], dtype=np.float64) for axis in range(2)]
        ratio = image.shape[coarse] / shape[coarse]
        steps[coarse] = ratio * (steps[coarse] + 0.5) - 0.5
        return ndimage.map_coordinates(
            fine, np.meshgrid(*steps, indexing="ij"), order=self._how.order_coarse, mode="nearest"
        )


def _zoom(image: np.ndarray, shape: tuple[int, int], order: int) -> np.ndarray:
    factors = [1 / (old / new) for old, new in zip(image.shape, shape, strict=True)]
    return ndimage.zoom(image, factors, order=order, mode="nearest", grid_mode=True)


def _separate_axis(forced: bool | None, spacing: Sequence[float], target: Sequence[float]) -> int | None:
    """The axis that is resampled on its own, or None: the coarse one, where there is exactly one."""
    for current in (spacing, target):
        coarse = [axis for axis in range(3) if max(current) / current[axis] == 1]
        if forced is not None:
            return coarse[0] if forced and len(coarse) == 1 else None
        if max(current) / min(current) > ANISOTROPY:
            return coarse[0] if len(coarse) == 1 else None
    return None
