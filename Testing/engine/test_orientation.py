"""Axis orders, flips and obliqueness: a voxel keeps its place in the patient, whatever the array looks like."""

from __future__ import annotations

import numpy as np
import pytest
from medseg.orientation import PLANES, orientation_code, plane_of, reorientation
from medseg.volume import Volume
from storage_orders import ALL_48, stored_as


@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
def test_all_48_storage_orders_give_the_same_slices(plane: str) -> None:
    rng = np.random.default_rng(0)
    volume = Volume(rng.random((5, 6, 7)), (1.0, 1.5, 2.0), (3.0, -4.0, 5.0))
    first = reorientation(volume, plane, PLANES[plane])
    expected, spacing = first.apply(volume.array), first.spacing(volume)
    for axes, flips in ALL_48:
        other = stored_as(volume, axes, flips)
        turn = reorientation(other, plane, PLANES[plane])
        np.testing.assert_array_equal(turn.apply(other.array), expected)
        assert turn.spacing(other) == spacing
        np.testing.assert_array_equal(turn.invert(turn.apply(other.array)), other.array)


def test_codes_say_where_rows_columns_and_slices_go() -> None:
    # Voxels hold their own LPS coordinates: i → L, j → P, k → S.
    k, j, i = np.meshgrid(np.arange(4), np.arange(5), np.arange(6), indexing="ij")
    volume = Volume(100 * k + 10 * j + i)
    shown = reorientation(volume, "coronal", "ILP").apply(volume.array)  # slice → P, row → I, column → L
    assert shown.shape == (5, 4, 6)
    assert shown[2, 0, 0] == 320 and shown[2, 1, 0] == 220 and shown[2, 0, 3] == 323 and shown[3, 0, 0] == 330
    shown = reorientation(volume, "axial", "PLS").apply(volume.array)
    np.testing.assert_array_equal(shown, volume.array)
    shown = reorientation(volume, "sagittal", "IPR").apply(volume.array)
    assert shown[0, 0, 0] == 305  # the most superior, most anterior voxel of the leftmost slice comes first


def test_acquisition_keeps_the_stored_slices() -> None:
    volume = stored_as(Volume(np.random.default_rng(1).random((4, 5, 6))), (1, 0, 2), (False, True, False))
    turn = reorientation(volume, "acquisition", None)
    np.testing.assert_array_equal(turn.apply(volume.array), volume.array)
    turn = reorientation(volume, "acquisition", "ILP")
    assert turn.axes[0] == 0  # slices stay the stored k axis even where the code would like another


@pytest.mark.parametrize("angle", [0, 10, 30, 44])
def test_an_oblique_volume_takes_the_nearest_axes_and_says_the_angle(angle: float) -> None:
    a = np.radians(angle)
    direction = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    volume = Volume(np.zeros((4, 5, 6)), direction=direction)
    turn = reorientation(volume, "axial", "PLS")
    assert turn.axes == (0, 1, 2) and turn.flips == (False, False, False)
    assert turn.obliqueness_degrees == pytest.approx(angle, abs=1e-4)


def test_plane_names() -> None:
    assert [plane_of(code) for code in ("PLS", "ILP", "IPL", "PLI", "SRA")] == [
        "axial",
        "coronal",
        "sagittal",
        "axial",
        "coronal",
    ]
    assert plane_of("LLS") is None and plane_of("LR") is None
    assert orientation_code(Volume(np.zeros((2, 2, 2)))) == "LPS"
