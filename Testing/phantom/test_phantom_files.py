"""Files of cases: complete or absent, geometry kept, and the command that makes them."""

from __future__ import annotations

import json

import numpy as np
import pytest
import SimpleITK as sitk
from medseg.phantom import PhantomSettings, case_paths, is_complete, make_phantom, write_phantom

TINY = PhantomSettings(shape=(12, 64, 64), spacing=(5.0, 5.0, 7.0))


@pytest.fixture(scope="module")
def case():
    return make_phantom(7, TINY)


def test_image_and_labels_come_back_with_exactly_the_same_geometry(case, tmp_path):
    paths = write_phantom(case, tmp_path)
    assert paths == case_paths(tmp_path, "phantom-00007") and is_complete(tmp_path, "phantom-00007")
    image, labels = sitk.ReadImage(str(paths["image"])), sitk.ReadImage(str(paths["labels"]))
    assert image.GetOrigin() == labels.GetOrigin() and image.GetDirection() == labels.GetDirection()
    assert image.GetSpacing() == labels.GetSpacing()
    assert np.allclose(image.GetOrigin(), case.volume.origin, atol=1e-3)
    assert np.allclose(np.reshape(image.GetDirection(), (3, 3)), case.volume.direction, atol=1e-5)
    assert np.array_equal(sitk.GetArrayFromImage(image), case.volume.array)
    assert np.array_equal(sitk.GetArrayFromImage(labels), case.labels.array)
    assert image.GetPixelID() == sitk.sitkInt16 and labels.GetPixelID() == sitk.sitkUInt8


def test_truth_is_json_that_explains_itself(case, tmp_path):
    paths = write_phantom(case, tmp_path)
    truth = json.loads(paths["truth"].read_text(encoding="utf-8"))
    assert truth == case.truth and truth["seed"] == 7
    assert truth["about"]["length_unit"] == "mm" and "LPS" in truth["about"]["coordinate_system"]
    for branch in truth["branches"]:
        assert len(branch["centreline_lps_mm"]) == len(branch["diameter_mm"])
        steps = np.linalg.norm(np.diff(np.array(branch["centreline_lps_mm"]), axis=0), axis=1)
        assert branch["length_mm"] == pytest.approx(steps.sum(), abs=2e-3)


def test_nothing_but_the_three_files_is_left(case, tmp_path):
    write_phantom(case, tmp_path)
    write_phantom(case, tmp_path)
    files = sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file())
    assert files == ["images/phantom-00007.nii.gz", "labels/phantom-00007.nii.gz", "truth/phantom-00007.json"]


def test_command_makes_cases_and_skips_complete_ones(tmp_path, capsys, monkeypatch):
    import medseg.phantom as package
    from medseg.cli.phantom import phantom

    made = []

    def small(seed):
        made.append(seed)
        return make_phantom(seed, TINY)

    monkeypatch.setattr(package, "make_phantom", small)
    phantom(tmp_path / "set", cases=2, seed=3, as_json=True)
    first = json.loads(capsys.readouterr().out)
    assert first["made"] == ["phantom-00003", "phantom-00004"] and first["skipped"] == []
    assert all(is_complete(tmp_path / "set", c["case"]) for c in first["cases"])
    case_paths(tmp_path / "set", "phantom-00004")["labels"].unlink()
    phantom(tmp_path / "set", cases=3, seed=3, as_json=True)
    second = json.loads(capsys.readouterr().out)
    assert second["made"] == ["phantom-00004", "phantom-00005"] and second["skipped"] == ["phantom-00003"]
    assert made == [3, 4, 4, 5]
