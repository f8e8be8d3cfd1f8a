"""Bile ducts drawn into a real T2-weighted volume, for training against real distractors.

The liver mask says where the tree goes; everything else in the image stays as it was. The patient's own ducts and
gallbladder stay in the image and are *not* labelled: use volumes of people with narrow ducts, and read scores on such
cases with that in mind.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from ..errors import InputError
from ..volume import Volume
from .curves import norm, quantise
from .generator import make_anatomy
from .grid import Grid
from .lumen import POINTS_A_VOXEL, label_lumen
from .randomness import Draws
from .settings import PhantomSettings
from .tree import BILE_DUCTS, LIVER_LOBES, Anatomy, Branch

#: Calibre of an average segmental duct of the phantom, mm.
_SEGMENTAL_MM = 2.9

#: The extrahepatic duct and what lies this near to the hepatic confluence may leave the mask, mm.
_HILUM_MM = 18.0


def draw_ducts(
    image: Volume, liver: Volume, seed: int, *, liver_label: int = 1, widen: float | None = None
) -> tuple[Volume, Volume]:
    """Draws the bile ducts of a seed into a real volume, inside the liver, as bright as the volume's own fluid.

    Parameters
    ----------
    image : T2-weighted volume, any real dtype. liver : label map on the same grid, ``liver_label`` is the liver.
    widen : factor on the calibre of the intrahepatic ducts; by default so wide, up to 2.5, that a segmental duct is
        0.8 of the longest voxel edge. In slices of 8 mm a duct of normal calibre never fills half of a
        voxel and would leave no label: such volumes show the tree of an obstructed patient.

    Returns
    -------
    image of the same dtype and grid, labels (uint8; 1 bile ducts).

    Raises
    ------
    InputError : the grids differ, the liver is missing or too small (under 200 ml), the seed is negative.
    """
    _check(image, liver, seed, liver_label)
    mask = liver.array == liver_label
    hilum, scale = _fit(liver, mask)
    if widen is None:
        widen = min(max(0.8 * max(image.spacing) / _SEGMENTAL_MM, 1.0), 2.5)
    never = PhantomSettings(
        probability_duct_stones=0.0,
        probability_distal_stricture=0.0,
        probability_hilar_stricture=0.0,
        probability_multifocal_strictures=0.0,
        probability_ectasia=0.0,
    )
    anatomy = make_anatomy(seed, never, hilum=hilum, scale=scale, widen=widen)
    grid = Grid(image.array.shape, image.spacing, np.array(image.origin), image.direction)
    anatomy.branches = _inside(anatomy, grid, mask)
    labels, filled = label_lumen(anatomy, grid)
    drawn = _blend(image.array, mask, filled.get(BILE_DUCTS), Draws(seed, "real background"))
    return image.with_array(drawn), image.with_array(labels)


def _check(image: Volume, liver: Volume, seed: int, liver_label: int) -> None:
    if seed < 0:
        raise InputError(f"the seed {seed} is negative", mend="give 0 or more")
    if not image.same_grid(liver):
        raise InputError(
            "the liver mask does not lie on the image's grid", file=liver.source, mend="resample the mask to the image"
        )
    volume = float(np.count_nonzero(liver.array == liver_label)) * image.voxel_volume_mm3 / 1000.0
    if volume < 200.0:
        raise InputError(
            f"label {liver_label} holds {volume:.0f} ml, too little for a liver",
            file=liver.source,
            mend="give the label value of the liver",
        )


def _fit(liver: Volume, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the hilum lies and how large the tree is, from the extent of the liver against the average one."""
    k, j, i = np.nonzero(mask)
    matrix = liver.ijk_to_lps
    points = np.stack([matrix[n, 0] * i + matrix[n, 1] * j + matrix[n, 2] * k + matrix[n, 3] for n in range(3)], axis=1)
    low, high = np.percentile(points, 1.0, axis=0), np.percentile(points, 99.0, axis=0)
    centres, axes = (np.array([lobe[n] for lobe in LIVER_LOBES]) for n in (0, 1))
    mean_low, mean_high = (centres - axes).min(axis=0), (centres + axes).max(axis=0)
    scale = np.clip((high - low) / (mean_high - mean_low), 0.6, 1.25)
    guess = low - mean_low / (mean_high - mean_low) * (high - low)
    # The hilum lies on the visceral surface; the guess may fall into the gap beside it.
    nearest = points[int(np.argmin(norm(points - guess)))]
    return quantise(nearest), quantise(scale)


