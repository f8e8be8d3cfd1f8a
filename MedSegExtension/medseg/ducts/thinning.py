"""Thinning of a 3D mask to lines that keep its topology.

The thinning of scikit-image (Lee, Kashyap and Chu 1994, 0.26) is not used: it tests for the end of a line once for a
whole layer and then removes voxels one after another, so that a line two voxels wide on the diagonal is eaten up from
its end. A straight tube 8 voxels wide vanishes altogether, and branches lose their ends;
a tube that wide is among the tests of this file.

Here voxels of one layer are removed in eight groups by the parity of their three indices. No two voxels of a group
are neighbours, so a whole group can be tested and removed at once without one removal changing what another test saw
(Bertrand and Aktouf, SPIE Vision Geometry III 1994;2356:113-124). A voxel goes when it is simple (Bertrand and
Malandain, Pattern Recognition Letters 1994;15:169-175: one part of the duct and one part of the background around it)
and not the end of a line.
"""

from __future__ import annotations

from itertools import product

import numpy as np

_STEPS = np.array([s for s in product((-1, 0, 1), repeat=3) if any(s)])
_APART = np.abs(_STEPS[:, None, :] - _STEPS[None, :, :])
#: Which of the 26 neighbours touch each other by a corner (the duct), and which of the 18 by a face (the background).
_TOUCH = (_APART.max(axis=2) == 1).astype(np.float32)
_NEAR18 = np.abs(_STEPS).sum(axis=1) <= 2
_FACE = np.abs(_STEPS).sum(axis=1) == 1
_SHARE_FACE = ((_APART.sum(axis=2) == 1) & _NEAR18[:, None] & _NEAR18[None, :]).astype(np.float32)
#: Voxels tested at a time; bounds the memory.
_BLOCK = 100_000


def thin(mask: np.ndarray) -> np.ndarray:
    """Thin (A, B, C) bool to lines one voxel wide; every part keeps at least one voxel and every loop stays.

    The outermost voxels must be background.
    """
    shape = mask.shape
    flat = np.ascontiguousarray(mask).copy().reshape(-1)
    strides = np.array([shape[1] * shape[2], shape[2], 1])
    steps = _STEPS @ strides
    faces = steps[_FACE]
    alive = np.flatnonzero(flat)
    while True:
        border = alive[~flat[alive[:, None] + faces].all(axis=1)]
        parity = _parity(border, shape)
        removed = 0
        for group in range(8):
            candidates = border[parity == group]
            for start in range(0, len(candidates), _BLOCK):
                block = candidates[start : start + _BLOCK]
                gone = block[_removable(flat[block[:, None] + steps])]
                flat[gone] = False
                removed += len(gone)
        if not removed:
            return flat.reshape(shape)
        alive = alive[flat[alive]]


def _parity(index: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The group 0 to 7 of flat indices (N,)."""
    a, rest = np.divmod(index, shape[1] * shape[2])
    b, c = np.divmod(rest, shape[2])
    return (a % 2) * 4 + (b % 2) * 2 + c % 2


def _removable(around: np.ndarray) -> np.ndarray:
    """Which of N voxels, given their neighbours (N, 26) bool, are simple and not the end of a line; (N,) bool."""
    result = around.sum(axis=1) >= 2
    index = np.flatnonzero(result)
    index = index[_in_one_part(around[index], around[index], _TOUCH)]
    background = ~around[index]
    index = index[_in_one_part(background & _NEAR18, background & _FACE, _SHARE_FACE)]
    result[:] = False
    result[index] = True
    return result


def _in_one_part(members: np.ndarray, wanted: np.ndarray, touch: np.ndarray) -> np.ndarray:
    """Whether the ``wanted`` of each row (N, 26) are all joined through ``members``; False where there are none."""
    reached = np.zeros(members.shape, dtype=bool)
    rows = np.arange(len(members))
    reached[rows, wanted.argmax(axis=1)] = wanted.any(axis=1)
    active = rows
    while len(active):
        now = reached[active]
        grown = now | ((now.astype(np.float32) @ touch > 0) & members[active])
        changed = (grown != now).any(axis=1)
        reached[active] = grown
        active = active[changed]
    missed = (wanted & ~reached).any(axis=1)
    return np.logical_and(wanted.any(axis=1), np.logical_not(missed))
