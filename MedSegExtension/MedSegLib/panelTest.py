"""Scenarios that drive the module's panel: in the Slicer application (MedSegTest), and on the stand-ins in Testing/."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np
import slicer
from medseg.errors import MedSegError

from .segmentsOutput import SURFACE
from .segmentVoxels import MODEL_TAG, segmentTag
from .selfTest import addVolume, identityModel, testModel


def panel():
    """The module's panel, opened."""
    slicer.util.selectModule("MedSeg")
    return slicer.modules.medseg.widgetRepresentation().self()


def waitUntil(test, condition, timeout: float = 120) -> None:
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


def choose(test, widget, node, model) -> None:
    """Choose a volume and a model, and wait until its card is shown."""
    widget.ui.inputSelector.setCurrentNode(node)
    widget.modelPanel.choose("")
    widget.modelPanel.choose(str(model))
    waitUntil(test, lambda: widget.modelPanel.report is not None or widget.modelPanel.problem)


def runToEnd(test, widget) -> None:
    """Press Segment and wait."""
    test.assertTrue(widget.ui.segmentButton.enabled, widget.ui.segmentButton.toolTip)
    widget.ui.segmentButton.click()
    waitUntil(test, lambda: widget.job is not None and not widget.queue.running)


def scenarioPanelRun(test, logic) -> None:
    """Choosing and pressing Segment gives segments, which are chosen as output and renewed by the next run."""
    widget = panel()
    with testModel() as model:
        widget.modelPanel.choose("")
        widget.ui.inputSelector.setCurrentNode(addVolume(blocks()))
        test.assertFalse(widget.ui.segmentButton.enabled)
        choose(test, widget, widget.ui.inputSelector.currentNode(), model)
        test.assertIn("bright voxels", widget.ui.cardBrowser.plainText)
        for _number in range(2):
            runToEnd(test, widget)
            test.assertEqual(widget.job.state, "done")
            test.assertIn("bile duct", widget.ui.resultLabel.text)
            output = widget.ui.outputSelector.currentNode()
            test.assertIs(output, widget.job.result.segmentationNode)
            test.assertEqual(output.GetSegmentation().GetNumberOfSegments(), 1)
            test.assertEqual(segmentTag(output.GetSegmentation().GetNthSegment(0), MODEL_TAG), "bright voxels")
            test.assertTrue(output.GetSegmentation().ContainsRepresentation(SURFACE))


def scenarioPanelCancel(test, logic) -> None:
    """The button cancels a run, and the scene stays as it was."""
    widget = panel()
    with testModel() as model:
        choose(test, widget, addVolume(blocks(1500)), model)
        before = slicer.mrmlScene.GetNumberOfNodes()
        widget.ui.segmentButton.click()
        waitUntil(test, lambda: widget.job is not None and widget.job.progress is not None)
        started = time.monotonic()
        widget.ui.segmentButton.click()
        waitUntil(test, lambda: not widget.queue.running)
        test.assertLess(time.monotonic() - started, 20)  # a second, on a computer with nothing else to do
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
    parameters.ownThreshold, parameters.threshold, parameters.flips = True, 0.25, "columns"
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "scene.mrb")
        test.assertTrue(slicer.util.saveScene(path))
        slicer.mrmlScene.Clear()
        slicer.util.loadScene(path)
    slicer.app.processEvents()
    test.assertEqual(widget.ui.inputSelector.currentNode().GetName(), "second")
    test.assertEqual(widget.ui.outputSelector.currentNode().GetName(), "chosen")
    test.assertEqual(widget.ui.modelPathLineEdit.currentPath, "some.onnx")
    test.assertTrue(widget.ui.ownThresholdCheckBox.checked)
    test.assertAlmostEqual(widget.ui.thresholdSlider.value, 0.25)
    test.assertEqual(widget.options()["flips"], ("columns",))


def scenarioPanelUndo(test, logic) -> None:
    """The last run is taken back, and what it replaced comes back."""
    widget = panel()
    first, second = addVolume(blocks()), addVolume(np.roll(blocks(), 5, axis=2))
    with testModel() as model:
        choose(test, widget, first, model)
        runToEnd(test, widget)
        output = widget.ui.outputSelector.currentNode()
        segmentId = output.GetSegmentation().GetNthSegmentID(0)
        before = slicer.util.arrayFromSegmentBinaryLabelmap(output, segmentId, first).copy()
        widget.ui.inputSelector.setCurrentNode(second)
        runToEnd(test, widget)
        after = slicer.util.arrayFromSegmentBinaryLabelmap(output, segmentId, first)
        test.assertFalse(np.array_equal(before, after))
        widget.ui.undoButton.click()
        again = slicer.util.arrayFromSegmentBinaryLabelmap(output, segmentId, first)
        np.testing.assert_array_equal(before, again)
        widget.ui.undoButton.click()
        test.assertIsNone(output.GetScene())
    test.assertFalse(widget.ui.resultCollapsibleButton.visible)


