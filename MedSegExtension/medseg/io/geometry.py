"""Directions of axes out of headers that were rounded, and the refusal of those that are sheared."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..errors import InputError

#: Largest |DᵀD − 1| that is taken for rounding and mended; more is shear (1e-2 is 0.6°).
MENDABLE = 1e-2
#: Below this nothing is touched, so that a header that is good to float precision comes back unchanged.
UNTOUCHED = 1e-6


def orthonormal(direction: np.ndarray, file: str | Path | None = None) -> np.ndarray:
    """The nearest orthonormal (3, 3) matrix to ``direction``, by its polar decomposition through the SVD.

    Raises
    ------
    InputError : a column is zero or not finite, or the axes are further than 1e-2 from perpendicular unit vectors.
    """
    direction = np.asarray(direction, dtype=float).reshape(3, 3)
    if not np.all(np.isfinite(direction)):
        raise InputError(
            "the axis directions in the header are not finite numbers", file=file, mend="export the image again"
        )
    deviation = np.abs(direction.T @ direction - np.eye(3)).max()
    if deviation <= UNTOUCHED:
        return direction
    if deviation > MENDABLE:
        raise InputError(
            "the axes of the image are not perpendicular (sheared or broken header)",
            file=file,
            mend="resample the image onto a regular grid, for example with Slicer's Resample module",
        )
    left, _, right = np.linalg.svd(direction)
    return left @ right


def split_affine(affine: np.ndarray, file: str | Path | None = None) -> tuple[tuple[float, float, float], np.ndarray]:
    """Spacing (3,) in mm and orthonormal direction (3, 3) of a (4, 4) voxel-to-world matrix."""
    matrix = np.asarray(affine, dtype=float)[:3, :3]
    spacing = np.linalg.norm(matrix, axis=0)
    if not np.all(np.isfinite(spacing)) or np.any(spacing <= 0):
        raise InputError(
            "the voxel size in the header is zero or not a number", file=file, mend="export the image again"
        )
    return (float(spacing[0]), float(spacing[1]), float(spacing[2])), orthonormal(matrix / spacing, file)
