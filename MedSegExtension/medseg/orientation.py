"""Which way a volume lies, and the signed axis permutation that shows it as a network saw it.

Slices are never fed mirrored or turned: the array's axes are permuted and flipped, by the direction cosines, until
(slice, row, column) run along the patient directions the card names. Voxels are only moved, never resampled, so the
way back is exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations, product

import numpy as np

from .volume import Volume

#: LPS unit vectors of the six patient directions.
DIRECTIONS: dict[str, tuple[float, float, float]] = {
    "L": (1.0, 0.0, 0.0),
    "R": (-1.0, 0.0, 0.0),
    "P": (0.0, 1.0, 0.0),
    "A": (0.0, -1.0, 0.0),
    "S": (0.0, 0.0, 1.0),
    "I": (0.0, 0.0, -1.0),
}

#: The usual (row, column, slice) code of each plane: as radiologists look at it, patient's left on the right.
PLANES = {"axial": "PLS", "coronal": "ILP", "sagittal": "IPL"}

#: Above this angle between the volume's axes and the patient's, a warning says so.
OBLIQUE_DEGREES = 20.0

_PLANE_OF_SLICE_AXIS = {"L": "sagittal", "R": "sagittal", "A": "coronal", "P": "coronal", "S": "axial", "I": "axial"}


def plane_of(code: str) -> str | None:
    """The plane whose slices a (row, column, slice) code stacks, or None where the code names one axis twice."""
    axes = {frozenset("LR"): 0, frozenset("AP"): 1, frozenset("SI"): 2}
    used = [number for letters, number in axes.items() for letter in code if letter in letters]
    if len(code) != 3 or len(set(used)) != 3:
        return None
    return _PLANE_OF_SLICE_AXIS[code[2]]


@dataclass(frozen=True)
class Reorientation:
    """A signed permutation of the (k, j, i) axes to (slice, row, column).

    Attributes
    ----------
    axes : for slice, row and column, the axis of the (k, j, i) array it is.
    flips : for slice, row and column, whether that axis is walked backwards.
    obliqueness_degrees : the largest angle between an axis and the patient direction it stands for.
    """

    axes: tuple[int, int, int]
    flips: tuple[bool, bool, bool]
    obliqueness_degrees: float = 0.0

    def apply(self, array: np.ndarray) -> np.ndarray:
        """(K, J, I) → (slice, row, column); a view, nothing is copied."""
        moved = np.transpose(array, self.axes)
        return moved[tuple(slice(None, None, -1) if flip else slice(None) for flip in self.flips)]

    def invert(self, array: np.ndarray) -> np.ndarray:
        """(slice, row, column) → (K, J, I); a view, and exactly the inverse of `apply`."""
        unflipped = array[tuple(slice(None, None, -1) if flip else slice(None) for flip in self.flips)]
        return np.transpose(unflipped, np.argsort(self.axes))

    def spacing(self, volume: Volume) -> tuple[float, float, float]:
        """Spacing in mm along (slice, row, column)."""
        kji = volume.spacing[::-1]
        return kji[self.axes[0]], kji[self.axes[1]], kji[self.axes[2]]


def reorientation(volume: Volume, plane: str, orientation: str | None) -> Reorientation:
    """The signed permutation nearest to ``orientation``, by the direction cosines.

    ``plane`` "acquisition" keeps the stored k axis as the slice axis and, where ``orientation`` is given, turns the
    rows and columns towards it; without ``orientation`` the volume is taken as stored.
    """
    if orientation is None:
        return Reorientation((0, 1, 2), (False, False, False))
    letters = (orientation[2], orientation[0], orientation[1])  # slice, row, column
    wanted = np.array([DIRECTIONS[letter] for letter in letters])
    kji_directions = volume.direction.T[::-1]  # row n: LPS unit vector along axis n of (k, j, i)
    cosines = wanted @ kji_directions.T  # [target, array axis]
    best, best_sum = None, -np.inf
    for axes, signs in product(permutations(range(3)), product((1, -1), repeat=3)):
        if plane == "acquisition" and axes[0] != 0:
            continue
        total = sum(sign * cosines[target, axis] for target, (axis, sign) in enumerate(zip(axes, signs, strict=True)))
        if total > best_sum + 1e-9:
            best, best_sum = (axes, signs), total
    assert best is not None
    axes, signs = best
    aligned = [sign * cosines[target, axis] for target, (axis, sign) in enumerate(zip(axes, signs, strict=True))]
    angle = float(np.degrees(np.arccos(np.clip(min(aligned), -1.0, 1.0))))
    return Reorientation((axes[0], axes[1], axes[2]), (signs[0] < 0, signs[1] < 0, signs[2] < 0), angle)


def orientation_code(volume: Volume) -> str:
    """The three-letter code of the patient directions nearest to the volume's (i, j, k) axes, such as ``LPS``."""
    return "".join(
        max(DIRECTIONS, key=lambda letter: float(np.dot(DIRECTIONS[letter], volume.direction[:, axis])))
        for axis in range(3)
    )
