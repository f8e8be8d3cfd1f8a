"""Whose a case is, and that no identifier of a DICOM header comes out again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_sets import config, dicom_series, errors, lines, patient_case, settings, write_case
from medseg.errors import InputError
from medseg.io import write_labels
from medseg_training.config import Split, parse_config
from medseg_training.data import check_cases, dataset_fingerprint, fingerprint, list_cases, load_case
from medseg_training.data.patients import read_patients
from medseg_training.split import split_patients


def folder_of(tmp_path: Path, *names: str) -> Path:
    for n, name in enumerate(names):
        write_case(tmp_path, name, *patient_case(n))
    return tmp_path


def patients(settings: Any) -> dict[str, str]:
    return {case.name: case.patient for case in list_cases(settings)[0]}


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_table_says_whose_the_cases_are(tmp_path: Path, delimiter: str) -> None:
    folder_of(tmp_path, "a", "b", "c")
    rows = [
        ("File", "Patient", "stratum", "note"),
        ("a.nii.gz", "P1", "left", ""),
        ("b", "P1", "left", "x"),
        ("c", "P2", "", ""),
    ]
    table = "\n".join(delimiter.join(row) for row in rows)
    (tmp_path / "who.csv").write_text("\ufeff" + table + "\n", encoding="utf-8")
    cases, problems = list_cases(config(tmp_path, patients="who.csv"))
    assert not problems
    assert {c.name: (c.patient, c.stratum) for c in cases} == {
        "a": ("P1", "left"),
        "b": ("P1", "left"),
        "c": ("P2", None),
    }


def test_flaws_of_the_table_are_named(tmp_path: Path) -> None:
    folder_of(tmp_path, "a", "b")
    (tmp_path / "who.csv").write_text("case,patient\na,P1\na,P2\nghost,P3\n,P4\n")
    found = lines(config(tmp_path, patients="who.csv"))
    assert any("gives a to P1 and, in line 3, to P2" in line for line in found)
    assert any("b.nii.gz: b is not in who.csv" in line for line in found)
    assert any(
        line.startswith("warning") and "names 1 cases that are not in the data (ghost)" in line for line in found
    )
    assert any("line 5 has no case" in line for line in found)
    (tmp_path / "who.csv").write_text("name,who\na,P1\n")
    with pytest.raises(InputError, match="case and patient are needed"):
        read_patients(tmp_path / "who.csv")
    with pytest.raises(InputError, match="no such file"):
        list_cases(config(tmp_path, patients="gone.csv"))
    with pytest.raises(InputError, match="leave one out"):
        parse_config(settings(tmp_path, patients="who.csv", patient="a"))


def test_one_patient_under_two_spellings_is_an_error(tmp_path: Path) -> None:
    folder_of(tmp_path, "P01-a", "p1_b", "P1-c", "p10-d", "p1-1-e")
    found = errors(config(tmp_path, patient=r"^(.*)[-_]\w$"))
    assert len(found) == 1 and "the patients P01, P1, p1 look like one" in found[0]


def dicom_folder(tmp_path: Path, people: dict[str, str]) -> Path:
    for n, (name, person) in enumerate(people.items()):
        image, labels = patient_case(n)
        dicom_series(tmp_path / "images" / name, image, person, f"Mustermann^Erika{person}")
        (tmp_path / "labels").mkdir(exist_ok=True)
        write_labels(labels, tmp_path / "labels" / f"{name}.nii.gz")
    return tmp_path


def test_dicom_groups_by_person_and_keeps_no_identifier(tmp_path: Path) -> None:
    secret = "HOSP-4711-1965"
    folder = dicom_folder(tmp_path, {"scan1": secret, "scan2": "OTHER-77", "scan10": secret})
    made = config(folder, patient="dicom")
    assert patients(made) == {"scan1": "scan1", "scan2": "scan2", "scan10": "scan1"}
    cases, _ = list_cases(made)
    prints = []
    for case in cases:
        loaded, found = load_case(case, made)
        assert loaded is not None and not found
        prints.append(fingerprint(loaded, made))
    split = split_patients(cases, Split(validation=0.4))
    kept = json.dumps([prints, dataset_fingerprint(prints), split.to_dict()]) + repr(cases)
    assert "scan10" in kept
    for word in (secret, "4711", "OTHER", "Mustermann", "Erika"):
        assert word not in kept, word


def test_a_rule_that_parts_one_person_is_an_error_and_shows_no_identifier(tmp_path: Path) -> None:
    folder = dicom_folder(tmp_path, {"ann-a": "HOSP-4711-1965", "ben-a": "HOSP-4711-1965", "cid-a": "X-9999"})
    found = errors(config(folder, patient=r"^\w+"))
    assert len(found) == 1
    assert "ann-a, ben-a have one DICOM PatientID and count as 2 patients" in found[0]
    assert "4711" not in found[0]


def test_a_case_named_after_the_person_is_told(tmp_path: Path) -> None:
    folder = dicom_folder(tmp_path, {"mustermann_3": "ABC-1", "fine": "ABC-2"})
    found = lines(config(folder))
    assert len(found) == 1 and found[0].startswith("warning")
    assert "mustermann_3: its name holds the patient's name or identifier" in found[0]


def test_without_dicom_there_is_no_patient_id(tmp_path: Path) -> None:
    folder_of(tmp_path, "a")
    assert any("has no DICOM PatientID" in line for line in errors(config(tmp_path, patient="dicom")))


def test_the_same_image_under_two_patients_is_a_leak_whatever_its_format_and_axes(tmp_path: Path) -> None:
    """A copy of p1's scan came in under p2's name, in another format, another axis order, and as floats."""
    from medseg.io import write_volume
    from medseg.volume import Volume

    folder_of(tmp_path, "a_p1", "b_p2", "c_p3")
    image, labels = patient_case(0)
    k, j, i = (n - 1 for n in image.array.shape)
    flipped = Volume(
        image.array[::-1, ::-1, ::-1].astype(np.float32),
        image.spacing,
        tuple((image.ijk_to_lps @ [i, j, k, 1])[:3]),
        -image.direction,
    )
    write_volume(flipped, tmp_path / "images" / "copy_p2.nrrd")
    write_labels(labels, tmp_path / "labels" / "copy_p2.nrrd")
    made = config(tmp_path, patient=r"p\d$")
    found = lines(made)
    assert len(found) == 2, found
    leak = next(line for line in found if line.startswith("error"))
    assert "copy_p2.nrrd: holds the same image as a_p1 (of patients p1 and p2)" in leak
    assert any("it was turned to fit" in line for line in found)  # the mask lies along other axes than its image
    own = lines(config(tmp_path, patient="_"))
    assert [line.split(":")[0] for line in own if "counts double" in line] == ["warning"]


def test_every_line_is_given_once_and_in_a_fixed_order(tmp_path: Path) -> None:
    folder_of(tmp_path, "a", "b", "c")
    (tmp_path / "labels" / "b.nii.gz").unlink()
    first = [(c and c.name, [p.line() for p in found]) for c, found in check_cases(config(tmp_path))]
    again = [(c and c.name, [p.line() for p in found]) for c, found in check_cases(config(tmp_path))]
    assert first == again
    assert [name for name, _ in first] == [None, "a", "c", None]


def test_a_table_beside_the_configuration_is_found_from_anywhere_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run keeps its configuration, and an export is started from another folder."""
    folder_of(tmp_path / "data", "a")
    (tmp_path / "who.csv").write_text("case,patient\na,P1\n")
    monkeypatch.chdir(tmp_path)
    kept = config(tmp_path / "data", patients="who.csv").model_dump(mode="json")
    monkeypatch.chdir("/")
    assert patients(parse_config(kept)) == {"a": "P1"}
