"""Figures that can be worked out by hand."""

from __future__ import annotations

import json
import math
from dataclasses import asdict

import numpy as np
import pytest
from medseg.errors import InputError
from medseg.metrics import (
    betti0,
    cldice,
    cldice_parts,
    dice,
    evaluate_case,
    evaluate_labels,
    surface_distances,
    surface_voxels,
)


def box(shape: tuple[int, int, int], start: tuple[int, int, int], size: tuple[int, int, int]) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[tuple(slice(a, a + n) for a, n in zip(start, size, strict=True))] = True
    return mask


def ball(shape: tuple[int, int, int], radius_mm: float, spacing: tuple[float, float, float]) -> np.ndarray:
    centre = [(n - 1) / 2 for n in shape]
    axes = np.ogrid[tuple(slice(n) for n in shape)]
    return sum(((a - c) * s) ** 2 for a, c, s in zip(axes, centre, spacing, strict=True)) <= radius_mm**2


def test_identical_masks_agree_fully() -> None:
    mask = box((9, 10, 11), (2, 2, 2), (4, 5, 6))
    a = evaluate_case(mask, mask.copy(), (2.0, 1.0, 0.5))
    assert (a.dice, a.iou, a.precision, a.recall, a.cldice, a.nsd_1mm, a.nsd_1voxel) == (1.0,) * 7
    assert (a.hd95_mm, a.assd_mm, a.betti0_error, a.volume_difference_ml, a.volume_difference_percent) == (0.0,) * 5
    assert a.volume_reference_ml == pytest.approx(4 * 5 * 6 * 1.0 / 1000)
    assert a.counted and a.note == ""


def test_overlap_of_a_shifted_cube() -> None:
    reference = box((20, 20, 30), (5, 5, 5), (10, 10, 10))
    prediction = box((20, 20, 30), (5, 5, 9), (10, 10, 5))
    a = evaluate_case(prediction, reference, (1.0, 1.0, 1.0))
    assert a.dice == pytest.approx(2 * 500 / 1500)
    assert a.iou == pytest.approx(0.5)
    assert a.precision == 1.0
    assert a.recall == pytest.approx(0.5)
    assert a.volume_difference_ml == pytest.approx(-0.5)
    assert a.volume_difference_percent == pytest.approx(-50.0)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_distance_between_two_sheets_is_their_gap_in_mm(axis: int) -> None:
    spacing = (3.0, 1.25, 0.5)
    size = [8, 8, 8]
    size[axis] = 1
    start = [4, 4, 4]
    reference = box((16, 16, 16), tuple(start), tuple(size))
    start[axis] += 3
    prediction = box((16, 16, 16), tuple(start), tuple(size))
    a = evaluate_case(prediction, reference, spacing)
    gap = 3 * spacing[axis]
    assert a.assd_mm == pytest.approx(gap)
    assert a.hd95_mm == pytest.approx(gap)
    assert a.nsd_1mm == 0.0
    assert a.nsd_1voxel == 0.0


def test_one_millimetre_and_one_voxel_are_different_tolerances() -> None:
    reference = box((12, 12, 12), (4, 4, 4), (1, 4, 4))
    neighbour = box((12, 12, 12), (5, 4, 4), (1, 4, 4))
    thick = evaluate_case(neighbour, reference, (3.0, 1.0, 1.0))
    assert (thick.nsd_1voxel, thick.nsd_1mm) == (1.0, 0.0)
    fine = evaluate_case(np.roll(neighbour, 1, axis=0), reference, (0.5, 1.0, 1.0))
    assert (fine.nsd_1voxel, fine.nsd_1mm) == (0.0, 1.0)


