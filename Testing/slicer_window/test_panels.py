"""The panels one by one: what a person does, and what is then there."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import slicer


def segment(window, array=None):
    """A finished run of the test model on ``array``; returns the volume node."""
    from MedSegLib import selfTest

    window.open()
    volume = selfTest.addVolume(selfTest.blockArray() if array is None else array, selfTest.obliqueFlipped())
    window.ui.inputSelector.setCurrentNode(volume)
    window.folder = Path(window.app.temporaryPath)
    window.widget.modelPanel.choose(str(selfTest.writeTestModel(window.folder)))
    window.wait(lambda: window.widget.modelPanel.report is not None)
    window.ui.segmentButton.click()
    window.wait(lambda: not window.widget.queue.running)
    assert window.widget.job.state == "done", window.ui.statusLabel.text
    return volume


def test_a_result_is_exported_gone_to_shown_and_explained(window):
    from medseg.io import read_segmentation_file, read_volume

    view = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSliceNode")
    view.SetDimensions(100, 100, 1)
    volume = segment(window)
    from MedSegLib import selfTest

    out = window.folder / "Žluč out"
    actions = window.widget.resultPanel._actions
    assert not actions[4].enabled  # no DICOM export here
    for number, name in enumerate(("ducts.seg.nrrd", "ducts.nii.gz", "", "")):
        if number < 3:
            window.dialogs.answers.append(str(out / name))
            actions[number].trigger()
            assert "Written" in window.ui.statusLabel.text, window.ui.statusLabel.text
    wanted = selfTest.blockArray() >= 50
    labels = read_volume(out / "ducts.nii.gz")
    np.testing.assert_array_equal(labels.array > 0, wanted)
    _, segments = read_segmentation_file(out / "ducts.seg.nrrd")
    assert [s.name for s in segments] == ["bile duct"]
    assert len(list(out.glob("*.stl"))) == 1 and not list(out.glob(".medseg-*"))
    # No file is asked for twice where nobody answers with a path.
    window.dialogs.answers.append("")
    actions[0].trigger()

    window.ui.resultTable.selectRow(0)
    window.ui.goToButton.click()
    matrix = slicer.util.arrayFromVTKMatrix(view.GetSliceToRAS())
    positions = selfTest.volumePositions(volume, wanted)
    middle = positions.mean(axis=0)
    assert np.linalg.norm(matrix[:3, 3] - middle) < 3

    node = window.widget.job.result.segmentationNode
    assert window.ui.show3DButton.checked and node.GetDisplayNode().GetVisibility3D()
    window.ui.show3DButton.click()
    assert not node.GetDisplayNode().GetVisibility3D()
    window.ui.smoothingSlider.value = 0.2
    window.wait(lambda: node.GetSegmentation().GetConversionParameter("Smoothing factor") == "0.2")
    assert "Research use only" in window.ui.resultResearchLabel.text
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    items = [hierarchy.GetItemByDataNode(n) for n in (node, volume)]
    assert hierarchy.GetItemParent(items[0]) == hierarchy.GetItemParent(items[1])
    assert node.GetNodeReference("referenceImageGeometryRef") is volume

    slicer.mrmlScene.RemoveNode(node)
    assert not window.ui.exportButton.enabled and not window.ui.undoButton.enabled


def test_the_check_follows_a_volume_that_changes_after_it_was_chosen(window):
    """A list chooses a node as soon as it is there; its image and its spacing may come later."""
    from MedSegLib import selfTest

    window.open()
    assert "Load a volume" in window.ui.reasonLabel.text and not window.ui.reasonLabel.isHidden()
    volume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "late")
    window.ui.inputSelector.setCurrentNode(volume)
    window.wait(lambda: "press Models" in window.ui.reasonLabel.text)
    window.folder = Path(window.app.temporaryPath)
    window.widget.modelPanel.choose(str(selfTest.writeTestModel(window.folder)))
    window.wait(lambda: window.widget.modelPanel.report is not None)
    assert "no image" in window.ui.fitLabel.text and not window.ui.segmentButton.enabled
    assert "no image" in window.ui.reasonLabel.text
    slicer.util.updateVolumeFromArray(volume, selfTest.blockArray())
    window.wait(lambda: window.ui.segmentButton.enabled)
    assert "fits" in window.ui.fitLabel.text and window.ui.reasonLabel.isHidden()
    volume.SetSpacing(1, 1, 0)
    window.wait(lambda: not window.ui.segmentButton.enabled)
    other = selfTest.addVolume(selfTest.blockArray())
    window.ui.inputSelector.setCurrentNode(other)
    window.wait(lambda: window.ui.segmentButton.enabled)
    window.module.leave()
    assert window.widget.inputPanel._observed == []


def test_an_empty_result_explains_itself(window):
    segment(window, np.full((4, 16, 16), 31, np.int16))
    text = window.ui.resultLabel.text
    assert "Nothing was found" in text and "0.31" in text and "lower threshold" in text
    assert not window.ui.goToButton.enabled


def test_a_folder_is_run_file_by_file_and_not_twice(window):
    from medseg.io import read_segmentation_file, write_volume
    from medseg.volume import Volume

    segment(window)
    nodes = slicer.mrmlScene.GetNumberOfNodes()
    folder = window.folder / "cases"
    folder.mkdir()
    rng = np.random.default_rng(3)
    arrays = {name: rng.integers(0, 100, (4, 16, 16)).astype(np.int16) for name in ("one", "two")}
    for name, array in arrays.items():
        write_volume(Volume(array, (1.0, 1.0, 2.0)), folder / f"{name}.nii.gz")
    (folder / "three.nii.gz").write_bytes(b"no image")
    states = []
    for _ in range(2):
        window.ui.batchClearButton.click()
        window.dialogs.answers.append(str(folder))
        window.ui.addFolderButton.click()
        window.wait(lambda: len(window.widget.queue.waiting) == 3)
        window.ui.batchStartButton.click()
        window.wait(lambda: not window.widget.queue.running)
        rows = {run.name: run for run in window.widget.queue.runs}
        states.append({name: run.state for name, run in rows.items()})
    assert states[0] == states[1] == {"one.nii.gz": "done", "two.nii.gz": "done", "three.nii.gz": "failed"}
    assert "done before" in rows["one.nii.gz"].message
    for name, array in arrays.items():
        labels, _ = read_segmentation_file(folder / "MedSeg" / f"{name}.seg.nrrd")
        clear = array != 50
        np.testing.assert_array_equal((labels.array > 0)[clear], (array > 50)[clear])
    lines = (folder / "MedSeg" / "segments.csv").read_text().splitlines()
    assert len(lines) == 3 and lines[1].startswith("one.nii.gz,bile duct,")
    assert slicer.mrmlScene.GetNumberOfNodes() == nodes


def test_a_sequence_becomes_a_sequence_of_segmentations(window):
    from MedSegLib import selfTest

    volume = segment(window)
    sequence = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceNode", "breathing")
    arrays = [np.roll(selfTest.blockArray(), shift, axis=2) for shift in range(3)]
    for number, array in enumerate(arrays):
        slicer.util.updateVolumeFromArray(volume, array)
        sequence.SetDataNodeAtValue(volume, str(number))
    browser = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode")
    browser.SetAndObserveMasterSequenceNodeID(sequence.GetID())
    browser.AddProxyNode(volume, sequence, False)
    before = slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode")
    window.ui.batchClearButton.click()
    window.ui.addSequenceButton.click()
    assert len(window.widget.queue.waiting) == 3
    window.ui.batchStartButton.click()
    window.wait(lambda: not window.widget.queue.running)
    assert [run.state for run in window.widget.queue.runs] == ["done"] * 3, [
        run.message for run in window.widget.queue.runs
    ]
    (result,) = [n for n in slicer.util.getNodesByClass("vtkMRMLSequenceNode") if n is not sequence]
    assert result.GetNumberOfDataNodes() == 3
    for number, array in enumerate(arrays):
        node = result.GetNthDataNode(number)
        found = slicer.util.arrayFromSegmentBinaryLabelmap(node, node.GetSegmentation().GetNthSegmentID(0), volume)
        np.testing.assert_array_equal(found > 0, array >= 50)
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") <= before + 1  # the proxy


def test_runs_are_queued_and_cancelled_one_by_one(window, slow):
    from MedSegLib import selfTest

    segment(window)
    window.ui.inputSelector.setCurrentNode(selfTest.addVolume(selfTest.blockArray((900, 32, 32))))
    window.ui.segmentButton.click()
    window.ui.inputSelector.setCurrentNode(selfTest.addVolume(selfTest.blockArray()))
    assert not window.ui.queueButton.isHidden()
    window.ui.queueButton.click()
    assert [run.state for run in window.widget.queue.runs] == ["running", "waiting"]
    window.ui.batchTable.selectRow(0)
    window.ui.batchRemoveButton.click()
    slow()
    window.wait(lambda: not window.widget.queue.running)
    assert [run.state for run in window.widget.queue.runs] == ["done"]


def test_a_model_with_two_volumes_asks_for_both(window, tmp_path):
    from MedSegLib import selfTest

    window.open()
    first, second = (selfTest.addVolume(selfTest.blockArray()) for _ in range(2))
    model = selfTest.writeTestModel(tmp_path)
    card = json.loads((tmp_path / "bright.onnx.card.json").read_text())
    card["input"]["volumes"] = ["before", "after"]
    card["input"]["channels"] = [{"volume": 1, "offset": 0}]
    (tmp_path / "bright.onnx.card.json").write_text(json.dumps(card))
    window.ui.inputSelector.setCurrentNode(first)
    window.widget.modelPanel.choose(str(model))
    window.wait(lambda: window.widget.modelPanel.report is not None)
    assert window.ui.inputLabel.text == "before:" and not window.ui.moreInputsWidget.isHidden()
    assert not window.ui.segmentButton.enabled and "2 volumes" in window.ui.fitLabel.text
    window.widget.inputPanel.selectors[0].setCurrentNode(second)
    assert window.ui.segmentButton.enabled
    window.module.leave()
    window.module.open()
    assert window.widget.inputPanel.nodes() == [first, second]
    window.ui.segmentButton.click()
    window.wait(lambda: not window.widget.queue.running)
    assert window.widget.job.state == "done", window.ui.statusLabel.text


def test_what_does_not_fit_is_said_before_the_run(window):
    from medseg.card import ModelCard
    from MedSegLib import selfTest
    from MedSegLib.fitCheck import checkNodes

    volume = selfTest.addVolume(selfTest.blockArray((20, 64, 64)))
    volume.SetSpacing(1, 1, 9)
    data = json.loads(json.dumps(selfTest.CARD))
    data |= {
        "plane": "coronal",
        "orientation": "ILP",
        "modality": "MR",
        "contrast": "T2",
        "spacing_range_mm": {"in_plane": [1.0, 2.0], "between_slices": [0.5, 1.5]},
    }
    card = ModelCard.from_dict(data)
    report = checkNodes([volume], card)
    assert not report.problems and len(report.warnings) == 2
    assert "acquired in axial slices" in report.text and "9.00 mm apart" in report.text
    assert "does not say its modality" in report.text and "check the contrast" in report.text
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    hierarchy.SetItemAttribute(hierarchy.GetItemByDataNode(volume), "DICOM.Modality", "CT")
    assert any("trained on MR, the volume is CT" in line for line in checkNodes([volume], card).warnings)
    assert checkNodes([None], card).problems
    assert "no image" in checkNodes([slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")], card).text


def test_a_dropped_file_a_recent_one_and_the_one_that_ships_become_the_model(window, tmp_path):
    from medseg.data import shipped_model
    from MedSegLib import selfTest
    from PySide6 import QtCore, QtGui, QtWidgets

    widget = window.open()
    model = selfTest.writeTestModel(tmp_path)
    data = QtCore.QMimeData()
    data.setUrls([QtCore.QUrl.fromLocalFile(str(model))])
    for kind in (QtGui.QDragEnterEvent, QtGui.QDropEvent):
        place = QtCore.QPointF(5, 5) if kind is QtGui.QDropEvent else QtCore.QPoint(5, 5)
        event = kind(place, QtCore.Qt.CopyAction, data, QtCore.Qt.LeftButton, QtCore.Qt.NoModifier)
        QtWidgets.QApplication.sendEvent(window.ui.MedSeg, event)
        assert event.isAccepted()
    assert widget.modelPanel.path == str(model)
    widget.modelPanel.remember()
    widget.modelPanel.choose("")
    widget.modelPanel.fillMenu()
    texts = [action.text for action in widget.modelPanel._actions]
    assert texts[0].startswith("The model that ships") and str(model) in texts
    widget.modelPanel._actions[texts.index(str(model))].trigger()
    assert widget.modelPanel.path == str(model)
    widget.modelPanel._actions[0].trigger()
    assert widget.modelPanel.path == str(shipped_model())
    widget.modelPanel.choose(f"file://{model}")
    assert widget.modelPanel.path == str(model)


def test_a_file_that_is_no_model_says_so(window, tmp_path):
    from MedSegLib import selfTest

    window.open()
    (tmp_path / "text.onnx").write_text("no model")
    window.ui.inputSelector.setCurrentNode(selfTest.addVolume(selfTest.blockArray()))
    window.widget.modelPanel.choose(str(tmp_path / "text.onnx"))
    window.wait(lambda: window.widget.modelPanel.problem)
    assert "text.onnx" in window.ui.cardBrowser.plainText and not window.ui.segmentButton.enabled


def test_the_card_is_shown_as_a_person_reads_it(window):
    from medseg.data import shipped_model

    window.open()
    window.widget.modelPanel.choose(str(shipped_model()))
    window.wait(lambda: window.widget.modelPanel.report is not None)
    text = window.ui.cardBrowser.plainText
    for part in ("bile ducts", "gallbladder", "MRCP", "coronal", "Dice 0.95", "synthetic cases only", "Apache-2.0"):
        assert part in text, part


def test_the_devices_of_this_computer_are_listed(window):
    widget = window.open()
    widget.devicePanel.look()
    window.wait(lambda: widget.devicePanel.devices, seconds=120)
    texts = [window.ui.deviceSelector.itemText(n) for n in range(window.ui.deviceSelector.count)]
    assert texts[0].startswith("Automatic: ") and "processor" in texts[1] and "free" in texts[1]
    from MedSegLib import workerHost

    window.wait(lambda: not workerHost._looking.running)  # its process has ended
    window.ui.deviceSelector.currentIndex = 1
    window.ui.deviceSelector.activated.emit(1)
    assert window.module.logic.getParameterNode().device == "cpu"
    widget.devicePanel.setDevice("cuda:7")
    assert "not found" in window.ui.deviceSelector.currentText


def test_the_report_tells_what_matters_and_names_nobody(window):
    from MedSegLib import selfTest

    window.open()
    volume = selfTest.addVolume(selfTest.blockArray())
    volume.SetName("Doe^Jane")
    folder = Path(window.app.temporaryPath) / "Jane Doe"
    folder.mkdir()
    window.ui.inputSelector.setCurrentNode(volume)
    window.widget.modelPanel.choose(str(selfTest.writeTestModel(folder)))
    window.wait(lambda: window.widget.modelPanel.report is not None)
    window.ui.segmentButton.click()
    window.wait(lambda: not window.widget.queue.running)
    window.ui.copyReportButton.click()
    report = window.app.clipboard().text()
    for text in ("MedSeg ", "onnxruntime", "bright voxels", "(14, 12, 10)", "bile duct", "network"):
        assert text in report, text
    assert "Doe" not in report and "Jane" not in report


def test_what_is_opened_is_brought_into_sight(window):
    """In a scroll area as Slicer's: a box that fits is seen whole, of a taller one the top."""
    window.open()
    import qt
    from MedSegLib.scrolling import bringIntoSight

    area, inner = qt.QScrollArea(), qt.QWidget()
    layout = qt.QVBoxLayout(inner)
    boxes = []
    for height in (500, 100, 900, 300):
        boxes.append(qt.QLabel("box"))
        boxes[-1].setFixedHeight(height)
        layout.addWidget(boxes[-1])
    area.setWidget(inner)
    area.resize(200, 400)
    area.show()
    window.app.processEvents()

    def top(box) -> int:
        return box.mapTo(inner, qt.QPoint(0, 0)).y() + inner.y  # inner is moved up where it is scrolled down

    height = area.height
    assert top(boxes[1]) > height
    bringIntoSight(boxes[1])
    window.app.processEvents()
    assert 0 <= top(boxes[1]) <= height - 100
    bringIntoSight(boxes[2])
    window.app.processEvents()
    assert top(boxes[2]) == 0
    area.hide()


def test_what_was_said_goes_when_another_model_is_chosen(window):
    segment(window)
    assert "Done" in window.ui.statusLabel.text
    window.widget.modelPanel.choose("")
    assert window.ui.statusLabel.text == ""
