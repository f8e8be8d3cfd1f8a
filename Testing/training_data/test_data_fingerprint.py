"""The fingerprint says what was trained on, in numbers that can be checked by hand, and nothing else."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
from data_sets import ball_case, card, config, write_case
from medseg.volume import Volume
from medseg_training.config import Config
from medseg_training.data import dataset_fingerprint, fingerprint, list_cases, load_case
from medseg_training.data.fingerprint import voxels_sha256


def prints(settings: Config) -> list[dict]:
    made = []
    for case in list_cases(settings)[0]:
        loaded, found = load_case(case, settings)
        assert loaded is not None and not any(p.fatal for p in found)
        made.append(fingerprint(loaded, settings))
    return made


def known_case() -> tuple[Volume, Volume]:
    array = np.arange(4 * 10 * 5, dtype=np.int16).reshape(4, 10, 5)
    labels = np.zeros(array.shape, np.uint8)
    labels[0, 0, :3] = 1
    labels[3, 9, 4] = 1
    labels[1:3, 4:6, 2:4] = 2
    return Volume(array, (0.5, 1.0, 2.0)), Volume(labels, (0.5, 1.0, 2.0))


def test_numbers_known_by_hand(tmp_path: Path) -> None:
    write_case(tmp_path, "a", *known_case())
    one = prints(config(tmp_path, card=card(labels=["ball", "cube"])))[0]
    assert one["shape_kji"] == [4, 10, 5] and one["spacing_mm"] == [0.5, 1.0, 2.0]
    assert one["slice_spacing_mm"] == [2.0, 1.0, 0.5] and one["orientation"] == "LPS"
    assert not one["spacing_assumed"]
    (intensity,) = one["intensity"]
    assert (intensity["min"], intensity["p50"], intensity["max"]) == (0, 99.5, 199)
    assert np.isclose(intensity["p1"], 1.99) and np.isclose(intensity["p99.5"], 198.005)
    assert np.isclose(intensity["mean"], 99.5) and np.isclose(intensity["sd"], np.std(np.arange(200)))
    assert one["foreground_share"] == {"1": 4 / 200, "2": 8 / 200}
    assert one["parts"] == {"1": 2, "2": 1}
    for part, folder in (("image", "images"), ("labels", "labels")):
        content = (tmp_path / folder / "a.nii.gz").read_bytes()
        assert one["sha256"][part] == hashlib.sha256(content).hexdigest()


def test_the_whole_set_in_numbers_and_one_hash(tmp_path: Path) -> None:
    for n in range(4):
        image, labels = ball_case(n, (6 + n, 24, 20))
        write_case(tmp_path, f"c{n}", image, labels)
    each = prints(config(tmp_path, patient=r"c[01]|c\d"))
    whole = dataset_fingerprint(each)
    assert whole["cases"] == 4 and whole["cases_with_label"] == {"1": 4}
    assert whole["shape_kji"] == {"lowest": [6, 24, 20], "median": [7.5, 24, 20], "highest": [9, 24, 20]}
    assert whole["spacing_mm"]["median"] == [1.5, 1.5, 3.0]
    assert whole["sha256"] == dataset_fingerprint(each[::-1])["sha256"]
    renamed = [{**p, "case": f"x{n}", "patient": "y"} for n, p in enumerate(each)]
    assert dataset_fingerprint(renamed)["sha256"] == whole["sha256"]
    # Exchanged references are other data, though every file is still there.
    swapped = [dict(p) for p in each]
    swapped[0]["sha256"] = {**each[0]["sha256"], "labels": each[1]["sha256"]["labels"]}
    swapped[1]["sha256"] = {**each[1]["sha256"], "labels": each[0]["sha256"]["labels"]}
    assert dataset_fingerprint(swapped)["sha256"] != whole["sha256"]


def test_it_holds_no_path_and_does_not_depend_on_the_place(tmp_path: Path) -> None:
    write_case(tmp_path / "here", "a", *known_case())
    shutil.copytree(tmp_path / "here", tmp_path / "there" / "deeper")
    made = card(labels=["ball", "cube"])
    here, there = (prints(config(tmp_path / p, card=made)) for p in ("here", "there/deeper"))
    assert here == there
    text = json.dumps([here, dataset_fingerprint(here)])
    assert "/" not in text.replace("nii.gz", "") and str(tmp_path) not in text
    assert "case" not in json.dumps(dataset_fingerprint(here)).replace("cases", "")


def test_one_changed_voxel_changes_it(tmp_path: Path) -> None:
    image, labels = known_case()
    before = voxels_sha256([image])
    assert voxels_sha256([image.with_array(image.array.astype(np.float64))]) == before
    changed = image.array.copy()
    changed[2, 3, 1] += 1
    assert voxels_sha256([image.with_array(changed)]) != before
    assert voxels_sha256([Volume(image.array.reshape(4, 5, 10))]) != before
    assert voxels_sha256([image, labels]) != before
