"""In a Slicer as it is downloaded, with the packages that the module asks for first and no others, everything works
that does not say what else it needs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from medseg.client import WorkerClient
from medseg.data import shipped_model
from medseg.errors import MissingPackageError
from medseg.io import read_labels, write_volume
from medseg.volume import Volume


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    import os

    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = str(Path(__file__).parent / "programs")
    with WorkerClient(module="worker_in_bare_slicer") as client:
        yield client
    os.environ.pop("PYTHONPATH") if before is None else os.environ.update(PYTHONPATH=before)


def ask(client: WorkerClient, op: str, **payload) -> dict:
    return client.wait(client.submit(op, payload), timeout=120)


def image() -> Volume:
    return Volume(np.random.default_rng(1).normal(100, 20, (3, 32, 32)).astype(np.int16), (1.1, 1.1, 1.2))


def test_looking_at_the_model_that_ships_and_segmenting_with_it(bare, tmp_path) -> None:
    report = ask(bare, "inspect", model=str(shipped_model()), load=True)["report"]
    assert report["card"]["name"] and not report["missing"]
    result = ask(bare, "segment", model=str(shipped_model()), volumes=[image()], keep_scores=True)
    assert result["backend"] == "onnxruntime" and result["labels"].array.shape == (3, 32, 32)
    assert ask(bare, "decide", scores=result["scores"], threshold=0.9)["labels"].array.shape == (3, 32, 32)
    assert ask(bare, "scores", scores=result["scores"]) and "doubts" in ask(bare, "doubts", scores=result["scores"])
    assert ask(bare, "slice", volumes=[image()], card=report["card"])["image"].shape == (16, 32)  # coronal, padded
    (device,) = [d for d in ask(bare, "probe")["devices"] if d["usable"]]
    assert (device["backend"], device["device"]) == ("onnxruntime", "cpu")


def test_files_and_folders(bare, tmp_path) -> None:
    write_volume(image(), tmp_path / "case.nii.gz")
    assert [case["name"] for case in ask(bare, "cases", folder=str(tmp_path))["cases"]] == ["case"]
    out = tmp_path / "out.seg.nrrd"
    ask(bare, "segment_file", input=str(tmp_path / "case.nii.gz"), output=str(out), model=str(shipped_model()))
    assert read_labels(out).array.shape == (3, 32, 32)


def test_comparing_and_giving_back(bare, tmp_path) -> None:
    labels = Volume(np.zeros((6, 16, 16), np.uint8))
    labels.array[2:4, 4:8, 4:8] = 1
    assert ask(bare, "compare", prediction=labels, reference=labels)["agreement"]["dice"] == 1
    grey = labels.with_array(labels.array.astype(np.int16))
    done = ask(bare, "give_back", volume=grey, labels=labels, names={"1": "duct"}, folder=str(tmp_path / "set"))
    assert done["case"]


def test_the_sample_image(bare) -> None:
    made = ask(bare, "phantom", seed=9101)
    assert made["volume"].array.shape == made["labels"].array.shape


def test_what_more_is_needed_is_named(bare, tmp_path) -> None:
    labels = Volume(np.zeros((20, 16, 16), np.uint8))
    labels.array[2:18, 6:10, 6:10] = 1
    with pytest.raises(MissingPackageError, match="networkx") as caught:
        ask(bare, "measure", labels=labels)
    assert caught.value.packages == ("scikit-image", "networkx")
    (tmp_path / "net.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(2000))
    with pytest.raises(MissingPackageError) as caught:
        ask(bare, "inspect", model=str(tmp_path / "net.h5"), load=True)
    assert caught.value.packages == ("h5py",)
