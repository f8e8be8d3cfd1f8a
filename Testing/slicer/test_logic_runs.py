"""`MedSegLogic` with a real worker process and real MRML."""

from __future__ import annotations

import itertools
import os
import signal
from types import SimpleNamespace

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


@pytest.fixture
def tools(scene):
    import slicer
    from MedSegLib import segmentationJob, selfTest, workerHost

    return SimpleNamespace(slicer=slicer, selfTest=selfTest, job=segmentationJob, host=workerHost)


@pytest.fixture(scope="module")
def shifting_model(tmp_path_factory):
    """A network that moves its input by one pixel along the columns and two along the rows: it feels every flip."""
    import json

    from MedSegLib import selfTest

    weights = np.zeros((1, 1, 5, 5), np.float32)
    weights[0, 0, 0, 1] = 1
    helper = onnx.helper
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["y"], kernel_shape=[5, 5], pads=[2] * 4)],
        "shift",
        [helper.make_tensor_value_info("x", 1, ["n", 1, "h", "w"])],
        [helper.make_tensor_value_info("y", 1, ["n", 1, "h", "w"])],
        [onnx.numpy_helper.from_array(weights, "w")],
    )
    path = tmp_path_factory.mktemp("Žluč model") / "shift.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    card = {**selfTest.CARD, "plane": "coronal", "orientation": "ILP"}
    (path.parent / "shift.onnx.card.json").write_text(json.dumps(card), encoding="utf-8")
    return path


def reordered(array: np.ndarray, matrix: np.ndarray, axes, flips) -> tuple[np.ndarray, np.ndarray]:
    """The same image in space, stored with other axes: (k, j, i) array and IJK-to-RAS matrix."""
    to_old = np.zeros((4, 4))
    to_old[3, 3] = 1
    size = array.shape[::-1]
    stored = array.transpose()  # (i, j, k)
    for new, (old, flip) in enumerate(zip(axes, flips, strict=True)):
        to_old[old, new] = -1 if flip else 1
        to_old[old, 3] = size[old] - 1 if flip else 0
    stored = stored.transpose(axes)
    for new, flip in enumerate(flips):
        if flip:
            stored = np.flip(stored, new)
    return np.ascontiguousarray(stored.transpose()), matrix @ to_old


def test_one_image_in_all_48_storage_orders_ends_in_one_place(tools, logic, shifting_model):
    array, matrix = tools.selfTest.blockArray(), tools.selfTest.obliqueFlipped()
    found = []
    for axes in itertools.permutations(range(3)):
        for flips in itertools.product((False, True), repeat=3):
            stored, stored_matrix = reordered(array, matrix, axes, flips)
            node = tools.selfTest.addVolume(stored, stored_matrix)
            result = logic.segment(node, shifting_model, device="cpu", show3D=False)
            found.append(tools.selfTest.segmentPositions(result.segmentationNode, result.segmentIds["bile duct"]))
            tools.slicer.mrmlScene.RemoveNode(result.segmentationNode)
            tools.slicer.mrmlScene.RemoveNode(node)
    assert len(found) == 48 and len(found[0]) == 60
    for positions in found[1:]:
        np.testing.assert_allclose(positions, found[0], atol=2e-3)
    # And it is the right place: the card's rows run from superior to inferior and its columns from right to left, the
    # kernel takes what lies two rows up and one column before, so the block moves 2 inferior and 1 to the left.
    block = tools.selfTest.addVolume(array, matrix)
    bright = tools.selfTest.volumePositions(block, array >= 50)
    moved = found[0].mean(axis=0) - bright.mean(axis=0)
    # i runs to the left (0.9 mm), j to inferior (1.1 mm).
    expected = matrix[:3, 0] * 1 + matrix[:3, 1] * 2
    np.testing.assert_allclose(moved, expected, atol=1e-3)


def test_a_parent_transform_turns_the_patient_for_the_network_too(tools, logic, shifting_model):
    array = tools.selfTest.blockArray()
    # The image lies on its side by a quarter turn, and a transform sets it upright: the network must see it upright.
    upright = tools.selfTest.obliqueFlipped()
    turn = np.eye(4)
    turn[:3, :3] = [[0, 0, 1], [0, 1, 0], [-1, 0, 0]]
    node = tools.selfTest.addVolume(array, np.linalg.inv(turn) @ upright, turn)
    plain = tools.selfTest.addVolume(array, upright)
    one, two = (logic.segment(n, shifting_model, device="cpu") for n in (node, plain))
    np.testing.assert_allclose(
        tools.selfTest.segmentPositions(one.segmentationNode, one.segmentIds["bile duct"]),
        tools.selfTest.segmentPositions(two.segmentationNode, two.segmentIds["bile duct"]),
        atol=2e-3,
    )
    assert one.segmentationNode.GetParentTransformNode() is node.GetParentTransformNode()


