"""Post-processing on label maps small enough to count by hand."""

from __future__ import annotations

import numpy as np
from medseg.card import PostProcessing
from medseg.postprocess import postprocess


def rods() -> np.ndarray:
    """Three parts of label 1 with 10, 4 and 1 voxels, and two of label 2 with 6 and 2."""
    labels = np.zeros((12, 12, 12), np.uint8)
    labels[1, 1, 1:11] = 1
    labels[5, 5, 1:5] = 1
    labels[9, 9, 9] = 1
    labels[3, 3, 1:7] = 2
    labels[7, 7, 1:3] = 2
    return labels


def count(labels: np.ndarray) -> tuple[int, int]:
    return int((labels == 1).sum()), int((labels == 2).sum())


def test_nothing_asked_nothing_done() -> None:
    before = rods()
    np.testing.assert_array_equal(postprocess(rods(), [1, 2], PostProcessing(), 2.0), before)


def test_minimum_part_is_in_cubic_millimetres() -> None:
    # 8 mm³ at 2 mm³ a voxel is 4 voxels: the part of exactly 4 stays.
    assert count(postprocess(rods(), [1, 2], PostProcessing(minimum_part_mm3=8.0), 2.0)) == (14, 6)
    assert count(postprocess(rods(), [1, 2], PostProcessing(minimum_part_mm3=8.1), 2.0)) == (10, 6)


def test_keep_n_is_for_each_label_and_only_when_asked() -> None:
    assert count(postprocess(rods(), [1, 2], PostProcessing(keep_largest_parts=2), 1.0)) == (14, 8)
    assert count(postprocess(rods(), [1, 2], PostProcessing(keep_largest_parts=1), 1.0)) == (10, 6)


def test_parts_that_touch_at_a_corner_are_one() -> None:
    labels = np.zeros((4, 4, 4), np.uint8)
    labels[0, 0, 0] = labels[1, 1, 1] = labels[2, 2, 2] = 1
    assert count(postprocess(labels, [1], PostProcessing(minimum_part_mm3=3.0), 1.0)) == (3, 0)


def test_holes_are_filled_but_other_labels_inside_stay() -> None:
    labels = np.zeros((7, 7, 7), np.uint8)
    labels[1:6, 1:6, 1:6] = 1
    labels[3, 3, 2:5] = 0
    labels[3, 3, 3] = 2  # a stone of another label in the hole
    filled = postprocess(labels, [1, 2], PostProcessing(fill_holes=True), 1.0)
    assert count(filled) == (124, 1)


def test_hysteresis_keeps_weak_voxels_only_where_they_join_strong_ones() -> None:
    strong = np.zeros((1, 5, 20), np.uint8)
    weak = np.zeros_like(strong)
    weak[0, 1, 2:12] = 1
    strong[0, 1, 4] = 1  # one strong voxel carries its whole weak line
    weak[0, 3, 2:12] = 1  # this line has none
    grown = postprocess(strong, [1], PostProcessing(hysteresis_low=0.2), 1.0, weak)
    assert (grown[0, 1, 2:12] == 1).all() and not grown[0, 3].any() and grown.sum() == 10


def test_an_empty_map_stays_empty() -> None:
    settings = PostProcessing(hysteresis_low=0.1, minimum_part_mm3=5, fill_holes=True, keep_largest_parts=1)
    empty = np.zeros((3, 3, 3), np.uint8)
    assert not postprocess(empty, [1], settings, 1.0, empty.copy()).any()
