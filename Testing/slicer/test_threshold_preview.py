"""The preview of another threshold shows exactly what a run with that threshold decides."""

from __future__ import annotations

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


def two_label_model(path, overlap: str):
    """y = (x, 1 - x): one label in the bright, one in the dark, both where the threshold is low."""
    from MedSegLib.selfTest import CARD

    helper = onnx.helper
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w", "b"], ["y"], kernel_shape=[1, 1])],
        "two",
        [helper.make_tensor_value_info("x", 1, ["n", 1, "h", "w"])],
        [helper.make_tensor_value_info("y", 1, ["n", 2, "h", "w"])],
        [
            onnx.numpy_helper.from_array(np.float32([1, -1]).reshape(2, 1, 1, 1), "w"),
            onnx.numpy_helper.from_array(np.float32([0, 1]), "b"),
        ],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    labels = [{"value": 7, "name": "bright", "channel": 0}, {"value": 3, "name": "dark", "channel": 1}]
    output = {"activation": "none", "threshold": 0.5, "labels": labels, "overlap": overlap}
    return {**CARD, "output": output}


@pytest.mark.parametrize("overlap", ["most_probable", "last"])
def test_the_preview_is_what_a_run_with_that_threshold_decides(scene, logic, tmp_path, overlap):
    from MedSegLib import selfTest
    from MedSegLib.thresholdPreview import ThresholdPreview
    from MedSegLib.workerHost import sharedHost
    from vtk.util.numpy_support import vtk_to_numpy

    card = two_label_model(tmp_path / "two.onnx", overlap)
    array = np.random.default_rng(1).integers(1, 100, (5, 9, 11)).astype(np.int16)
    array[array % 10 == 0] += 1  # no voxel lies at a threshold
    node = selfTest.addVolume(array, selfTest.obliqueFlipped())
    wanted = {}
    for threshold in (0.25, 0.5, 0.75):
        run = logic.segment(node, tmp_path / "two.onnx", card=card, device="cpu", threshold=threshold)
        wanted[threshold] = run.labels.array
    kept = logic.segment(node, tmp_path / "two.onnx", card=card, device="cpu", keepScores=True)
    request = logic.startScores(kept, lambda request: None)
    part = sharedHost().wait(request)
    preview = ThresholdPreview()
    preview.start(kept, node, part)
    assert preview.shown
    for threshold, labels in wanted.items():
        assert preview.show(threshold) == {v: n for v in (3, 7) if (n := np.count_nonzero(labels == v))}
        shown = vtk_to_numpy(preview.node.GetImageData().GetPointData().GetScalars()).reshape(array.shape)
        np.testing.assert_array_equal(shown, labels)
    assert set(np.unique(wanted[0.25])) == ({3, 7})
    preview.stop()
    assert not preview.shown and scene.GetNumberOfNodesByClass("vtkMRMLLabelMapVolumeNode") == 0


def test_the_preview_lies_where_the_voxels_lie_and_holds_no_more_than_it_needs(scene, logic):
    from MedSegLib import selfTest
    from MedSegLib.thresholdPreview import ThresholdPreview
    from MedSegLib.workerHost import sharedHost

    array = np.zeros((10, 12, 14), np.int16)
    array[3:6, 4:9, 5:7] = 80
    node = selfTest.addVolume(array, selfTest.obliqueFlipped())
    with selfTest.testModel() as model:
        kept = logic.segment(node, model, device="cpu", keepScores=True)
    preview = ThresholdPreview()
    preview.start(kept, node, sharedHost().wait(logic.startScores(kept, lambda request: None)))
    assert preview.show(0.5) == {1: 30} and preview.show(0.9) == {}
    assert preview.node.GetImageData().GetDimensions() == (2, 5, 3)
    corner = selfTest.volumePositions(preview.node, np.ones((3, 5, 2), bool))
    np.testing.assert_allclose(corner, selfTest.volumePositions(node, array > 0), atol=1e-4)
    preview.stop()


def test_probabilities_that_are_gone_are_refused(scene, logic):
    from medseg.errors import InputError
    from MedSegLib import selfTest

    node = selfTest.addVolume(selfTest.blockArray())
    with selfTest.testModel() as model:
        kept = logic.segment(node, model, device="cpu", keepScores=True)
        assert logic.review(None, kept).stops
        logic.segment(node, model, device="cpu")
    with pytest.raises(InputError, match="no longer kept"):
        logic.review(None, kept)
