"""What is done to a label map after thresholding. Nothing here keeps only the largest part unless the card asks.

Ducts above a complete stricture are legitimately apart from the common bile duct.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from .card import PostProcessing

#: Voxels that touch by a face, an edge or a corner are one part: thin oblique ducts are joined by corners.
TOUCHING = np.ones((3, 3, 3), dtype=bool)


def postprocess(
    labels: np.ndarray,
    values: Sequence[int],
    settings: PostProcessing,
    voxel_volume_mm3: float,
    candidates: np.ndarray | None = None,
) -> np.ndarray:
    """Post-process a label map in the order hysteresis, hole filling, small parts, keep-N.

    Parameters
    ----------
    labels : (K, J, I) label map above the threshold, changed in place and returned.
    values : label values to work on.
    settings : what to do.
    voxel_volume_mm3 : volume of a voxel.
    candidates : (K, J, I) label map above ``settings.hysteresis_low``; needed only for the hysteresis threshold.
    """
    used = bounding_box(labels != 0 if candidates is None else (labels != 0) | (candidates != 0))
    if used is None:
        return labels
    inside, possible = labels[used], None if candidates is None else candidates[used]
    for value in values:
        if possible is not None:
            _grow(inside, possible, value)
        if settings.fill_holes:
            _fill(inside, value)
        if settings.minimum_part_mm3 > 0 or settings.keep_largest_parts:
            _drop_parts(inside, value, settings.minimum_part_mm3 / voxel_volume_mm3, settings.keep_largest_parts)
    return labels


def count_labels(labels: np.ndarray, values: Sequence[int]) -> dict[int, int]:
    """Voxels of each label value in a (K, J, I) label map."""
    # numpy counts in a copy of eight bytes a voxel: of those alone that have a label.
    counts = np.bincount(labels[labels != 0], minlength=max(values) + 1)
    return {value: int(counts[value]) for value in values}


def bounding_box(mask: np.ndarray) -> tuple[slice, slice, slice] | None:
    """The bounding box of a mask, or None for an empty one: parts are few voxels of a large grid."""
    slices = []
    for axis in range(3):
        line = np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis)))
        if line.size == 0:
            return None
        slices.append(slice(int(line[0]), int(line[-1]) + 1))
    return slices[0], slices[1], slices[2]


def _grow(labels: np.ndarray, candidates: np.ndarray, value: int) -> None:
    """Add candidate voxels of ``value`` that are connected to a voxel already labelled so (hysteresis)."""
    low = (candidates == value) | (labels == value)
    box = bounding_box(low)
    if box is None:
        return
    parts, _ = ndimage.label(low[box], structure=TOUCHING)
    seeded = np.unique(parts[labels[box] == value])
    wanted = np.isin(parts, seeded[seeded > 0])
    inside = labels[box]
    inside[wanted & (inside == 0)] = value


def _fill(labels: np.ndarray, value: int) -> None:
    """Give ``value`` to background voxels that it encloses on all sides; other labels stay."""
    box = bounding_box(labels == value)
    if box is None:
        return
    inside = labels[box]
    filled = ndimage.binary_fill_holes(inside == value)
    inside[filled & (inside == 0)] = value


def _drop_parts(labels: np.ndarray, value: int, minimum_voxels: float, keep: int | None) -> None:
    box = bounding_box(labels == value)
    if box is None:
        return
    inside = labels[box]
    mask = inside == value
    parts, count = ndimage.label(mask, structure=TOUCHING)
    where = np.flatnonzero(mask)  # few of the box's voxels
    part = parts.ravel()[where]
    sizes = np.bincount(part, minlength=count + 1)
    # A whole number of voxels may miss the asked volume by rounding alone.
    doomed = sizes < minimum_voxels - 1e-6
    if keep is not None and count > keep:
        order = np.argsort(-sizes[1:], kind="stable") + 1  # equal sizes: the first in the volume stays
        doomed[order[keep:]] = True
    inside[np.unravel_index(where[doomed[part]], inside.shape)] = 0
