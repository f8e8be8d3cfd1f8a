"""``medseg measure`` as a person calls it."""

from __future__ import annotations

import json

import numpy as np
import pytest
from medseg.cli import main
from medseg.io import write_labels
from medseg.volume import Volume


@pytest.fixture(scope="module")
def mask(draw, line, tmp_path_factory):
    points = line((0, 0, 0), (0, 0, 30))
    path = tmp_path_factory.mktemp("measure") / "duct.nii.gz"
    write_labels(draw([(points, np.full(len(points), 2.0))], seed=None).labels, path)
    return path


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as end:
        main([str(a) for a in arguments])
    return int(end.value.code or 0)


def test_json_is_one_object_and_names_the_files(mask, tmp_path, capsys):
    assert run("measure", mask, "-o", tmp_path / "out", "--json", "--no-report") == 0
    data = json.loads(capsys.readouterr().out)
    assert data["branches"][0]["length_mm"] == pytest.approx(30, abs=1)
    assert {f.rsplit("/", 1)[-1].replace("\\", "/") for f in data["files"]} == {
        p.name for p in (tmp_path / "out").iterdir()
    }


def test_table_says_what_was_measured(mask, tmp_path, capsys):
    assert run("measure", mask, "-o", tmp_path, "--no-report") == 0
    text = capsys.readouterr().out
    assert "1 branches in 1 parts" in text and "duct.json" in text


def test_empty_label_is_said_and_is_no_failure(mask, tmp_path, capsys):
    assert run("measure", mask, "-o", tmp_path, "--label", 5, "--no-report") == 0
    assert "label 5 is empty" in capsys.readouterr().out


def test_missing_file_ends_with_2_and_one_line(tmp_path, capsys):
    assert run("measure", tmp_path / "none.nii.gz", "-o", tmp_path) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_image_instead_of_labels_ends_with_2(tmp_path, capsys):
    from medseg.io import write_volume

    image = tmp_path / "image.nii.gz"
    write_volume(Volume(np.linspace(0, 1, 1000, dtype=np.float32).reshape(10, 10, 10)), image)
    assert run("measure", image, "-o", tmp_path) == 2
    assert "image.nii.gz" in capsys.readouterr().err