def test_a_tolerance_reached_only_by_rounding_counts() -> None:
    reference, prediction = np.zeros((13, 4, 4), bool), np.zeros((13, 4, 4), bool)
    reference[2, 3, 3] = prediction[12, 3, 3] = True
    reference[0, 0, 0] = prediction[0, 0, 0] = True  # holds the box where it is
    assert 12 * 0.1 - 2 * 0.1 > 1.0  # ten steps of 0.1 mm are a little more than 1 mm in binary
    assert evaluate_case(prediction, reference, (0.1, 5.0, 5.0)).nsd_1mm == 1.0


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (2.0, 1.0, 0.5)])
def test_nested_balls_lie_apart_by_the_difference_of_radii(spacing: tuple[float, float, float]) -> None:
    shape = tuple(int(2 * 24 / s) + 3 for s in spacing)
    small, large = ball(shape, 14.0, spacing), ball(shape, 22.0, spacing)
    a = evaluate_case(small, large, spacing)
    step = max(spacing)
    assert a.assd_mm == pytest.approx(8.0, abs=step / 2)
    assert a.hd95_mm == pytest.approx(8.0, abs=step)
    assert a.dice == pytest.approx(2 * 14**3 / (14**3 + 22**3), rel=0.02)
    assert a.volume_reference_ml == pytest.approx(4 / 3 * math.pi * 2.2**3, rel=0.02)


def test_the_95th_percentile_is_taken_in_each_direction() -> None:
    # 19 of 20 reference voxels are hit; the one left lies 100 voxels away, only seen from the reference.
    reference = np.zeros((1, 1, 140), bool)
    reference[0, 0, :39:2] = True
    reference[0, 0, 138] = True
    prediction = reference.copy()
    prediction[0, 0, 138] = False
    distances = surface_distances(prediction, reference, (1.0, 1.0, 1.0))
    assert distances.hausdorff(100) == 100.0
    assert distances.from_prediction.max() == 0.0
    assert distances.hausdorff(95) == pytest.approx(np.percentile([0.0] * 20 + [100.0], 95))
    assert distances.average() == pytest.approx(100 / 41)


def test_surface_voxels_are_those_with_a_face_outside() -> None:
    assert surface_voxels(np.ones((5, 6, 7), bool)).sum() == 5 * 6 * 7 - 3 * 4 * 5
    cube = box((9, 9, 9), (2, 2, 2), (5, 5, 5))
    assert surface_voxels(cube).sum() == 5**3 - 3**3


def test_the_surface_of_a_single_slice_is_an_outline_but_a_flat_structure_in_a_volume_is_all_surface() -> None:
    square = box((1, 30, 30), (0, 5, 5), (1, 10, 10))
    assert surface_voxels(square).sum() == 10**2 - 8**2
    flat = box((7, 30, 30), (3, 5, 5), (1, 10, 10))
    assert surface_voxels(flat).sum() == 10**2
    larger = box((1, 30, 30), (0, 2, 5), (1, 13, 10))  # three rows more
    in_volume = np.concatenate([np.zeros((3, 30, 30), bool), larger, np.zeros((3, 30, 30), bool)])
    assert evaluate_case(larger, square, (1.0, 1.0, 1.0)).hd95_mm == 3.0
    assert evaluate_case(in_volume, flat, (1.0, 1.0, 1.0)).assd_mm < evaluate_case(larger, square, (1.0,) * 3).assd_mm


def test_a_gap_in_a_rod_costs_topology_sensitivity_and_a_part() -> None:
    reference = box((9, 9, 60), (3, 3, 5), (3, 3, 50))
    prediction = reference.copy()
    prediction[:, :, 25:35] = False
    a = evaluate_case(prediction, reference, (1.0, 1.0, 1.0))
    assert a.cldice_precision == 1.0
    # Ten of the 48 to 50 voxels of the centreline lie in the gap.
    assert 1 - 10 / 48 <= a.cldice_sensitivity <= 1 - 10 / 50
    assert a.cldice == pytest.approx(2 * a.cldice_sensitivity / (1 + a.cldice_sensitivity))
    assert a.betti0_error == 1.0
    assert a.dice == pytest.approx(2 * 40 / 90)


def test_a_spurious_branch_costs_topology_precision_only() -> None:
    reference = box((9, 40, 60), (3, 3, 5), (3, 3, 50))
    prediction = reference | box((9, 40, 60), (3, 6, 28), (3, 30, 3))
    parts = cldice_parts(prediction, reference)
    assert parts.sensitivity == 1.0
    assert 50 / 80 - 0.05 <= parts.precision <= 50 / 80 + 0.05


