"""The challenge's scores of membranes (Testing/benchmarks/membranes.py) on answers known by hand."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))

pytest.importorskip("skimage")
from membranes import cells_of, scores

#: scikit-image counts pairs of different pixels, the challenge's formula pairs with themselves too: 1/800 here.
PAIRS = 2e-3


@pytest.fixture
def wall() -> np.ndarray:
    """Two cells of equal size with a wall of three pixels between them."""
    mask = np.zeros((20, 43), bool)
    mask[:, 20:23] = True
    return mask


def test_a_wall_of_any_width_or_place_within_the_reference_is_right(wall: np.ndarray) -> None:
    thin = np.zeros_like(wall)
    thin[:, 21] = True
    assert scores(wall, wall) == pytest.approx((1, 1)) and scores(thin, wall) == pytest.approx((1, 1))
    thick = np.zeros_like(wall)
    thick[:, 12:31] = True  # grown until they meet, the cells meet in the middle again
    assert scores(thick, wall) == pytest.approx((1, 1))


def test_a_wall_that_is_missed_merges_two_equal_cells(wall: np.ndarray) -> None:
    # Of two pixels in one found part, half share a cell: precision 1/2, recall 1. The parts tell nothing of the cells.
    assert scores(np.zeros_like(wall), wall) == pytest.approx((2 / 3, 0), abs=PAIRS)


def test_a_wall_too_many_splits_one_cell(wall: np.ndarray) -> None:
    more = wall.copy()
    more[:, 9:11] = True  # cuts the left cell into two of equal size
    rand, information = scores(more, wall)
    # Of pairs in one cell 3/4 stay together; pairs found together are all of one cell.
    assert rand == pytest.approx(2 * 0.75 / 1.75, abs=PAIRS)
    assert information == pytest.approx(2 * 1 / (1 + 1.5))


def test_cells_cover_everything(wall: np.ndarray) -> None:
    assert (cells_of(wall) > 0).all() and len(np.unique(cells_of(wall))) == 2
