"""What shows only with all cases at hand, and how each case is held against its card."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_sets import ball_case, card, config, errors, lines, one_slice, picture, settings, write_case
from medseg.errors import InputError
from medseg.io import read_labels, write_labels, write_volume
from medseg.volume import Volume
from medseg_training.config import parse_config
from medseg_training.data import check_cases, list_cases, load_case
from medseg_training.data.geometry import turn_onto


def cohort(folder: Path, count: int = 5) -> list[tuple[Volume, Volume]]:
    made = [ball_case(n) for n in range(count)]
    for n, (image, labels) in enumerate(made):
        write_case(folder, f"c{n}", image, labels)
    return made


def only(found: list[str], what: str) -> str:
    """The one line of the check, which says ``what``."""
    assert len(found) == 1 and what in found[0], found
    return found[0]


def test_a_spacing_far_from_the_others_is_told(tmp_path: Path) -> None:
    image, labels = cohort(tmp_path)[0]
    for part, volume, write in (("images", image, write_volume), ("labels", labels, write_labels)):
        odd = Volume(volume.array, (1.5, 1.5, 30.0), direction=volume.direction)
        write(odd, tmp_path / part / "c0.nii.gz")
    line = only(lines(config(tmp_path)), "30 mm between slices, the median of all cases is 3 mm")
    assert line.startswith("warning") and "c0.nii.gz" in line


@pytest.mark.parametrize(
    ("change", "what"),
    [(lambda a: a * 100.0, "its intensities span"), (lambda a: a + 9000.0, "its median intensity lies +8")],
)
def test_an_intensity_scale_far_from_the_others_is_told(tmp_path: Path, change: Any, what: str) -> None:
    image, _ = cohort(tmp_path)[2]
    write_volume(image.with_array(change(image.array).astype(np.float32)), tmp_path / "images" / "c2.nii.gz")
    line = only(lines(config(tmp_path)), what)
    assert line.startswith("warning") and "c2.nii.gz" in line


@pytest.mark.parametrize(
    ("normalisation", "what"),
    [
        ({"kind": "window", "window": [5000, 6000]}, "of its voxels lie in the card's window 5000 to 6000"),
        ({"kind": "divide", "divisor": 1.0}, "and the card divides by 1"),
        ({"kind": "zscore", "mean": 9000.0, "standard_deviation": 10.0}, "standard deviations from the card's mean"),
    ],
)
def test_numbers_of_the_card_that_leave_nothing_of_an_image_are_told(
    tmp_path: Path, normalisation: dict[str, Any], what: str
) -> None:
    cohort(tmp_path, 1)
    made = card()
    made["input"]["normalisation"] = normalisation
    assert only(lines(config(tmp_path, card=made)), what).startswith("warning")


def test_what_segment_would_warn_of_is_told(tmp_path: Path) -> None:
    cohort(tmp_path, 1)
    made = {**card(), "spacing_range_mm": {"in_plane": [0.5, 0.6]}}
    only(lines(config(tmp_path, card=made)), "pixels in the slice lie 1.50 mm apart; the model was trained on 0.50")


def test_a_label_that_never_occurs_is_an_error(tmp_path: Path) -> None:
    cohort(tmp_path, 2)
    found = errors(config(tmp_path, card=card(labels=["ball", "stone"])))
    only(found, "label 2 (stone) occurs in none of the 2 references")


def test_source_labels_and_card_must_name_the_same_labels(tmp_path: Path) -> None:
    cohort(tmp_path, 1)
    two = card(labels=["ball", "stone"])
    for sources, what in (({7: [1], 1: [1]}, "becomes 7 and 1"), ({1: [1]}, "nothing becomes label 2 (stone)")):
        with pytest.raises(InputError) as raised:
            list(check_cases(parse_config(settings(tmp_path, card=two, source_labels=sources))))
        assert what in raised.value.line()
    with pytest.raises(InputError, match="the card has no label 7"):
        list(check_cases(config(tmp_path, source_labels={1: [1], 7: [2]})))


def test_labels_counted_from_one_with_the_background_are_seen_through(tmp_path: Path) -> None:
    image, labels = ball_case(0)
    write_case(tmp_path, "a", image, labels.with_array(labels.array + 1))
    line = only(errors(config(tmp_path)), "the background seems to be 1, all labels shifted by 1")
    assert "source_labels: {0: [1], 1: [2]}" in line  # and that is the mend:
    mended = config(tmp_path, source_labels={0: [1], 1: [2]})
    assert lines(mended) == []
    loaded, _ = load_case(list_cases(mended)[0][0], mended)
    assert loaded is not None and np.array_equal(loaded.labels.array, labels.array)


def test_the_mend_for_a_mask_of_another_value_is_the_one_that_works(tmp_path: Path) -> None:
    image, labels = ball_case(0)
    write_case(tmp_path, "a", image, labels.with_array(labels.array * 128))
    assert "set source_labels: {1: [128]}" in only(errors(config(tmp_path)), "label values [128]")
    assert lines(config(tmp_path, source_labels={1: [128]})) == []


def test_background_may_be_what_is_learned(tmp_path: Path) -> None:
    """ISBI's membranes are 0, the cells 255."""
    image, mask = one_slice(0, (20, 24))
    picture(tmp_path / "a.png", image)
    picture(tmp_path / "a_label.png", mask * np.uint8(255))
    made = config(tmp_path, card=card("acquisition"), source_labels={0: [255], 1: [0]}, spacing_mm=[1])
    assert lines(made) == []
    loaded, _ = load_case(list_cases(made)[0][0], made)
    assert loaded is not None and np.array_equal(loaded.labels.array[0], 1 - mask)


