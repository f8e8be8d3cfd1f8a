"""The occupancy of voxels against solids whose volume is known."""

from __future__ import annotations

import numpy as np
import pytest
from medseg.phantom.curves import quantise
from medseg.phantom.grid import Grid, rotation
from medseg.phantom.lumen import POINTS_A_VOXEL, Lumen, count_points, label_lumen
from medseg.phantom.tree import Anatomy, Branch


def make_grid(shape=(24, 40, 40), spacing=(1.1, 1.1, 1.2), direction=None) -> Grid:
    return Grid(shape, spacing, np.zeros(3), np.eye(3) if direction is None else direction)


def straight(start, end, diameters, label=1, number=0) -> Branch:
    points = np.linspace(np.array(start, dtype=float), np.array(end, dtype=float), len(diameters))
    return Branch(number, "tube", None, label, quantise(points), np.array(diameters, dtype=float))


def filled_mm3(branch: Branch, grid: Grid) -> float:
    lumen = Lumen(grid)
    lumen.add(branch)
    _, bits = lumen.masks()
    return float(count_points(bits).sum()) / POINTS_A_VOXEL * float(np.prod(grid.spacing))


@pytest.mark.parametrize("turn", [(0.0, 0.0, 0.0), (0.21, -0.13, 0.3)])
def test_rounded_cylinder_has_its_volume(turn):
    direction = rotation(*turn)
    middle = direction @ np.array([21.0, 21.0, 14.0])
    way = direction @ np.array([7.0, 4.0, 5.0])
    branch = straight(middle - way, middle + way, [6.0] * 12)
    expected = np.pi * 9.0 * branch.length_mm + 4.0 / 3.0 * np.pi * 27.0
    assert filled_mm3(branch, make_grid(direction=direction)) == pytest.approx(expected, rel=0.01)


def test_cone_has_its_volume():
    branch = straight((10.0, 20.0, 12.0), (34.0, 20.0, 12.0), np.linspace(4.0, 8.0, 30))
    frustum = np.pi * 24.0 / 3.0 * (4.0 + 8.0 + 16.0)
    ends = 2.0 / 3.0 * np.pi * (8.0 + 64.0)
    assert filled_mm3(branch, make_grid()) == pytest.approx(frustum + ends, rel=0.02)


def test_closed_lumen_is_empty_and_separates():
    diameters = [4.0] * 10 + [0.0] * 10 + [4.0] * 10
    branch = straight((6.0, 20.0, 12.0), (38.0, 20.0, 12.0), diameters)
    grid = make_grid()
    labels, _ = label_lumen(Anatomy(np.zeros(3), np.ones(3), branches=[branch]), grid)
    across = (labels == 1).any(axis=(0, 1))
    gap = np.flatnonzero(~across[8:32])
    assert len(gap) >= 6 and np.all(np.diff(gap) == 1)
    closed = straight((6.0, 20.0, 12.0), (38.0, 20.0, 12.0), [0.0] * 8)
    assert filled_mm3(closed, grid) == 0.0


@pytest.mark.parametrize(("height", "rows"), [(10 * 1.1, 1), (10.5 * 1.1, 0)])
def test_a_voxel_is_labelled_from_half_full_on(height, rows):
    """A duct of 1.1 mm fills 78 % of a voxel when it runs through its middle, and 39 % of two when it runs between."""
    grid = make_grid(spacing=(1.1, 1.1, 1.1))
    branch = straight((4.4, height, 11.0), (35.2, height, 11.0), [1.1] * 20)
    labels, filled = label_lumen(Anatomy(np.zeros(3), np.ones(3), branches=[branch]), grid)
    middle = labels[:, :, 10:26]
    assert int(middle.any(axis=(0, 2)).sum()) == rows
    _, count = filled[1]
    assert count.max() / POINTS_A_VOXEL == pytest.approx(0.785 if rows else 0.393, abs=0.04)


def test_overlapping_branches_count_once_and_the_fuller_label_wins():
    grid = make_grid()
    wide = straight((8.0, 20.0, 12.0), (36.0, 20.0, 12.0), [8.0] * 12, label=2)
    narrow = straight((8.0, 20.0, 12.0), (36.0, 20.0, 12.0), [2.0] * 12, label=1, number=1)
    labels, filled = label_lumen(Anatomy(np.zeros(3), np.ones(3), branches=[wide, narrow]), grid)
    alone, _ = label_lumen(Anatomy(np.zeros(3), np.ones(3), branches=[wide]), grid)
    assert np.array_equal(labels > 0, alone > 0)
    assert (labels == 1).any() and (labels == 2).sum() > (labels == 1).sum()
    assert filled[2][1].max() == POINTS_A_VOXEL


def test_order_of_branches_does_not_matter():
    grid = make_grid()
    a = straight((8.0, 20.0, 12.0), (36.0, 24.0, 14.0), [3.0] * 12)
    b = straight((8.0, 30.0, 12.0), (36.0, 10.0, 14.0), [2.0] * 12, number=1)
    one, _ = label_lumen(Anatomy(np.zeros(3), np.ones(3), branches=[a, b]), grid)
    other, _ = label_lumen(Anatomy(np.zeros(3), np.ones(3), branches=[b, a]), grid)
    assert np.array_equal(one, other)
