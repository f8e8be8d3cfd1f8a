"""A 3D image with its place in the patient."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .errors import InputError

#: How far a direction matrix may be from orthonormal before it is refused (NIfTI headers round to float32).
DIRECTION_TOLERANCE = 1e-3


@dataclass(frozen=True, eq=False)
class Volume:
    """A volume: voxels and geometry, in the conventions of ITK and DICOM.

    Attributes
    ----------
    array : (K, J, I) voxels, any real dtype; the last axis is the fastest, as SimpleITK gives it.
    spacing : mm between voxel centres along i, j and k, in this order.
    origin : LPS position in mm of the centre of voxel (i, j, k) = (0, 0, 0).
    direction : (3, 3); column n is the unit LPS vector along axis n of (i, j, k).
    name : what to call the volume in messages and output files; never a patient's name.
    source : the file or folder it was read from, if any.
    modality : DICOM modality (``MR``, ``CT``) where the source says so.
    """

    array: np.ndarray
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0)
    direction: np.ndarray = field(default_factory=lambda: np.eye(3))
    name: str = "volume"
    source: Path | None = None
    modality: str | None = None

    def __post_init__(self) -> None:
        if self.array.ndim != 3:
            raise InputError(
                f"a volume has three axes, this array has {self.array.ndim}",
                file=self.source,
                mend="pass one 3D image; split 4D and colour images first",
            )
        if 0 in self.array.shape:
            raise InputError("the volume has no voxels", file=self.source, mend="load the image again")
        direction = np.asarray(self.direction, dtype=float).reshape(3, 3)
        spacing = np.asarray(self.spacing, dtype=float)
        if spacing.shape != (3,) or not np.all(np.isfinite(spacing)) or np.any(spacing <= 0):
            raise InputError(
                f"the spacing {self.spacing} is not three positive numbers",
                file=self.source,
                mend="correct the image header",
            )
        if (
            not np.all(np.isfinite(direction))
            or np.abs(direction.T @ direction - np.eye(3)).max() > DIRECTION_TOLERANCE
        ):
            raise InputError(
                "the axis directions are not perpendicular unit vectors (sheared or broken header)",
                file=self.source,
                mend="resample the image onto a regular grid",
            )
        if not np.all(np.isfinite(np.asarray(self.origin, dtype=float))):
            raise InputError("the origin is not a finite position", file=self.source, mend="correct the image header")
        object.__setattr__(self, "direction", direction)
        object.__setattr__(self, "spacing", tuple(float(s) for s in spacing))
        object.__setattr__(self, "origin", tuple(float(o) for o in self.origin))

    @property
    def voxel_volume_mm3(self) -> float:
        """Volume of one voxel in mm³."""
        return float(np.prod(self.spacing))

    @property
    def ijk_to_lps(self) -> np.ndarray:
        """(4, 4) matrix from voxel (i, j, k, 1) to LPS mm."""
        matrix = np.eye(4)
        matrix[:3, :3] = self.direction * np.asarray(self.spacing)
        matrix[:3, 3] = self.origin
        return matrix

    def with_array(self, array: np.ndarray) -> Volume:
        """The same geometry around another (K, J, I) array."""
        if array.shape != self.array.shape:
            raise ValueError(f"array of shape {array.shape} on a grid of shape {self.array.shape}")
        return Volume(array, self.spacing, self.origin, self.direction, self.name, self.source, self.modality)

    def same_grid(self, other: Volume, tolerance_mm: float = 1e-3) -> bool:
        """Whether both have the same shape and every corner voxel lies within ``tolerance_mm``."""
        if self.array.shape != other.array.shape:
            return False
        k, j, i = self.array.shape
        corners = np.array([[x, y, z, 1.0] for x in (0, i - 1) for y in (0, j - 1) for z in (0, k - 1)]).T
        return bool(np.abs((self.ijk_to_lps - other.ijk_to_lps) @ corners).max() <= tolerance_mm)
