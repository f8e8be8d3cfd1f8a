"""One patient, stored in every axis order and flip."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
from medseg.volume import Volume


def stored_as(volume: Volume, axes: tuple[int, ...], flips: tuple[bool, ...]) -> Volume:
    """The same patient with the (k, j, i) axes permuted and flipped, and the header saying so."""
    kji_directions = volume.direction.T[::-1]
    kji_spacing = np.array(volume.spacing[::-1])
    origin = np.array(volume.origin)
    array = np.transpose(volume.array, axes)
    directions, spacing = kji_directions[list(axes)].copy(), kji_spacing[list(axes)]
    for axis, flip in enumerate(flips):
        if flip:
            origin = origin + directions[axis] * spacing[axis] * (array.shape[axis] - 1)
            directions[axis] *= -1
            array = np.flip(array, axis)
    return Volume(array.copy(), tuple(spacing[::-1]), tuple(origin), directions[::-1].T)


ALL_48 = list(product(permutations(range(3)), product((False, True), repeat=3)))