def test_a_reference_of_almost_everything_is_asked_about(tmp_path: Path) -> None:
    image, labels = ball_case(0)
    full = np.ones_like(labels.array)
    full[0, 0, :5] = 0
    write_case(tmp_path, "a", image, labels.with_array(full))
    assert only(lines(config(tmp_path)), "is the reference inverted?").startswith("warning")


@pytest.mark.parametrize("axes", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_a_reference_along_other_axes_is_turned_and_never_resampled(tmp_path: Path, axes: tuple[int, int, int]) -> None:
    """The same voxels of space stored in another order, as conversions between programs leave them."""
    image, labels = ball_case(4)
    labels.array[0, :3, :2] = 1  # no symmetry left
    ijk = [2 - a for a in axes[::-1]]
    stored = Volume(
        np.ascontiguousarray(labels.array.transpose(axes)[:, ::-1]),
        tuple(labels.spacing[n] for n in ijk),
        direction=labels.direction[:, ijk] @ np.diag([1, -1, 1]),
        origin=tuple((labels.ijk_to_lps @ np.eye(4)[:, [ijk[1], 3]] @ [labels.array.shape[axes[1]] - 1, 1])[:3]),
    )
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    write_volume(image, tmp_path / "images" / "a.nrrd")
    write_labels(stored, tmp_path / "labels" / "a.nrrd")
    turned = turn_onto(read_labels(tmp_path / "labels" / "a.nrrd"), image)
    assert turned is not None and np.array_equal(turned.array, labels.array)
    made = config(tmp_path)
    assert only(lines(made), "it was turned to fit").startswith("warning")
    loaded, _ = load_case(list_cases(made)[0][0], made)
    assert loaded is not None and np.array_equal(loaded.labels.array, labels.array)


def test_a_reference_moved_or_of_another_spacing_is_not_turned_but_refused(tmp_path: Path) -> None:
    image, labels = ball_case(0)
    for name, other in {
        "moved": Volume(labels.array, labels.spacing, (0, 9, 0), labels.direction),
        "coarse": Volume(labels.array, (1.5, 1.6, 3.0), direction=labels.direction),
        "mirrored": Volume(labels.array, labels.spacing, direction=np.eye(3)),
        "exchanged": Volume(labels.array.transpose(2, 1, 0), labels.spacing, direction=labels.direction),
    }.items():
        write_case(tmp_path, name, image, other)
    found = errors(config(tmp_path))
    for name, what in {
        "moved": "9.0 mm apart",
        "coarse": "voxels of 1.5×1.6×3 mm against 1.5×1.5×3 mm",
        "mirrored": "axes LPS against LAS",
        "exchanged": "were the axes exchanged?",
    }.items():
        assert sum(f"{name}.nii.gz" in line and what in line for line in found) == 1, (name, found)


def test_volumes_taken_as_stored_must_be_stored_alike(tmp_path: Path) -> None:
    made = cohort(tmp_path, 3)
    for part, volume, write in zip(("images", "labels"), made[1], (write_volume, write_labels), strict=True):
        write(Volume(volume.array, volume.spacing), tmp_path / part / "c1.nii.gz")
    line = only(lines(config(tmp_path, card=card("acquisition"))), "stored along LPS, most cases along LAS")
    assert line.startswith("warning") and "c1.nii.gz" in line
    assert lines(config(tmp_path)) == []  # a card that names an orientation sees them alike


def test_a_reference_under_a_wrong_name_is_told(tmp_path: Path) -> None:
    cohort(tmp_path, 3)
    (tmp_path / "labels" / "c2.nii.gz").write_bytes((tmp_path / "labels" / "c0.nii.gz").read_bytes())
    line = only(lines(config(tmp_path)), "is the same reference as that of c0, whose image is another")
    assert line.startswith("warning") and "c2.nii.gz" in line


def test_pictures_without_a_voxel_size_are_told_once(tmp_path: Path) -> None:
    for n in range(3):
        image, mask = one_slice(n, (20, 24))
        picture(tmp_path / f"x{n}.png", image)
        picture(tmp_path / f"x{n}_mask.png", np.roll(mask, n, axis=0))
    line = only(lines(config(tmp_path, card=card("acquisition"))), "3 images have no voxel size")
    assert line.startswith("warning")
    assert lines(config(tmp_path, card=card("acquisition"), spacing_mm=[0.2])) == []