def test_the_result_says_what_was_found(tools, logic):
    node = tools.selfTest.addVolume(tools.selfTest.blockArray())
    with tools.selfTest.testModel() as model:
        result = logic.segment(node, model, device="cpu", keepProbabilities=True)
    assert result.message == "Found bile duct 0.1 ml."
    assert (result.device, result.empty) == ("cpu", False)
    assert result.probabilities.shape == (1, 10, 12, 14)
    np.testing.assert_array_equal(result.labels.array, tools.selfTest.blockArray() >= 50)
    assert {"network", "prepare"} <= set(result.timings)


def test_start_returns_at_once_and_reports(tools, logic):
    node = tools.selfTest.addVolume(tools.selfTest.blockArray())
    moments, jobs = [], []
    with tools.selfTest.testModel() as model:
        job = logic.start(node, model, device="cpu", onProgress=moments.append, onFinished=jobs.append)
        assert (job.state, job.result, job.error) == ("running", None, None)
        result = job.wait()
    assert jobs == [job] and job.state == "done" and job.result is result
    assert moments[-1].fraction == 1.0 and [m.fraction for m in moments] == sorted(m.fraction for m in moments)


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_killed_worker_fails_the_job_and_the_next_run_works(tools, logic, monkeypatch, tmp_path):
    from pathlib import Path

    from medseg.client import WorkerClient
    from medseg.errors import WorkerDied

    monkeypatch.setenv("MEDSEG_TEST_GO", str(tmp_path / "go"))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[1] / "support"))
    tools.host.closeSharedHost()
    host = tools.host._shared = tools.host.WorkerHost(WorkerClient(module="slow_worker"))
    node = tools.selfTest.addVolume(tools.selfTest.blockArray((300, 32, 32)))
    try:
        with tools.selfTest.testModel() as model:
            kill = lambda moment: os.kill(host.client.pid, signal.SIGKILL)  # noqa: E731
            job = logic.start(node, model, device="cpu", onProgress=kill)
            with pytest.raises(WorkerDied, match="memory"):
                job.wait()
            assert job.state == "failed"
            (tmp_path / "go").touch()
            assert logic.segment(node, model, device="cpu").empty is False
    finally:
        tools.host.closeSharedHost()


def test_a_volume_that_was_removed_meanwhile_gets_no_segments(tools, logic):
    from medseg.errors import InputError

    node = tools.selfTest.addVolume(tools.selfTest.blockArray())
    with tools.selfTest.testModel() as model:
        job = logic.start(node, model, device="cpu")
        tools.slicer.mrmlScene.RemoveNode(node)
        with pytest.raises(InputError, match="removed from the scene"):
            job.wait()
    assert tools.slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 0


def test_a_volume_that_was_changed_meanwhile_gets_no_segments(tools, logic):
    from medseg.errors import InputError

    node = tools.selfTest.addVolume(tools.selfTest.blockArray())
    with tools.selfTest.testModel() as model:
        job = logic.start(node, model, device="cpu")
        node.SetSpacing(3, 3, 3)
        with pytest.raises(InputError, match="changed during the run"):
            job.wait()
    assert tools.slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 0


def test_two_runs_one_after_the_other_are_both_done(tools, logic):
    nodes = [tools.selfTest.addVolume(tools.selfTest.blockArray()) for _ in range(2)]
    with tools.selfTest.testModel() as model:
        jobs = [logic.start(node, model, device="cpu") for node in nodes]
        for job in reversed(jobs):
            job.wait()
    assert [job.state for job in jobs] == ["done", "done"]


def test_a_volume_that_does_not_fit_the_model_is_refused_by_the_engine(tools, logic):
    from medseg.errors import InputError

    nodes = [tools.selfTest.addVolume(tools.selfTest.blockArray()) for _ in range(2)]
    with tools.selfTest.testModel() as model, pytest.raises(InputError, match="volume"):
        logic.segment(nodes, model, device="cpu")


def test_several_input_volumes(tools, logic, tmp_path):
    from medseg.errors import InputError

    weights = np.float32([-1, 1]).reshape(1, 2, 1, 1)
    helper = onnx.helper
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["y"], kernel_shape=[1, 1])],
        "difference",
        [helper.make_tensor_value_info("x", 1, ["n", 2, "h", "w"])],
        [helper.make_tensor_value_info("y", 1, ["n", 1, "h", "w"])],
        [onnx.numpy_helper.from_array(weights, "w")],
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), tmp_path / "two.onnx"
    )
    card = {**tools.selfTest.CARD, "input": {**tools.selfTest.CARD["input"], "volumes": ["before", "after"]}}
    rng = np.random.default_rng(2)
    before, after = (rng.integers(0, 100, (4, 6, 8)).astype(np.int16) for _ in range(2))
    matrix = tools.selfTest.obliqueFlipped()
    nodes = [tools.selfTest.addVolume(array, matrix) for array in (before, after)]
    result = logic.segment(nodes, tmp_path / "two.onnx", card=card, device="cpu")
    expected = after - before
    clear = expected != 50  # at the threshold the division by 100 decides
    np.testing.assert_array_equal(result.labels.array[clear], (expected > 50)[clear])
    nodes[1].SetSpacing(2, 2, 2)
    with pytest.raises(InputError, match="grid"):
        logic.segment(nodes, tmp_path / "two.onnx", card=card, device="cpu")


