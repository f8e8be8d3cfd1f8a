"""Thinning keeps topology, ends and widths of one voxel."""

from __future__ import annotations

import numpy as np
import pytest
from medseg.metrics import betti0
from medseg.skeleton import skeletonise
from scipy import ndimage


def random_mask(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(rng.normal(size=(18, 22, 24)), rng.uniform(0.5, 2))
    return smooth > np.quantile(smooth, rng.uniform(0.6, 0.95))


@pytest.mark.parametrize("layers", [False, True])
@pytest.mark.parametrize("seed", range(12))
def test_parts_tunnels_and_cavities_are_kept(seed: int, layers: bool) -> None:
    measure = pytest.importorskip("skimage.measure")
    mask = random_mask(seed)
    skeleton = skeletonise(mask, layers=layers)
    assert not (skeleton & ~mask).any()
    assert betti0(skeleton) == betti0(mask)
    assert betti0_of_outside(skeleton) == betti0_of_outside(mask)
    # Parts minus tunnels plus cavities: with the two counts above, equal tunnels too.
    assert measure.euler_number(skeleton, connectivity=3) == measure.euler_number(mask, connectivity=3)


def betti0_of_outside(mask: np.ndarray) -> int:
    return int(ndimage.label(np.pad(~mask, 1, constant_values=True))[1])


@pytest.mark.parametrize("seed", range(4))
def test_a_skeleton_is_its_own_skeleton(seed: int) -> None:
    skeleton = skeletonise(random_mask(seed))
    np.testing.assert_array_equal(skeletonise(skeleton), skeleton)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("width", [1, 2, 3, 4, 5, 6])
def test_a_rod_becomes_a_straight_line_near_its_axis(width: int, axis: int) -> None:
    shape = [width, width]
    shape.insert(axis, 40)
    line = np.argwhere(skeletonise(np.pad(np.ones(shape, bool), 2))) - 2
    assert 40 - width <= len(line) <= 40
    across = np.delete(line, axis, axis=1)
    assert np.abs(across - (width - 1) / 2).max() <= 1.0
    # One voxel for each step along the rod: a line, not a sheet.
    assert len(np.unique(line[:, axis])) == len(line)


@pytest.mark.parametrize("layers", [False, True])
@pytest.mark.parametrize("radius", [1.0, 2.0, 4.0, 5.5, 6.0, 8.0])
def test_a_round_tube_with_domes_becomes_a_line_as_long(radius: float, layers: bool) -> None:
    k, j, i = np.ogrid[-10:51, -10:11, -10:11]
    # Off the voxel centres, so that the width is an even number of voxels for some radii and odd for others.
    beyond = k - np.clip(k, 0, 40)
    tube = beyond**2 + (j - 0.37) ** 2 + (i - 0.37) ** 2 < radius**2
    line = skeletonise(tube, layers=layers)
    ends = np.flatnonzero(line.any(axis=(1, 2)))[[0, -1]] - 10
    assert betti0(line) == 1
    assert ends[1] - ends[0] >= 38
    assert line.sum() < 60


def test_a_ball_becomes_a_point() -> None:
    k, j, i = np.ogrid[-10:11, -10:11, -10:11]
    assert 1 <= skeletonise((k - 0.37) ** 2 + (j - 0.37) ** 2 + (i - 0.37) ** 2 < 81).sum() <= 8


def test_a_ring_stays_a_ring() -> None:
    k, j, i = np.ogrid[-4:5, -14:15, -14:15]
    torus = (np.sqrt(j**2 + i**2) - 9) ** 2 + k**2 <= 9
    skeleton = skeletonise(torus)
    assert betti0(skeleton) == 1
    neighbours = ndimage.convolve(skeleton.astype(int), np.ones((3, 3, 3), int), mode="constant")[skeleton] - 1
    assert (neighbours >= 2).all()  # no end anywhere
    assert np.abs(np.hypot(*(np.argwhere(skeleton)[:, 1:] - 14).T) - 9).max() <= 1.5


def test_a_branching_keeps_its_three_ends() -> None:
    mask = np.zeros((9, 60, 60), bool)
    mask[3:6, 28:31, 5:30] = True
    for step in range(25):
        mask[3:6, 28 + step : 31 + step, 29 + step : 32 + step] = True
        mask[3:6, 28 - step : 31 - step, 29 + step : 32 + step] = True
    skeleton = skeletonise(mask)
    neighbours = ndimage.convolve(skeleton.astype(int), np.ones((3, 3, 3), int), mode="constant") - 1
    assert (skeleton & (neighbours == 1)).sum() == 3


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_square_in_a_single_slice_does_not_fray_into_its_corners(axis: int) -> None:
    shape = [9, 9]
    shape.insert(axis, 1)
    assert skeletonise(np.ones(shape, bool)).sum() <= 3


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 1, 2), (2, 2, 2), (1, 2, 2), (3, 3, 3), (2, 3, 4), (1, 9, 9)])
def test_nothing_vanishes(shape: tuple[int, int, int]) -> None:
    skeleton = skeletonise(np.ones(shape, bool))
    assert skeleton.shape == shape
    assert betti0(skeleton) == 1


def test_an_empty_mask_has_an_empty_skeleton() -> None:
    assert not skeletonise(np.zeros((3, 4, 5), bool)).any()
