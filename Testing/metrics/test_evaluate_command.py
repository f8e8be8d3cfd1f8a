"""``medseg evaluate`` as a person runs it: files, folders, JSON, CSV, and bad input."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from medseg.cli import main
from medseg.metrics import FIGURES

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end:
            main(["evaluate", *map(str, arguments)])
        captured = capsys.readouterr()
        return int(end.value.code or 0), captured.out, captured.err

    return call


def labels(shift: int = 0, first: int = 1, second: int = 2) -> np.ndarray:
    array = np.zeros((12, 20, 24), np.uint8)
    array[3:9, 4:12, 2 + shift : 10 + shift] = first
    array[4:8, 14:18, 16:22] = second
    return array


def write(path: Path, array: np.ndarray, spacing: tuple[float, float, float] = (0.5, 1.0, 3.0)) -> Path:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing)
    image.SetOrigin((-10.0, 20.0, 30.0))
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, str(path))
    return path


def test_two_files_give_one_json_object(run: Run, tmp_path: Path) -> None:
    prediction, reference = write(tmp_path / "p.nrrd", labels(shift=2)), write(tmp_path / "r.nii.gz", labels())
    status, out, _ = run(prediction, reference, "--json")
    assert status == 0
    assert out.count("\n") == 1
    data = json.loads(out)
    (case,) = data["cases"]
    assert case["case"] == "r"
    assert case["labels"]["1"]["dice"] == pytest.approx(0.75)
    assert case["labels"]["1"]["volume_reference_ml"] == pytest.approx(6 * 8 * 8 * 1.5 / 1000)
    # A shift of two voxels of 0.5 mm along i: everything lies within 1 mm, not everything within one voxel.
    assert case["labels"]["1"]["nsd_1mm"] == 1.0
    assert case["labels"]["1"]["nsd_1voxel"] < 1.0
    assert case["labels"]["2"]["dice"] == 1.0
    assert data["summary"]["1"]["figures"]["dice"]["n"] == 1


def test_table_names_every_figure(run: Run, tmp_path: Path) -> None:
    reference = write(tmp_path / "r.nii.gz", labels())
    status, out, _ = run(reference, reference)
    assert status == 0
    for name in ("Dice", "IoU", "clDice", "NSD 1 mm", "HD95 mm", "ASSD mm", "Betti-0"):
        assert name in out
    assert "…" not in out


def test_folders_are_paired_by_name_and_the_rest_is_named(run: Run, tmp_path: Path) -> None:
    for name, suffix, shift in (("a", ".nii.gz", 0), ("b.1", ".mha", 2), ("c", ".nrrd", 4), ("extra", ".nrrd", 0)):
        write(tmp_path / "p" / f"{name}{suffix}", labels(shift))
    for name in ("a", "b.1", "c", "missing"):
        write(tmp_path / "r" / f"{name}.nii.gz", labels())
    table = tmp_path / "table.csv"
    status, out, err = run(tmp_path / "p", tmp_path / "r", "--csv", table, "--json")
    assert status == 0
    data = json.loads(out)
    assert [case["case"] for case in data["cases"]] == ["a", "b.1", "c"]
    assert data["unmatched"] == {"prediction": ["extra"], "reference": ["missing"]}
    assert "extra" in err and "missing" in err
    assert data["summary"]["1"]["figures"]["dice"]["mean"] == pytest.approx((1.0 + 0.75 + 0.5) / 3)
    with table.open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["case"], row["label"]) for row in rows] == [(c, n) for c in ("a", "b.1", "c") for n in ("1", "2")]
    assert set(FIGURES) < set(rows[0])
    status, out, _ = run(tmp_path / "p", tmp_path / "r")
    assert status == 0
    assert "95 % interval" in out and "3 cases counted" in out


def test_a_label_that_a_case_lacks_is_not_counted_there_and_a_missed_one_is(run: Run, tmp_path: Path) -> None:
    only_first = np.where(labels() == 1, labels(), 0).astype(np.uint8)
    for name, predicted, true in (
        ("full", labels(), labels()),
        ("lacks", only_first, only_first),
        ("missed", only_first, labels()),
    ):
        write(tmp_path / "p" / f"{name}.nii.gz", predicted)
        write(tmp_path / "r" / f"{name}.nii.gz", true)
    status, out, _ = run(tmp_path / "p", tmp_path / "r", "--json")
    assert status == 0
    second = json.loads(out)["summary"]["2"]
    assert (second["counted"], second["not_counted"]) == (2, 1)
    assert second["figures"]["dice"]["mean"] == pytest.approx(0.5)
    status, out, _ = run(tmp_path / "p", tmp_path / "r")
    assert "missed, label 2: prediction empty" in out
    assert "lacks, label 2: not counted" in out


def test_chosen_labels_and_foreground(run: Run, tmp_path: Path) -> None:
    prediction = write(tmp_path / "p.nii.gz", labels(first=255, second=255))
    reference = write(tmp_path / "r.nii.gz", labels())
    _, out, err = run(prediction, reference, "--json")
    assert sorted(json.loads(out)["summary"], key=int) == ["1", "2", "255"]
    assert "--foreground" in err
    _, out, _ = run(prediction, reference, "--json", "--foreground")
    assert json.loads(out)["summary"]["1"]["figures"]["dice"]["mean"] == 1.0
    _, out, _ = run(reference, reference, "--json", "--labels", "2,7")
    data = json.loads(out)
    assert list(data["summary"]) == ["2", "7"]
    assert data["summary"]["7"]["not_counted"] == 1


def test_two_empty_maps_are_no_failure(run: Run, tmp_path: Path) -> None:
    empty = write(tmp_path / "e.nii.gz", labels(first=0, second=0))
    assert run(empty, empty)[0] == 0
    status, out, _ = run(empty, empty, "--json")
    assert (status, json.loads(out)["summary"]) == (0, {})


def test_other_grids_are_refused_in_one_line(run: Run, tmp_path: Path) -> None:
    reference = write(tmp_path / "r.nii.gz", labels())
    for other in (write(tmp_path / "s.nii.gz", labels(), (0.5, 1.0, 3.1)), write(tmp_path / "t.nii.gz", labels()[1:])):
        status, out, err = run(other, reference, "--json")
        assert (status, out) == (2, "")
        assert err.count("\n") == 1
        assert other.name in err and "grid" in err and "r.nii.gz" in err


@pytest.mark.parametrize("text", ["", "0", "1,x", "-1", "1,1", "1.5"])
def test_a_wrong_list_of_labels_is_refused(run: Run, tmp_path: Path, text: str) -> None:
    reference = write(tmp_path / "r.nii.gz", labels())
    status, out, err = run(reference, reference, f"--labels={text}")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert "--labels" in err


def test_what_cannot_be_paired_is_refused(run: Run, tmp_path: Path) -> None:
    reference = write(tmp_path / "r" / "a.nii.gz", labels())
    write(tmp_path / "p" / "b.nii.gz", labels())
    write(tmp_path / "twice" / "a.nii.gz", labels())
    write(tmp_path / "twice" / "a.nrrd", labels())
    for arguments, said in (
        ((tmp_path / "none.nii.gz", reference), "no such file"),
        ((tmp_path / "p", reference), "is a folder"),
        ((tmp_path / "p", tmp_path / "r"), "counterpart"),
        ((tmp_path / "twice", tmp_path / "r"), "two files are the case a"),
        ((reference, reference, "--labels", "1", "--foreground"), "exclude"),
    ):
        status, out, err = run(*arguments)
        assert (status, out, err.count("\n")) == (2, "", 1), err
        assert said in err


def test_nothing_half_written_when_a_later_case_fails(run: Run, tmp_path: Path) -> None:
    for folder in ("p", "r"):
        write(tmp_path / folder / "a.nii.gz", labels())
        write(tmp_path / folder / "b.nii.gz", labels())
    (tmp_path / "p" / "b.nii.gz").write_bytes(b"not an image")
    status, _, err = run(tmp_path / "p", tmp_path / "r", "--csv", tmp_path / "t.csv")
    assert status == 2
    assert "b.nii.gz" in err
    assert not list(tmp_path.glob("*.csv"))