def scenarioPanelThreshold(test, logic) -> None:
    """Another threshold is previewed in the slices and applied without running the network again."""
    widget = panel()
    array = blocks()
    array[2, 20:30, 30:40] = 60
    node = addVolume(array)
    with testModel() as model:
        choose(test, widget, node, model)
        runToEnd(test, widget)
        widget.ui.ownThresholdCheckBox.checked = True
        waitUntil(test, lambda: widget.advancedPanel.preview.shown)  # before the slider is touched
        test.assertIn("bile duct", widget.ui.previewLabel.text)
        widget.ui.thresholdSlider.value = 0.7
        test.assertEqual(widget.advancedPanel.preview.show(0.7), {1: int((array >= 70).sum())})
        widget.ui.applyThresholdButton.click()
        waitUntil(test, lambda: not widget.queue.running)
        test.assertEqual(widget.job.state, "done", widget.ui.statusLabel.text)
    output = widget.ui.outputSelector.currentNode()
    found = slicer.util.arrayFromSegmentBinaryLabelmap(output, output.GetSegmentation().GetNthSegmentID(0), node)
    np.testing.assert_array_equal(found > 0, array >= 70)
    test.assertFalse(widget.advancedPanel.preview.shown)
    widget.ui.ownThresholdCheckBox.checked = False


def scenarioPanelQueue(test, logic) -> None:
    """Volumes of the scene run one after the other, each with a row and a state; one that fails stops nobody."""
    widget = panel()
    good, other = addVolume(blocks()), addVolume(blocks() + 1)
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "no image")
    with testModel() as model:
        choose(test, widget, good, model)
        widget.batchPanel.clearFinished()
        widget.ui.addSceneButton.click()
        test.assertEqual([run.state for run in widget.queue.runs], ["waiting"] * 3)
        widget.ui.batchStartButton.click()
        waitUntil(test, lambda: not widget.queue.running)
    test.assertEqual([run.state for run in widget.queue.runs], ["done", "done", "failed"])
    test.assertEqual(slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode"), 2)
    test.assertEqual(widget.ui.batchTable.rowCount, 3)
    test.assertIn("no image", widget.ui.batchTable.item(2, 2).text())
    test.assertIn("2", widget.ui.statusLabel.text)  # of 3 are done
    test.assertIn(other.GetName(), widget.ui.resultCollapsibleButton.text)
    test.assertIsNot(good, other)


def scenarioPanelAsksForCard(test, logic) -> None:
    """What a model's file does not say is asked for, and saved beside it."""
    widget = panel()
    node = addVolume(blocks() // 80)
    with tempfile.TemporaryDirectory(prefix="Žluč ") as folder:
        model = Path(folder) / "bare.onnx"
        model.write_bytes(identityModel())
        choose(test, widget, node, model)
        test.assertTrue(widget.ui.cardFormFrame.visible)
        test.assertFalse(widget.ui.segmentButton.enabled)
        fields, preview = widget.modelPanel.form.fields, widget.modelPanel.preview
        waitUntil(test, lambda: preview.shape is not None)
        test.assertFalse(widget.ui.cardPreviewLabel.isHidden())
        test.assertFalse(widget.ui.cardPreviewLabel.pixmap.isNull())
        fields["normalisation"].currentIndex = fields["normalisation"].findData("none")
        test.assertTrue(fields["scope"].isHidden())
        fields["size"].currentIndex = fields["size"].findData("resize")
        fields["height"].value, fields["width"].value = 48, 32
        waitUntil(test, lambda: preview.shape == (48, 32))  # the picture follows the answers
        fields["orientation"].currentIndex = fields["orientation"].findData("")
        fields["code"].text = "PP"
        widget.ui.useCardButton.click()
        test.assertTrue(widget.ui.cardFormErrorLabel.text)  # no such directions
        test.assertTrue(widget.ui.cardPreviewLabel.isHidden())
        fields["code"].text = "ras"
        fields["label 0"].text = "duct"
        widget.ui.useCardButton.click()
        test.assertTrue(widget.ui.cardFormFrame.isHidden(), widget.ui.cardFormErrorLabel.text)
        test.assertEqual(widget.modelPanel.card.orientation, "RAS")
        widget.modelPanel.changeAnswers()
        fields["size"].currentIndex = fields["size"].findData("native")
        widget.ui.saveCardButton.click()
        test.assertTrue((Path(folder) / "bare.onnx.card.json").is_file(), widget.ui.cardFormErrorLabel.text)
        test.assertTrue(widget.ui.cardFormFrame.isHidden())
        runToEnd(test, widget)
        test.assertEqual(widget.job.state, "done", widget.ui.statusLabel.text)
        test.assertEqual(list(widget.job.result.segmentIds), ["duct"])


SCENARIOS = (
    scenarioPanelRun,
    scenarioPanelCancel,
    scenarioPanelReadsScene,
    scenarioPanelUndo,
    scenarioPanelThreshold,
    scenarioPanelQueue,
    scenarioPanelAsksForCard,
)
