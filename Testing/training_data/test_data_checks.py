"""``--check`` names the file and the mend; the split never lets a patient into two parts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from data_sets import ball_case, config, lines, write_case
from medseg.errors import InputError
from medseg.io import write_labels, write_volume
from medseg.volume import Volume
from medseg_training.config import Split
from medseg_training.data import Case, list_cases
from medseg_training.split import split_patients

RULE = r"p\d+$"


def test_a_good_folder_has_nothing_to_say(balls: Path) -> None:
    assert lines(config(balls, patient=RULE)) == []


def test_each_flaw_gets_one_line_with_the_file_and_the_mend(tmp_path: Path) -> None:
    image, labels = ball_case(0)
    nan = image.array.astype(np.float32)
    nan[0, 0, 0] = np.nan
    write_case(tmp_path, "nan_p1", image.with_array(nan), labels)
    write_case(tmp_path, "strange_p2", image, labels.with_array(labels.array * 7))
    write_case(tmp_path, "empty_p3", image, labels.with_array(labels.array * 0))
    write_case(tmp_path, "flat_p4", image.with_array(image.array * 0), labels)
    write_case(tmp_path, "small_p5", image, Volume(labels.array[:, :-1], labels.spacing, direction=labels.direction))
    write_case(tmp_path, "moved_p6", image, Volume(labels.array, labels.spacing, (0, 9, 0), labels.direction))
    write_volume(image, tmp_path / "images" / "alone_p7.nii.gz")
    write_labels(labels, tmp_path / "labels" / "bare_p8.nii.gz")
    write_case(tmp_path, "nobody", image, labels)
    (tmp_path / "images" / "nobody.nii.gz").rename(tmp_path / "images" / "torn_p9.nii.gz")
    (tmp_path / "labels" / "nobody.nii.gz").rename(tmp_path / "labels" / "torn_p9.nii.gz")
    torn = tmp_path / "images" / "torn_p9.nii.gz"
    torn.write_bytes(torn.read_bytes()[:200])
    expected = {
        "nan_p1": "1 voxels are NaN or infinite",
        "strange_p2": "label values [7]",
        "empty_p3": "the reference is empty",
        "flat_p4": "same value",
        "small_p5": "20×23×6 voxels, its image 20×24×6",
        "moved_p6": "elsewhere in space",
        "alone_p7": "no reference segmentation",
        "bare_p8": "has no image",
        "torn_p9": "",
    }
    found_lines = lines(config(tmp_path, patient=RULE))
    assert len(found_lines) == len(expected)
    for name, what in expected.items():
        found = [line for line in found_lines if f"{name}.nii.gz: " in line]
        assert len(found) == 1 and what in found[0], (name, found_lines)
        assert "; " in found[0].split(": ", 2)[2]  # how to mend it
        assert found[0].startswith("warning" if name == "empty_p3" else "error")


def test_a_held_out_patient_that_is_not_there_is_named(balls: Path) -> None:
    assert any(
        "'p9' of split.hold_out" in line for line in lines(config(balls, patient=RULE, split={"hold_out": ["p9"]}))
    )


def test_patients_come_from_the_rule(balls: Path) -> None:
    cases, problems = list_cases(config(balls, patient=RULE))
    assert not problems
    assert [c.patient for c in cases if c.name.endswith("p1")] == ["p1", "p1"]
    _, problems = list_cases(config(balls, patient="^b"))
    assert len(problems) == 5  # all but b_p1


def _cohort() -> list[Case]:
    rng = np.random.default_rng(3)
    return [Case(f"case{n:03}", f"p{rng.integers(20)}", (Path("i"),), Path("l")) for n in range(60)]


@pytest.mark.parametrize(
    "split",
    [
        Split(validation=0.2, seed=1),
        Split(validation=0.01),
        Split(folds=5, fold=4, seed=2),
        Split(hold_out=["p1", "p7"], folds=3),
        Split(hold_out=["p3"], validate_on=["p4", "p5"]),
    ],
)
def test_no_patient_is_in_two_parts_and_no_case_is_lost(split: Split) -> None:
    cases = _cohort()
    made = split_patients(cases, split)
    parts = [{made.patients[c] for c in part} for part in (made.training, made.validation, made.hold_out)]
    assert not parts[0] & parts[1] and not parts[0] & parts[2] and not parts[1] & parts[2]
    assert sorted((*made.training, *made.validation, *made.hold_out)) == sorted(c.name for c in cases)
    assert parts[2] == set(split.hold_out)
    assert made.sha256 == split_patients(cases[::-1], split).sha256  # the order of the files does not matter


def test_folds_validate_every_patient_exactly_once() -> None:
    cases = _cohort()
    made = [split_patients(cases, Split(folds=5, fold=n, seed=9)) for n in range(5)]
    validated = [case for one in made for case in one.validation]
    assert sorted(validated) == sorted(c.name for c in cases)
    assert len({one.sha256 for one in made}) == 5
    other = split_patients(cases, Split(folds=5, fold=0, seed=10))
    assert other.sha256 != made[0].sha256


def test_nothing_left_to_train_on_is_an_error() -> None:
    with pytest.raises(InputError, match="no case is left"):
        split_patients(_cohort(), Split(hold_out=[f"p{n}" for n in range(20)]))