def _inside(anatomy: Anatomy, grid: Grid, mask: np.ndarray) -> list[Branch]:
    """The bile ducts, each cut where it leaves the liver; what hangs on a part that was cut off goes too."""
    kept: list[Branch] = []
    last_point: dict[int, int] = {}
    for branch in anatomy.branches:
        if branch.label != BILE_DUCTS:
            continue
        if branch.parent is not None:
            if branch.parent not in last_point:
                continue
            parent = anatomy.branches[branch.parent].points[: last_point[branch.parent] + 1]
            if float(norm(parent - branch.points[0]).min()) > 1e-6:
                continue
        end = len(branch.points) - 1
        if branch.order > 0:
            outside = ~_in_mask(grid, mask, branch.points) & (norm(branch.points - anatomy.hilum) > _HILUM_MM)
            end = int(np.argmax(outside)) - 1 if outside.any() else end
            if end < 4:
                continue
        last_point[branch.id] = end
        kept.append(
            Branch(
                branch.id,
                branch.name,
                branch.parent,
                branch.label,
                branch.points[: end + 1],
                branch.diameters[: end + 1],
                branch.order,
            )
        )
    return kept


def _in_mask(grid: Grid, mask: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(n,) bool: whether the voxel around each LPS point is set; outside the volume it is not."""
    p = grid.to_grid_mm(points)
    inside = np.ones(len(p), dtype=bool)
    index = []
    for axis in (2, 1, 0):
        n = np.rint(p[:, axis] / grid.spacing[axis]).astype(int)
        inside &= (n >= 0) & (n < grid.shape[2 - axis])
        index.append(np.clip(n, 0, grid.shape[2 - axis] - 1))
    return np.asarray(inside & mask[tuple(index)])


def _blend(
    array: np.ndarray, mask: np.ndarray, filled: tuple[np.ndarray, np.ndarray] | None, draws: Draws
) -> np.ndarray:
    """The lumen into the image: at the level of its fluid, through its point spread, with its noise."""
    part = np.zeros(array.shape, dtype=np.float32)
    if filled is not None:
        part.reshape(-1)[filled[0]] = filled[1].astype(np.float32) / POINTS_A_VOXEL
    for axis in (1, 2):
        part = ndimage.gaussian_filter1d(part, _point_spread(array, axis), axis=axis, truncate=4.0)
    image = array.astype(np.float32)
    bile = fluid_level(array, mask) * draws.uniform(0.95, 1.2)
    noise = _noise_level(image, mask) * draws.generator().standard_normal(image.shape, dtype=np.float32)
    image += part * (bile + noise - image)
    if array.dtype.kind in "iu":
        info = np.iinfo(array.dtype)
        image = np.clip(np.rint(image), max(int(info.min), int(array.min()) if info.min < 0 else 0), info.max)
    return image.astype(array.dtype)


def fluid_level(array: np.ndarray, mask: np.ndarray) -> float:
    """Signal of free fluid: the median of the brightest 0.3 % of the voxels outside the liver."""
    outside = array[~mask]
    bright = outside[outside >= np.percentile(outside, 99.7)]
    return float(np.median(bright))


def _noise_level(image: np.ndarray, mask: np.ndarray) -> float:
    """Noise in the liver from second differences along rows (median absolute deviation; Immerkær 1996's idea)."""
    second = image[:, :, 2:] - 2.0 * image[:, :, 1:-1] + image[:, :, :-2]
    inside = np.abs(second[mask[:, :, 1:-1]])
    return float(np.median(inside)) / (0.6745 * 6.0**0.5) if inside.size else 0.0


def _point_spread(array: np.ndarray, axis: int) -> float:
    """Standard deviation, in voxels, of the point spread along an axis within slices.

    Scanners interpolate by padding the raw data with zeros, which leaves the high frequencies empty. The frequency
    above which less than 0.02 % of the power is left is taken as the limit of what was acquired; the spread is that of
    a Gaussian whose full width at half maximum is one acquired voxel.
    """
    middle = array[array.shape[0] // 4 : max(3 * array.shape[0] // 4, array.shape[0] // 4 + 1)].astype(np.float32)
    spectrum = np.abs(np.fft.rfft(middle - middle.mean(), axis=axis)) ** 2
    power = spectrum.sum(axis=tuple(a for a in range(3) if a != axis))
    above = power[::-1].cumsum()[::-1] / max(float(power.sum()), 1e-12)
    limit = int(np.argmax(above < 2e-4)) if (above < 2e-4).any() else len(power) - 1
    used = max(limit / max(len(power) - 1, 1), 0.25)
    return 0.4247 / used
