"""The worker keeps the scores of the last run and decides it again with other choices."""

from __future__ import annotations

import numpy as np
import pytest
from medseg.client import WorkerClient
from medseg.errors import InputError
from medseg.review import doubtful_slices
from medseg.volume import Volume
from medseg.worker.answers import result_from_message
from tiny_models import card_with, write_onnx

pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def client():
    with WorkerClient() as instance:
        yield instance


def test_a_run_is_decided_again_as_it_would_have_been(client, tmp_path):
    model = tmp_path / "model.onnx"
    write_onnx(model)
    image = Volume(np.random.default_rng(5).normal(size=(4, 16, 16)).astype(np.float32), (1.0, 1.0, 2.0))
    base = {"volumes": [image], "model": model, "card": card_with(), "backend": "onnxruntime", "device": "cpu"}

    def run(**options):
        return client.wait(client.submit("segment", {**base, **options}))

    def decide(name, **options):
        return client.wait(client.submit("decide", {"scores": name, **options}))

    plain = run()
    assert plain["scores"] is None
    kept = run(keep_scores=True, keep_probabilities=True)
    np.testing.assert_array_equal(kept["labels"].array, plain["labels"].array)
    top = kept["probabilities"].max(axis=0)
    part = client.wait(client.submit("scores", {"scores": kept["scores"], "floor": float(np.median(top))}))
    box = tuple(slice(c, c + n) for c, n in zip(part["corner"], part["top"].shape, strict=True))
    np.testing.assert_array_equal(part["top"], top[box])
    np.testing.assert_array_equal(part["best"], np.array([1])[kept["probabilities"].argmax(axis=0)][box])
    doubts = client.wait(client.submit("doubts", {"scores": kept["scores"]}))["doubts"]
    assert doubts == [doubt.as_dict() for doubt in doubtful_slices(top, image)] and len(doubts) > 1
    threshold = float(np.quantile(top, 0.8))
    changes = {"minimum_part_mm3": 5.0}
    again = decide(kept["scores"], threshold=threshold, postprocessing=changes)
    wanted = run(threshold=threshold, postprocessing=changes)
    np.testing.assert_array_equal(again["labels"].array, wanted["labels"].array)
    assert result_from_message(again).voxel_counts == result_from_message(wanted).voxel_counts
    assert 0 < np.count_nonzero(again["labels"].array) != np.count_nonzero(plain["labels"].array)
    np.testing.assert_array_equal(again["labels"].array > 0, wanted["labels"].array > 0)
    with pytest.raises(InputError, match="no longer kept"):  # `wanted` was a run that kept nothing
        decide(kept["scores"], threshold=0.5)
    for op in ("scores", "doubts"):
        with pytest.raises(InputError, match="no longer kept"):
            client.wait(client.submit(op, {"scores": kept["scores"]}))


def test_a_folder_is_segmented_file_by_file_and_not_again(client, tmp_path):
    from medseg.io import read_volume, write_volume

    model = write_onnx(tmp_path / "model.onnx", card_with())
    folder, out = tmp_path / "Žluč cases", tmp_path / "out"
    folder.mkdir()
    image = Volume(np.random.default_rng(5).normal(size=(4, 16, 16)).astype(np.float32), (1.0, 1.0, 2.0))
    write_volume(image, folder / "one.nii.gz")
    (case,) = client.wait(client.submit("cases", {"folder": str(folder)}))["cases"]
    assert case["name"] == "one"
    payload = {"input": case["path"], "output": str(out / "one.nii.gz"), "model": model, "device": "cpu"}
    first = client.wait(client.submit("segment_file", payload))
    wanted = client.wait(client.submit("segment", {"volumes": [image], "model": model, "device": "cpu"}))
    np.testing.assert_array_equal(read_volume(out / "one.nii.gz").array, wanted["labels"].array)
    assert first["segments"][0]["voxels"] == np.count_nonzero(wanted["labels"].array) > 0
    assert client.wait(client.submit("segment_file", payload))["skipped"]
    with pytest.raises(InputError, match="no such folder"):
        client.wait(client.submit("cases", {"folder": str(tmp_path / "absent")}))
