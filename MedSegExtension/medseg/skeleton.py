"""Curve skeletons that keep the topology of a 3D mask.

Why not ``skimage.morphology.skeletonize``: its 3D method (Lee) erases whole structures whose width is an even number
of voxels (scikit-image issues #3757 and #6513, open in 0.26). A duct two voxels wide would then have no centreline,
and a metric over centrelines would not notice that it was missed.
"""

from __future__ import annotations

from functools import cache
from itertools import product

import numpy as np
from scipy import ndimage

#: (26, 3) steps to the neighbours of a voxel, in (k, j, i); row n is bit n of a neighbourhood's code.
_STEPS = np.array([step for step in product((-1, 0, 1), repeat=3) if step != (0, 0, 0)])
_BITS = 1 << np.arange(26, dtype=np.int64)
_FACES = np.abs(_STEPS).sum(axis=1) == 1
_IN_18 = np.abs(_STEPS).sum(axis=1) <= 2
_APART = np.abs(_STEPS[:, None] - _STEPS[None])
#: (26, 26) which two neighbours touch: by face, edge or corner for the structure, by face for what is around it.
_TOUCH_26 = (_APART.max(axis=2) <= 1).astype(np.float32)
_TOUCH_6 = (_APART.sum(axis=2) <= 1).astype(np.float32)

#: What a voxel can be: needed for the topology, or simple (it may go), as the end of a curve or elsewhere.
_NEEDED, _SIMPLE_END, _SIMPLE = 1, 2, 3


def skeletonise(mask: np.ndarray, *, layers: bool = False) -> np.ndarray:
    """Thin a mask to curves one voxel wide (closed shells, where it has cavities).

    Sequential thinning by simple points: in each sweep the six border directions are visited in turn, and in each of
    them the eight parity classes of voxels, within which no two voxels touch, so that a whole class can be judged and
    deleted at once. A voxel goes when it is simple for (26, 6) connectivity in the sense of Bertrand and Malandain
    (Pattern Recognition Letters 15, 1994) and was not the end of a curve when its direction's turn began. So parts,
    tunnels and cavities are kept exactly, and a class can shorten a curve by one voxel only. The order of deletion goes
    by voxels, not by mm, and a flipped mask can give a skeleton that lies a voxel aside.

    Parameters
    ----------
    mask : (K, J, I) bool; a single slice is (1, J, I).
    layers : whether to take the border from all directions at once, as the eight classes only. The lines then lie
        nearer to the middle, and the corners of the mask leave short spurs, which the caller prunes.

    Returns
    -------
    (K, J, I) bool, a subset of ``mask``; never empty where ``mask`` is not.
    """
    skeleton = np.zeros_like(mask, dtype=bool)
    windows = ndimage.find_objects(np.asarray(mask, dtype=bool).view(np.uint8))
    if not windows:
        return skeleton
    box = windows[0]
    alive = np.pad(mask[box], 1).astype(np.uint8)
    shape = alive.shape
    alive = alive.ravel()
    offsets = _STEPS @ np.array([shape[1] * shape[2], shape[2], 1])
    face_offsets = offsets[_FACES]

    here = np.flatnonzero(alive)
    at_border = np.zeros(alive.size, dtype=bool)
    at_border[here] = ~np.all(alive[here[:, None] + face_offsets], axis=1)
    while True:
        border = np.flatnonzero(at_border)
        deleted = []
        parity = _parity(border, shape)
        for face in [None] if layers else face_offsets:
            exposed = (alive[border] == 1) & (True if face is None else alive[border + face] == 0)
            if not layers:
                exposed[exposed] = _judge(alive, border[exposed], offsets) == _SIMPLE
            for number in range(8):
                chosen = border[exposed & (parity == number)]
                # Not again whether it is an end: a class before may have made it one, and it would stay as a spur.
                chosen = chosen[_judge(alive, chosen, offsets) >= (_SIMPLE if layers else _SIMPLE_END)]
                alive[chosen] = 0
                deleted.append(chosen)
        gone = np.concatenate(deleted)
        if not gone.size:
            break
        # Only voxels that were at the border, or have just come to lie there, can go in the next sweep.
        bared = (gone[:, None] + face_offsets).ravel()
        at_border[bared] = alive[bared]
        at_border[gone] = False
    skeleton[box] = alive.reshape(shape)[1:-1, 1:-1, 1:-1].astype(bool)
    return skeleton


def _parity(flat: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """(N,) class 0 … 7 of flat indices: even or odd along k, j and i."""
    k, j, i = np.unravel_index(flat, shape)
    return (k & 1) * 4 + (j & 1) * 2 + (i & 1)


def _judge(alive: np.ndarray, flat: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """(N,) uint8: what each voxel is, as ``alive`` stands: ``_NEEDED``, ``_SIMPLE_END`` or ``_SIMPLE``."""
    codes = alive[flat[:, None] + offsets] @ _BITS
    table = _answers()
    kinds = table[codes]
    if not kinds.all():
        unknown = np.unique(codes[kinds == 0])
        table[unknown] = _judge_neighbourhoods(unknown)
        kinds = table[codes]
    return kinds


@cache
def _answers() -> np.ndarray:
    """(2²⁶,) uint8 over neighbourhood codes, 0 for not judged yet. Memory is taken as it is written, 64 MB at most."""
    return np.zeros(1 << 26, dtype=np.uint8)


def _judge_neighbourhoods(codes: np.ndarray) -> np.ndarray:
    """(N,) uint8 for (N,) neighbourhood codes: simple for (26, 6) connectivity, and with how many neighbours."""
    inside = (codes[:, None] & _BITS) != 0
    around = ~inside & _IN_18
    faces = around & _FACES
    one_part = (_first_part(inside, inside, _TOUCH_26) == inside).all(axis=1) & inside.any(axis=1)
    one_outside = ((_first_part(faces, around, _TOUCH_6) & faces) == faces).all(axis=1) & faces.any(axis=1)
    kinds = np.where(inside.sum(axis=1) == 1, _SIMPLE_END, _SIMPLE)
    return np.where(one_part & one_outside, kinds, _NEEDED).astype(np.uint8)


def _first_part(seeds: np.ndarray, region: np.ndarray, touch: np.ndarray) -> np.ndarray:
    """(N, 26) bool: what of ``region`` is connected to the first of ``seeds``; empty where there is no seed."""
    reached = seeds & (np.cumsum(seeds, axis=1) == 1)
    while True:
        wider = (reached.astype(np.float32) @ touch > 0) & region
        if np.array_equal(wider, reached):
            return reached
        reached = wider
