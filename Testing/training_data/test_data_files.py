"""Files named in the configuration, blocks of nothing, and patients held out by share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from data_sets import ball_case, card, config, errors, patient_case, write_case
from medseg.errors import InputError
from medseg.io import write_labels, write_volume
from medseg.volume import Volume
from medseg_training.config import Split
from medseg_training.crossval.plan import make_plan
from medseg_training.data import list_cases, load_case
from medseg_training.split import split_patients


def test_one_case_by_its_two_files_among_others(tmp_path: Path) -> None:
    image, labels = patient_case(0)
    write_volume(image, tmp_path / "t1_norm.nii.gz")
    write_labels(labels, tmp_path / "labels_lobes_derived.nii.gz")
    write_labels(labels.with_array(1 - labels.array), tmp_path / "labels_tissue_derived.nii.gz")
    assert errors(config(tmp_path))  # the names do not say which labels belong to the image
    made = config(tmp_path, files={"image": "t1_norm.nii.gz", "labels": "labels_lobes_derived.nii.gz"})
    (case,), problems = list_cases(made)
    loaded, found = load_case(case, made)
    assert case.name == "t1_norm" and not problems and not found and loaded is not None
    assert np.array_equal(loaded.labels.array, labels.array)


def test_cases_by_a_pattern_with_two_volumes(tmp_path: Path) -> None:
    for name in ("p2", "p10"):
        image, labels = patient_case(len(name))
        (tmp_path / name / "in").mkdir(parents=True)
        write_volume(image, tmp_path / name / "in" / "a.nii.gz")
        write_volume(image.with_array(image.array + 1), tmp_path / name / "in" / "b.nii.gz")
        write_labels(labels, tmp_path / name / "truth.nii.gz")
    two = card(volumes=["a", "b"])
    files = {"image": ["{case}/in/a.nii.gz", "{case}/in/b.nii.gz"], "labels": "{case}/truth.nii.gz"}
    made = config(tmp_path, card=two, files=files)
    cases, problems = list_cases(made)
    assert [c.name for c in cases] == ["p2", "p10"] and not problems
    loaded, _ = load_case(cases[0], made)
    assert loaded is not None
    assert np.array_equal(loaded.images[1].array, loaded.images[0].array + 1)
    (tmp_path / "p2" / "in" / "b.nii.gz").unlink()
    cases, problems = list_cases(made)
    assert [c.name for c in cases] == ["p10"] and "is missing" in problems[0].what


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"image": "{case}.nii.gz", "labels": "mask.nii.gz"}, "in all or in none"),
        ({"image": "{case}/{case}.nii.gz", "labels": "{case}.nii.gz"}, "stands once"),
        ({"image": "gone.nii.gz", "labels": "mask.nii.gz"}, "no such file"),
    ],
)
def test_what_is_wrong_with_the_section_is_said(tmp_path: Path, files: dict, said: str) -> None:
    with pytest.raises(InputError, match=said):
        list_cases(config(tmp_path, files=files))


def test_blocks_of_air_are_left_out_and_blocks_of_image_stay(tmp_path: Path) -> None:
    image, labels = patient_case(3)
    voxels, marks = np.zeros((12, *image.array.shape[1:]), np.int16), np.zeros((12, *image.array.shape[1:]), np.uint8)
    voxels[4:8], marks[4:8] = image.array[1:5], labels.array[1:5]
    voxels[10] = 5  # an image without a label in the third block, air in the first
    write_volume(Volume(voxels, image.spacing), tmp_path / "brain.nii.gz")
    write_labels(Volume(marks, image.spacing), tmp_path / "brain_mask.nii.gz")
    cases, problems = list_cases(config(tmp_path, blocks=4))
    assert [c.name for c in cases] == ["brain_04-07", "brain_08-11"] and not problems


def _cohort(folder: Path, count: int) -> list:
    for number in range(count):
        write_case(folder, f"p{number:02}", *ball_case(number))
    return list_cases(config(folder))[0]


def test_a_share_is_held_out_apart_from_all_others(tmp_path: Path) -> None:
    cases = _cohort(tmp_path, 10)
    split = split_patients(cases, Split(hold_out=["p03"], hold_out_share=0.34, validation=0.2, seed=1))
    parts = [set(split.training), set(split.validation), set(split.hold_out)]
    assert [len(p) for p in parts] == [5, 1, 4] and len(set.union(*parts)) == 10 and "p03" in parts[2]
    # Those who choose the epoch stay the same whether or not a share is held out: it comes from the other end.
    without = split_patients(cases, Split(hold_out=["p03"], validation=1 / 9, seed=1))
    assert set(without.validation) == parts[1]
    assert (
        split_patients(cases, Split(hold_out_share=0.3, seed=2)).hold_out
        != split_patients(cases, Split(hold_out_share=0.3, seed=1)).hold_out
    )
    plan = make_plan(config(tmp_path, split={"hold_out_share": 0.3, "folds": 2, "seed": 1}))
    assert set(plan.hold_out) == set(split_patients(cases, Split(hold_out_share=0.3, seed=1)).hold_out)
    assert not set(plan.hold_out) & set(plan.patients) and len(plan.patients) == 7


def test_a_share_does_not_take_who_is_named_for_the_epoch(tmp_path: Path) -> None:
    cases = _cohort(tmp_path, 4)
    with pytest.raises(InputError, match="validate_on"):
        split_patients(cases, Split(hold_out_share=0.9, validate_on=["p00", "p01"]))
