"""Segmenting through the worker gives what segmenting here gives."""

from __future__ import annotations

import os
import shutil
import sys
import time

import medseg
import numpy as np
import pytest
from medseg.client import WorkerClient
from medseg.errors import Cancelled, InputError, MedSegError
from medseg.volume import Volume
from medseg.worker.answers import result_from_message

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

CARD = {
    "schema_version": 1,
    "name": "three ranges",
    "plane": "axial",
    "orientation": "PLS",
    "input": {"size": {"mode": "native"}, "normalisation": {"kind": "divide", "divisor": 100}},
    "output": {"activation": "softmax", "labels": [{"value": 1, "name": "middle"}, {"value": 300, "name": "high"}]},
}


def write_model(path, weights=(0.0, 10.0, 30.0), biases=(0.0, -3.0, -17.0), repeats: int = 1, unused_bytes: int = 0):
    """A softmax over straight lines of the intensity x / 100: class 1 between 0.3 and 0.7, class 2 above."""
    helper, numpy_helper = onnx.helper, onnx.numpy_helper
    nodes, name = [], "x"
    for n in range(repeats - 1):  # something to compute
        nodes.append(helper.make_node("Conv", [name, "identity"], [f"x{n}"], kernel_shape=[31, 31], pads=[15] * 4))
        name = f"x{n}"
    nodes.append(helper.make_node("Conv", [name, "w", "b"], ["y"], kernel_shape=[1, 1]))
    identity = np.zeros((1, 1, 31, 31), np.float32)
    identity[0, 0, 15, 15] = 1
    graph = helper.make_graph(
        nodes,
        "ranges",
        [helper.make_tensor_value_info("x", 1, ["n", 1, "h", "w"])],
        [helper.make_tensor_value_info("y", 1, ["n", 3, "h", "w"])],
        [
            numpy_helper.from_array(np.float32(weights).reshape(3, 1, 1, 1), "w"),
            numpy_helper.from_array(np.float32(biases), "b"),
            numpy_helper.from_array(identity, "identity"),
            numpy_helper.from_array(np.zeros(unused_bytes // 4, np.float32), "unused"),
        ],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("model") / "ranges.onnx")


@pytest.fixture(scope="module")
def client():
    with WorkerClient() as instance:
        yield instance


def volume(shape=(5, 8, 9)) -> Volume:
    array = np.random.default_rng(3).integers(0, 100, shape).astype(np.int16)
    return Volume(array, (1.0, 2.0, 3.0), (4.0, 5.0, 6.0), name="Doe^Jane")


def request(client, model, image, **options):
    payload = {"volumes": [image], "model": model, "card": CARD, "backend": "onnxruntime", "device": "cpu", **options}
    return client.submit("segment", payload)


def test_the_result_is_the_same_as_without_a_worker(client, model):
    image = volume()
    here = medseg.segment(
        image, medseg.open_model(model, card=CARD, backend="onnxruntime", device="cpu"), keep_probabilities=True
    )
    there = result_from_message(client.wait(request(client, model, image, keep_probabilities=True)))
    np.testing.assert_array_equal(there.labels.array, here.labels.array)
    assert there.labels.array.dtype == np.uint16 and there.labels.same_grid(image)
    np.testing.assert_array_equal(there.probabilities, here.probabilities)
    assert (there.segments, there.voxel_counts, there.highest_probability, there.card, there.warnings) == (
        here.segments,
        here.voxel_counts,
        here.highest_probability,
        here.card,
        here.warnings,
    )
    assert set(there.timings) == set(here.timings) and (there.backend, there.device) == ("onnxruntime", "cpu")
    # And the answer itself: where the lines of the softmax cross, away from the rounding there.
    expected = np.select([image.array > 70, image.array > 30], [300, 1], 0)
    clear = ~np.isin(image.array, (30, 70))
    np.testing.assert_array_equal(there.labels.array[clear], expected[clear])


def test_probabilities_are_not_sent_unless_kept(client, model):
    assert result_from_message(client.wait(request(client, model, volume()))).probabilities is None


def test_the_model_stays_open_until_its_file_changes(client, model, tmp_path):
    own = tmp_path / "own.onnx"
    shutil.copy(model, own)
    opened = []

    def run() -> np.ndarray:
        stages = []
        pending = client.submit(
            "segment",
            {"volumes": [volume()], "model": own, "card": CARD, "device": "cpu", "backend": "onnxruntime"},
            on_progress=lambda p: stages.append(p.stage),
        )
        labels = client.wait(pending)["labels"].array
        opened.append("open" in stages)
        return labels

    first, again = run(), run()
    np.testing.assert_array_equal(first, again)
    write_model(own, weights=(0.0, -10.0, -30.0))
    os.utime(own, (time.time() + 5,) * 2)  # a clock too coarse to see the change
    changed = run()
    assert opened == [True, False, True]
    assert not changed.any()


def test_cancelling_in_the_middle_of_a_run(client, tmp_path):
    slow = write_model(tmp_path / "slow.onnx", repeats=4)
    image = volume((400, 96, 96))
    pending = client.submit(
        "segment",
        {"volumes": [image], "model": slow, "card": CARD, "device": "cpu"},
        on_progress=lambda moment: moment.stage == "network" and client.cancel(pending),
    )
    start = None
    while not pending.finished:
        client.poll()
        client._rest(0.01)
        if pending.state == "cancelling" and start is None:
            start = time.monotonic()
    assert isinstance(pending.error, Cancelled)
    assert pending.progress.done < 400
    assert time.monotonic() - start < 2.0  # a batch takes a few ms; 1 s of grace, and time on a busy machine


def test_a_missing_model_file_is_named(client, tmp_path):
    with pytest.raises(InputError, match=r"absent\.onnx"):
        client.wait(request(client, tmp_path / "absent.onnx", volume()))


def test_a_model_that_does_not_fit_is_refused_by_the_engine(client, model):
    two = {**CARD, "input": {**CARD["input"], "context": 1}}
    with pytest.raises(InputError, match="channel"):
        client.wait(client.submit("segment", {"volumes": [volume()], "model": model, "card": two, "device": "cpu"}))


def test_inspect_reports_the_file_and_loads_it_on_request(client, model, tmp_path):
    report = client.wait(client.submit("inspect", {"model": model, "load": True}))["report"]
    assert report["format"] == "onnx" and report["in_channels"] == 1 and report["out_channels"] == 3
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(model.read_bytes()[:100])
    with pytest.raises(InputError, match=r"broken\.onnx"):
        client.wait(client.submit("inspect", {"model": broken}))


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is Linux's")
def test_loading_a_model_to_inspect_it_has_a_memory_limit(client, model, tmp_path):
    large = write_model(tmp_path / "large.onnx", unused_bytes=2**26)
    asked = {"model": large, "load": True, "backend": "onnxruntime"}
    assert client.wait(client.submit("inspect", asked))["report"]["format"] == "onnx"
    with pytest.raises(MedSegError):
        client.wait(client.submit("inspect", {**asked, "memory_limit_bytes": 2**20}))
    assert client.wait(client.submit("inspect", {"model": model, "load": True}))["report"]["format"] == "onnx"


def test_probe_names_the_devices(client):
    devices = client.wait(client.submit("probe"))["devices"]
    assert any(d["backend"] == "onnxruntime" and d["device"] == "cpu" and d["usable"] for d in devices)


def test_a_name_never_reaches_the_log(client, model):
    client.wait(request(client, model, volume()))
    assert "Doe" not in client._process.read_log()
