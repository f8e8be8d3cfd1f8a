"""The scanner's grid: oblique-coronal slices through the anatomy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..volume import Volume
from .curves import quantise
from .randomness import Draws
from .settings import PhantomSettings


@dataclass(frozen=True, eq=False)
class Grid:
    """Where the voxels lie.

    Attributes
    ----------
    shape : (K, J, I). spacing : mm along (i, j, k). origin : LPS mm of voxel (0, 0, 0).
    direction : (3, 3), columns are the unit LPS vectors of i (to the patient's left), j (to the feet), k (to the back).
    """

    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]
    origin: np.ndarray
    direction: np.ndarray

    def to_grid_mm(self, points: np.ndarray) -> np.ndarray:
        """(n, 3) LPS mm → (n, 3) mm along (i, j, k) from voxel (0, 0, 0); explicit sums, the same everywhere."""
        d = points - self.origin
        x, y, z = d[:, 0], d[:, 1], d[:, 2]
        m = self.direction
        return np.stack([x * m[0, n] + y * m[1, n] + z * m[2, n] for n in range(3)], axis=1)

    def lps(self, box: tuple[slice, slice, slice] | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """LPS coordinates (float32, each of the box's (k, j, i) shape) of the voxel centres in a box."""
        box = box or (slice(0, self.shape[0]), slice(0, self.shape[1]), slice(0, self.shape[2]))
        k, j, i = (np.arange(s.start, s.stop, dtype=np.float32) for s in box)
        si, sj, sk = self.spacing
        m = self.direction.astype(np.float32)
        x, y, z = (
            np.float32(self.origin[axis])
            + (k * sk * m[axis, 2])[:, None, None]
            + (j * sj * m[axis, 1])[None, :, None]
            + (i * si * m[axis, 0])[None, None, :]
            for axis in range(3)
        )
        return x, y, z

    def box(self, low_mm: np.ndarray, high_mm: np.ndarray) -> tuple[slice, slice, slice] | None:
        """Voxels (k, j, i) between two corners given in mm along (i, j, k); None where there are none."""
        slices = []
        for axis in (2, 1, 0):
            first = max(int(np.floor(low_mm[axis] / self.spacing[axis])), 0)
            last = min(int(np.ceil(high_mm[axis] / self.spacing[axis])), self.shape[2 - axis] - 1)
            if last < first:
                return None
            slices.append(slice(first, last + 1))
        return slices[0], slices[1], slices[2]

    def contains(self, points: np.ndarray) -> np.ndarray:
        """(n,) bool: which LPS points lie inside the voxels' extent."""
        p = self.to_grid_mm(points)
        extent = [(n - 1) * s for n, s in zip(self.shape[::-1], self.spacing, strict=True)]
        inside = np.ones(len(p), dtype=bool)
        for axis in range(3):
            half = 0.5 * self.spacing[axis]
            inside &= (p[:, axis] >= -half) & (p[:, axis] <= extent[axis] + half)
        return inside

    def volume(self, array: np.ndarray, name: str) -> Volume:
        """The array on this grid."""
        return Volume(
            array,
            self.spacing,
            (float(self.origin[0]), float(self.origin[1]), float(self.origin[2])),
            self.direction,
            name=name,
            modality="MR",
        )


def rotation(x: float, y: float, z: float) -> np.ndarray:
    """(3, 3) rotation from the vector part of a unit quaternion; products and one square root only."""
    w = float(np.sqrt(1.0 - (x * x + y * y + z * z)))
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def plan(settings: PhantomSettings, draws: Draws, hilum: np.ndarray) -> Grid:
    """The slab as a technologist lays it: coronal, turned a little so that it follows the ducts, under 20° in all.

    Parameters
    ----------
    hilum : (3,) LPS mm of the hepatic confluence, which the field is centred near.
    """
    turn = rotation(draws.uniform(-0.05, 0.05), draws.uniform(-0.02, 0.02), draws.uniform(-0.12, 0.06))
    direction = np.stack([turn[:, 0], -turn[:, 2], turn[:, 1]], axis=1) + 0.0
    centre = hilum + np.array([20.0, 9.0, -25.0]) + draws.vector((6.0, 3.0, 8.0))
    origin = centre.copy()
    for axis, count in enumerate(settings.shape[::-1]):
        origin = origin - direction[:, axis] * (0.5 * (count - 1) * settings.spacing[axis])
    spacing = (float(settings.spacing[0]), float(settings.spacing[1]), float(settings.spacing[2]))
    k, j, i = (int(n) for n in settings.shape)
    return Grid((k, j, i), spacing, quantise(origin), direction)
