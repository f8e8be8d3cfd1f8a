"""Thinning keeps topology, whatever the shape: scikit-image 0.26 loses whole tubes of even width."""

from __future__ import annotations

import numpy as np
import pytest
from medseg.ducts.thinning import thin
from scipy import ndimage

AROUND = np.ones((3, 3, 3), dtype=bool)


def euler(mask: np.ndarray) -> int:
    """Euler number of a mask whose voxels touch by corners: vertices - edges + faces - cubes of the closed voxels."""
    padded = np.pad(mask, 1)
    total = 0
    for axes in ((), (0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)):
        cells = padded
        for axis in range(3):
            if axis not in axes:  # a cell that has no extent here belongs to the voxels on both sides
                cells = cells.take(range(1, cells.shape[axis]), axis) | cells.take(range(cells.shape[axis] - 1), axis)
        total += (-1) ** len(axes) * int(cells.sum())
    return total


def test_euler_number_of_known_shapes():
    block = np.zeros((7, 7, 7), bool)
    block[2:5, 2:5, 2:5] = True
    assert euler(block) == 1
    ring = block.copy()
    ring[:, 3, 3] = False
    assert euler(ring) == 0
    hollow = block.copy()
    hollow[3, 3, 3] = False
    assert euler(hollow) == 2


@pytest.mark.parametrize("seed", range(4))
def test_parts_loops_and_holes_stay(seed):
    noise = np.random.default_rng(seed).normal(size=(24, 26, 28))
    mask = ndimage.gaussian_filter(noise, 1.5) > 0.05
    mask[[0, -1]] = mask[:, [0, -1]] = mask[:, :, [0, -1]] = False
    line = thin(mask)
    assert not (line & ~mask).any()
    assert ndimage.label(line, AROUND)[1] == ndimage.label(mask, AROUND)[1]
    assert euler(line) == euler(mask)
    assert line.sum() < mask.sum() / 4


@pytest.mark.parametrize("radius", [1.0, 2.0, 4.0, 5.5, 6.0, 8.0])
def test_a_tube_becomes_a_line_as_long(draw, line, radius):
    points = line((0, 0, 0), (0, 0, 40))
    mask = draw([(points, np.full(len(points), radius))], seed=None).labels.array > 0
    thinned = thin(mask)
    ends = np.argwhere(thinned)[[0, -1]]
    assert ndimage.label(thinned, AROUND)[1] == 1
    assert ends[1, 0] - ends[0, 0] >= 38
    assert thinned.sum() < 60


def test_a_ball_becomes_a_point(draw):
    mask = draw([(np.zeros((1, 3)), np.array([9.0]))], seed=None).labels.array > 0
    assert 1 <= thin(mask).sum() <= 8