@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_a_missed_duct_of_any_width_is_noticed(width: int) -> None:
    """Lee's skeleton in scikit-image is empty for ducts 2 or 4 voxels wide: clDice would be blind to them."""
    main = box((20, 30, 60), (4, 4, 5), (5, 5, 50))
    side = box((20, 30, 60), (4, 20, 5), (width, width, 50))
    assert cldice_parts(main, main | side).sensitivity < 0.65
    assert cldice_parts(main | side, main).precision < 0.65
    assert cldice(side, main) == 0.0


def test_a_thin_centreline_inside_is_full_cldice_at_low_dice() -> None:
    reference = box((15, 15, 60), (4, 4, 5), (7, 7, 50))
    thin = box((15, 15, 60), (7, 7, 5), (1, 1, 50))
    assert cldice(thin, reference) == 1.0
    assert dice(thin, reference) == pytest.approx(2 / 50)


def test_voxels_that_share_a_corner_are_one_part() -> None:
    mask = np.zeros((4, 4, 4), bool)
    mask[0, 0, 0] = mask[1, 1, 1] = mask[3, 3, 3] = True
    assert betti0(mask) == 2


def test_labels_are_compared_each_by_itself() -> None:
    shape, spacing = (12, 14, 300), (2.0, 1.0, 1.0)
    first, second = box(shape, (1, 1, 1), (4, 4, 4)), box(shape, (6, 6, 200), (3, 3, 9))
    reference = first.astype(np.uint8) + 7 * second.astype(np.uint8)
    prediction = np.roll(first, 1, axis=2).astype(np.uint8) + 9 * second.astype(np.uint8)
    found = evaluate_labels(prediction, reference, spacing)
    assert list(found) == [1, 7, 9]
    for label, agreement in found.items():
        alone = evaluate_case(prediction == label, reference == label, spacing)
        # From Python 3.13 on a data class that holds NaN is not equal to itself.
        np.testing.assert_equal(asdict(agreement), asdict(alone))
    asked = evaluate_labels(prediction.astype(np.uint16), reference.astype(np.uint16), spacing, [7, 5])
    assert list(asked) == [7, 5]
    assert asked[7] == found[7]
    assert not asked[5].counted


def test_a_single_slice_is_evaluated() -> None:
    reference = box((1, 30, 30), (0, 5, 5), (1, 5, 20))
    a = evaluate_case(np.roll(reference, 1, axis=1), reference, (1.0, 1.0, 1.0))
    assert a.dice == pytest.approx(0.8)
    assert a.cldice == 1.0


def test_agreement_is_ready_for_json() -> None:
    mask = box((4, 4, 4), (1, 1, 1), (2, 2, 2))
    empty = np.zeros_like(mask)
    for pair in ((mask, mask), (mask, empty), (empty, empty)):
        text = json.dumps(evaluate_case(*pair, (1, 1, 1)).as_dict(), allow_nan=False)
        assert "NaN" not in text
    assert evaluate_case(empty, empty, (1, 1, 1)).as_dict()["dice"] is None


def test_what_is_not_a_pair_of_masks_is_refused() -> None:
    mask = np.zeros((4, 4, 4), bool)
    with pytest.raises(InputError, match="shape"):
        evaluate_case(mask, mask[:3], (1, 1, 1))
    with pytest.raises(TypeError, match="bool"):
        evaluate_case(mask.astype(np.uint8), mask, (1, 1, 1))
    with pytest.raises(InputError, match="three axes"):
        evaluate_case(mask[0], mask[0], (1, 1, 1))
    for spacing in ((1, 1), (1, 0, 1), (1, math.nan, 1)):
        with pytest.raises(InputError, match="spacing"):
            evaluate_case(mask, mask, spacing)
    with pytest.raises(TypeError, match="unsigned"):
        evaluate_labels(np.zeros((2, 2, 2)), np.zeros((2, 2, 2)), (1, 1, 1))
    with pytest.raises(InputError, match="label 0"):
        evaluate_labels(mask.astype(np.uint8), mask.astype(np.uint8), (1, 1, 1), [0])
