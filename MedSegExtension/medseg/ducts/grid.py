"""The part of a label map that holds the duct, in axes that do not depend on how the volume was stored."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ..errors import InputError
from ..volume import Volume

#: Background voxels around the duct: room for the rays of a section and for a closed surface.
PADDING = 3
#: Spacings closer together than this ratio are thinned as they are: thinning follows neighbours, not millimetres.
NEARLY_ISOTROPIC = 1.3
#: The most voxels the finer grid for thinning may have (bytes: one each, a few copies).
MOST_VOXELS = 60_000_000
#: 26-neighbourhood: voxels of a thin duct that meet at a corner belong together.
NEIGHBOURS = np.ones((3, 3, 3), dtype=bool)


@dataclass(frozen=True)
class DuctGrid:
    """The duct in its padded bounding box. "Local mm" below is array index times spacing in this box.

    Attributes
    ----------
    mask : (A, B, C) bool, the duct with inner cavities filled; its axes run nearest to (S, P, L).
    occupancy : (A, B, C) float32 in [0, 1], how much of each voxel is duct: the mask itself, or probabilities.
    spacing : (3,) mm along the axes of ``mask``.
    rotation : (3, 3), columns are the LPS unit vectors along the axes of ``mask``.
    origin : (3,) LPS mm of the centre of voxel (0, 0, 0) of ``mask``.
    voxels : how many voxels the label has, cavities not counted.
    filled_voxels : how many voxels of cavities were filled.
    touches_border : whether the duct reaches the edge of the image, where it may have been cut.
    """

    mask: np.ndarray
    occupancy: np.ndarray
    spacing: np.ndarray
    rotation: np.ndarray
    origin: np.ndarray
    voxels: int
    filled_voxels: int
    touches_border: bool

    @property
    def voxel_volume_mm3(self) -> float:
        """Volume of one voxel in mm³."""
        return float(np.prod(self.spacing))

    def to_lps(self, points: np.ndarray) -> np.ndarray:
        """LPS mm of local mm points, both (N, 3) or (3,)."""
        return np.asarray(points) @ self.rotation.T + self.origin

    def directions_to_lps(self, vectors: np.ndarray) -> np.ndarray:
        """LPS components of local vectors, both (N, 3) or (3,)."""
        return np.asarray(vectors) @ self.rotation.T

    def sample(self, points: np.ndarray) -> np.ndarray:
        """Occupancy at local mm points (..., 3), trilinear, 0 outside; shape (...)."""
        index = np.moveaxis(np.asarray(points) / self.spacing, -1, 0)
        return ndimage.map_coordinates(self.occupancy, index, order=1, mode="constant", prefilter=False)


def crop_to_duct(labels: Volume, label: int, probabilities: np.ndarray | None = None) -> DuctGrid | None:
    """Cut the duct out of a label map; None where no voxel has the label.

    Parameters
    ----------
    labels : label map, array (K, J, I) of an integer or bool type.
    label : the value of the duct.
    probabilities : (K, J, I) in [0, 1] of this label, where they were kept.

    Raises
    ------
    InputError : the label map is not of whole numbers, or the probabilities are on another grid or out of range.
    """
    if labels.array.dtype.kind not in "bui":
        raise InputError(
            f"a label map has whole numbers, this one is {labels.array.dtype}",
            file=labels.source,
            mend="pass a segmentation, not an image or probabilities",
        )
    mask = labels.array == label
    windows = ndimage.find_objects(mask.view(np.uint8))
    if not windows or windows[0] is None:
        if probabilities is not None:
            _check_probabilities(labels, probabilities)
        return None
    window = windows[0]
    edge = any(w.start == 0 or w.stop == n for w, n in zip(window, mask.shape, strict=True))
    mask = mask[window]
    voxels = int(np.count_nonzero(mask))
    pad = [(PADDING, PADDING)] * 3
    mask = np.pad(mask, pad)
    filled = ndimage.binary_fill_holes(mask)
    if probabilities is None:
        occupancy = filled.astype(np.float32)
    else:
        _check_probabilities(labels, probabilities)
        occupancy = _occupancy(filled, mask, window, probabilities)
    axes, signs = _nearest_axes(labels.direction)
    direction = labels.direction[:, ::-1]  # columns along (k, j, i)
    spacing = np.array(labels.spacing[::-1])
    start = np.array([w.start for w in window]) - PADDING
    origin = np.asarray(labels.origin) + direction @ (start * spacing)
    for axis in range(3):
        if signs[axis] < 0:
            origin = origin + direction[:, axis] * spacing[axis] * (filled.shape[axis] - 1)
    flips = tuple(slice(None, None, int(s)) for s in signs)
    return DuctGrid(
        mask=np.ascontiguousarray(filled[flips].transpose(axes)),
        occupancy=np.ascontiguousarray(occupancy[flips].transpose(axes)),
        spacing=spacing[list(axes)],
        rotation=(direction * signs)[:, list(axes)],
        origin=origin,
        voxels=voxels,
        filled_voxels=int(np.count_nonzero(filled)) - voxels,
        touches_border=edge,
    )


def _check_probabilities(labels: Volume, probabilities: np.ndarray) -> None:
    if probabilities.shape != labels.array.shape:
        raise InputError(
            f"probabilities of shape {probabilities.shape} beside labels of shape {labels.array.shape}",
            file=labels.source,
            mend="pass the probabilities of this label on the grid of the label map",
        )
    if not np.all(np.isfinite(probabilities)) or probabilities.min() < -1e-3 or probabilities.max() > 1 + 1e-3:
        raise InputError(
            "the probabilities are not all between 0 and 1", file=labels.source, mend="pass probabilities, not logits"
        )


def _occupancy(
    filled: np.ndarray, mask: np.ndarray, window: tuple[slice, ...], probabilities: np.ndarray
) -> np.ndarray:
    """Probabilities in and next to the duct; elsewhere 0, so that other structures stay out of the sections."""
    grown = tuple(slice(max(w.start - PADDING, 0), w.stop + PADDING) for w in window)
    before = [PADDING - (w.start - g.start) for w, g in zip(window, grown, strict=True)]
    part = probabilities[grown].astype(np.float32)
    occupancy = np.zeros(filled.shape, dtype=np.float32)
    place = tuple(slice(b, b + n) for b, n in zip(before, part.shape, strict=True))
    occupancy[place] = np.clip(part, 0, 1)
    occupancy[~ndimage.binary_dilation(filled, NEIGHBOURS, iterations=2)] = 0
    occupancy[filled & ~mask] = 1  # cavities were filled
    return occupancy


def _nearest_axes(direction: np.ndarray) -> tuple[tuple[int, int, int], np.ndarray]:
    """Which axis of (k, j, i) runs nearest to S, P and L, and the sign of each of (k, j, i) along it.

    The assignment with the largest sum of cosines, so that no axis is taken twice however oblique the volume is.
    """
    from itertools import permutations

    kji = direction[:, ::-1]
    wanted = (2, 1, 0)  # rows of LPS for S, P, L
    best = max(permutations(range(3)), key=lambda p: sum(abs(kji[w, a]) for w, a in zip(wanted, p, strict=True)))
    signs = np.ones(3)
    for row, axis in zip(wanted, best, strict=True):
        signs[axis] = 1.0 if kji[row, axis] >= 0 else -1.0
    return (best[0], best[1], best[2]), signs


def isotropic_mask(mask: np.ndarray, spacing: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A mask for thinning on a grid with nearly equal spacings, and these spacings (3,) in mm.

    Voxel (0, 0, 0) keeps its place. Between slices that lie far apart the shape is interpolated through the signed
    distance to its surface (Raya and Udupa, IEEE Trans Med Imaging 1990;9:32-42). A part that this would lose or
    break is repeated voxel by voxel instead, so that the parts of the mask stay what they are.
    """
    finest = float(spacing.min())
    if spacing.max() <= NEARLY_ISOTROPIC * finest:
        return mask, spacing
    extent = (np.array(mask.shape) - 1) * spacing
    finest = max(finest, float((np.prod(extent) / MOST_VOXELS) ** (1 / 3)))
    step = np.where(spacing > NEARLY_ISOTROPIC * finest, finest, spacing)
    inside = ndimage.distance_transform_edt(mask, sampling=tuple(spacing)).astype(np.float32)
    inside -= ndimage.distance_transform_edt(~mask, sampling=tuple(spacing)).astype(np.float32)
    for axis in range(3):
        if step[axis] != spacing[axis]:
            inside = _along(inside, axis, spacing[axis], step[axis])
    fine = inside > 0
    whole, count = ndimage.label(mask, NEIGHBOURS)
    replicated = whole
    for axis in range(3):
        if step[axis] != spacing[axis]:
            n = int(np.floor((mask.shape[axis] - 1) * spacing[axis] / step[axis] + 1e-6)) + 1
            nearest = np.rint(np.arange(n) * step[axis] / spacing[axis] - 1e-6).astype(int)
            replicated = replicated.take(nearest, axis)
    pieces, number = ndimage.label(fine, NEIGHBOURS)
    owner = ndimage.maximum(replicated, pieces, np.arange(1, number + 1)).astype(int) if number else np.zeros(0, int)
    found = np.bincount(owner, minlength=count + 1)
    broken = np.flatnonzero(found[1:] != 1) + 1
    if len(broken):
        fine |= np.isin(replicated, broken)
    return fine, step


def _along(values: np.ndarray, axis: int, spacing: float, step: float) -> np.ndarray:
    """Linear interpolation of ``values`` along one axis from ``spacing`` to ``step`` mm."""
    n = int(np.floor((values.shape[axis] - 1) * spacing / step + 1e-6)) + 1
    position = np.minimum(np.arange(n) * step / spacing, values.shape[axis] - 1)
    low = np.minimum(position.astype(int), values.shape[axis] - 2)
    weight = (position - low).astype(np.float32)
    shape = [1, 1, 1]
    shape[axis] = n
    weight = weight.reshape(shape)
    return values.take(low, axis) * (1 - weight) + values.take(low + 1, axis) * weight
