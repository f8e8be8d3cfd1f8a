"""Scenarios that drive the module's panel; they run in the Slicer application only (MedSegTest)."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np
import slicer
from medseg.errors import MedSegError

from .segmentsOutput import MODEL_TAG, segmentTag
from .selfTest import addVolume, testModel


def panel():
    """The module's panel, opened."""
    slicer.util.selectModule("MedSeg")
    return slicer.modules.medseg.widgetRepresentation().self()


def waitUntil(test, condition, timeout: float = 60) -> None:
    """Let the event loop run until the condition holds."""
    end = time.monotonic() + timeout
    while not condition():
        test.assertLess(time.monotonic(), end, "nothing happened")
        slicer.app.processEvents()
        time.sleep(0.01)


def blocks(slices: int = 6) -> np.ndarray:
    """(k, j, i) image with one bright block."""
    array = np.zeros((slices, 64, 64), np.int16)
    array[1:4, 10:40, 20:50] = 80
    return array


def scenarioPanelRun(test, logic) -> None:
    """Choosing and pressing Segment gives segments, which are chosen as output and renewed by the next run."""
    widget = panel()
    with testModel() as model:
        widget.ui.modelPathLineEdit.currentPath = ""
        widget.ui.inputSelector.setCurrentNode(addVolume(blocks()))
        test.assertFalse(widget.ui.segmentButton.enabled)
        widget.ui.modelPathLineEdit.currentPath = str(model)
        test.assertTrue(widget.ui.segmentButton.enabled)
        for _ in range(2):
            widget.ui.segmentButton.click()
            test.assertFalse(widget.ui.segmentButton.enabled)
            test.assertTrue(widget.ui.cancelButton.enabled)
            waitUntil(test, lambda: widget.job.finished)
            test.assertEqual(widget.job.state, "done")
            test.assertIn("bile duct", widget.ui.statusLabel.text)
            output = widget.ui.outputSelector.currentNode()
            test.assertIs(output, widget.job.result.segmentationNode)
            test.assertEqual(output.GetSegmentation().GetNumberOfSegments(), 1)
            test.assertEqual(segmentTag(output.GetSegmentation().GetNthSegment(0), MODEL_TAG), "bright voxels")


def scenarioPanelCancel(test, logic) -> None:
    """Cancel ends a run and leaves the scene as it was."""
    widget = panel()
    with testModel() as model:
        widget.ui.inputSelector.setCurrentNode(addVolume(blocks(400)))
        widget.ui.modelPathLineEdit.currentPath = str(model)
        before = slicer.mrmlScene.GetNumberOfNodes()
        widget.ui.segmentButton.click()
        widget.ui.cancelButton.click()
        waitUntil(test, lambda: widget.job.finished)
    test.assertEqual(widget.job.state, "cancelled")
    test.assertIsInstance(widget.job.error, MedSegError)
    test.assertEqual(slicer.mrmlScene.GetNumberOfNodes(), before)
    test.assertTrue(widget.ui.segmentButton.enabled)


def scenarioPanelReadsScene(test, logic) -> None:
    """A scene brings its choices with it, although the panel is open while it is read."""
    widget = panel()
    parameters = logic.getParameterNode()
    addVolume(blocks()).SetName("first")
    second = addVolume(blocks())
    second.SetName("second")
    output = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "chosen")
    output.CreateDefaultDisplayNodes()
    output.GetSegmentation().AddEmptySegment("drawn")
    parameters.inputVolume, parameters.outputSegmentation, parameters.modelPath = second, output, "some.onnx"
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "scene.mrb")
        test.assertTrue(slicer.util.saveScene(path))
        slicer.mrmlScene.Clear()
        slicer.util.loadScene(path)
    slicer.app.processEvents()
    test.assertEqual(widget.ui.inputSelector.currentNode().GetName(), "second")
    test.assertEqual(widget.ui.outputSelector.currentNode().GetName(), "chosen")
    test.assertEqual(widget.ui.modelPathLineEdit.currentPath, "some.onnx")


SCENARIOS = (scenarioPanelRun, scenarioPanelCancel, scenarioPanelReadsScene)