def test_the_threshold_may_be_chosen(tools, logic):
    node = tools.selfTest.addVolume(tools.selfTest.blockArray())
    with tools.selfTest.testModel() as model:
        assert logic.segment(node, model, device="cpu", threshold=0.9).empty


def test_a_card_may_be_given_as_data_or_as_a_file(tools, logic, tmp_path):
    import json

    (tmp_path / "bare.onnx").write_bytes(tools.selfTest.identityModel())
    card = json.loads(json.dumps(tools.selfTest.CARD))
    card["output"]["threshold"] = 0.9
    (tmp_path / "other.json").write_text(json.dumps(card), encoding="utf-8")
    node = tools.selfTest.addVolume(tools.selfTest.blockArray())
    assert logic.segment(node, tmp_path / "bare.onnx", device="cpu", card=tmp_path / "other.json").empty
    assert not logic.segment(node, tmp_path / "bare.onnx", device="cpu", card=tools.selfTest.CARD).empty


def test_surfaces_are_made_for_a_new_segmentation_and_not_forced_on_a_persons(tools, logic):
    node = tools.selfTest.addVolume(tools.selfTest.blockArray())
    mine = tools.slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    mine.GetSegmentation().AddEmptySegment("drawn", "drawn")
    with tools.selfTest.testModel() as model:
        new = logic.segment(node, model, device="cpu").segmentationNode
        logic.segment(node, model, mine, device="cpu")
        assert new.GetSegmentation().ContainsRepresentation("Closed surface")
        assert not mine.GetSegmentation().ContainsRepresentation("Closed surface")
        logic.segment(node, model, mine, device="cpu", show3D=True)
        assert mine.GetSegmentation().ContainsRepresentation("Closed surface")


@pytest.mark.parametrize("model", [None, ""])
def test_no_model_is_refused_before_anything_starts(tools, logic, model):
    from medseg.errors import InputError

    with pytest.raises(InputError, match="no model file"):
        logic.start(tools.selfTest.addVolume(tools.selfTest.blockArray()), model)


def test_what_a_package_needs_is_said_with_how_to_get_it(tools, scene, monkeypatch, tmp_path):
    from medseg.client import WorkerClient
    from medseg.errors import MissingPackageError
    from MedSegLib.segmentationJob import SegmentationJob
    from MedSegLib.workerHost import WorkerHost

    (tmp_path / "worker_without_backends.py").write_text(
        "import sys\n"
        "for name in ('torch', 'onnxruntime', 'openvino'):\n"
        "    sys.modules[name] = None\n"
        "from medseg.worker.__main__ import main\n"
        "sys.exit(main())\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    host = WorkerHost(WorkerClient(module="worker_without_backends"))
    node = tools.selfTest.addVolume(tools.selfTest.blockArray())
    try:
        with tools.selfTest.testModel() as model, pytest.raises(MissingPackageError, match="pip install onnxruntime"):
            SegmentationJob(host, node, model).wait()
    finally:
        host.close()


def test_a_model_is_inspected_and_devices_are_tried_in_the_worker(tools, logic):
    from medseg.errors import InputError

    with tools.selfTest.testModel() as model:
        report = logic.inspect(model)
        assert (report["format"], report["card"]["name"]) == ("onnx", "bright voxels")
        model.write_bytes(b"no model at all")
        with pytest.raises(InputError, match=r"bright\.onnx"):
            logic.inspect(model)
    assert any(device["usable"] for device in logic.devices())


def test_requirements_are_read_and_compared(tools):
    from MedSegLib.requirements import missingRequirements, requirements

    names = [line.partition(">=")[0] for line in requirements()]
    assert names == ["onnxruntime", "fastjsonschema"]
    assert all("==" not in line and ">=" in line for line in requirements())
    assert missingRequirements() == []
    assert missingRequirements(["numpy>=1", "numpy>=999", "surely-absent-package"]) == [
        "numpy>=999",
        "surely-absent-package",
    ]


def test_inside_slicer_the_worker_gets_pythonslicer_and_the_startup_environment(tools, monkeypatch, tmp_path):
    (tmp_path / "bin").mkdir()
    python = tmp_path / "bin" / ("PythonSlicer.exe" if os.name == "nt" else "PythonSlicer")
    python.touch(mode=0o755)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(tools.slicer, "app", SimpleNamespace(slicerHome=str(tmp_path)), raising=False)
    monkeypatch.setattr(tools.slicer.util, "startupEnvironment", lambda: {"HOME": "/home"})
    assert tools.host.pythonCommand() == [str(python)]
    assert tools.host.startupEnvironment() == {"HOME": "/home"}
    assert "slicer.util.pip_install('numpy')" in tools.host.howToInstall("numpy")
