"""Measuring, review, comparison and giving back through the widgets, on the real scene and worker."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture
def drawn(window):
    """The window with a volume and its segmentation: "ducts", and "short" with a piece missing."""
    widget = window.open()
    from MedSegLib.ductsTest import addTree, drawnTree, drawSegment

    window.volume, window.segmentation = addTree()
    window.tree, window.ducts = drawnTree, widget.ductsUi
    window.draw = lambda name, labels: drawSegment(window.segmentation, window.volume, name, labels)
    return window


def _measure(drawn) -> None:
    panel = drawn.widget.ductsPanel
    drawn.ducts.ductsSegmentationSelector.setCurrentNode(drawn.segmentation)
    drawn.ducts.ductsSegmentSelector.setCurrentIndex(0)
    drawn.ducts.measureButton.click()
    assert not drawn.ducts.measureButton.enabled
    drawn.wait(lambda: not panel.running)


def test_measure_look_and_follow_the_doubts(drawn):
    import slicer

    ui = drawn.ducts
    assert not ui.measureButton.enabled and not ui.reviewNextButton.enabled and not ui.plotButton.enabled
    _measure(drawn)
    assert "3 branches" in ui.ductsStatusLabel.text and "candidate strictures: 1" in ui.ductsStatusLabel.text
    assert ui.findingsTable.rowCount == 1 and ui.branchesTable.rowCount == 3
    assert ui.findingsTable.item(0, 0).text() == "candidate stricture"
    slices = slicer.vtkMRMLSliceNode()
    slices.SetLayoutName("Red")
    slices = drawn.scene.AddNode(slices)  # there may be one of that name already

    def here() -> np.ndarray:
        return slicer.util.arrayFromVTKMatrix(slices.GetSliceToRAS())[:3, 3]

    ui.findingsTable.cellClicked(0, 0)
    assert here() == pytest.approx((40, 20, 25), abs=3)  # identity geometry: RAS is the voxel's number
    ui.branchesTable.cellClicked(1, 0)
    away = here()
    assert np.abs(away - (40, 20, 25)).max() > 3
    assert "places to look at" in ui.reviewLabel.text
    ui.reviewNextButton.click()
    assert here() == pytest.approx((40, 20, 25), abs=3) and ui.reviewLabel.text.startswith("Place 1 of")
    assert ui.plotButton.enabled
    # A point of the plot is clicked: Slicer tells the series and the rows.
    import vtk

    nodes = drawn.widget.ductsPanel.job.nodes
    series, rows, all_rows = vtk.vtkStringArray(), vtk.vtkIdTypeArray(), vtk.vtkCollection()
    series.InsertNextValue(nodes.series[0].GetID())
    rows.InsertNextValue(0)
    all_rows.AddItem(rows)
    drawn.widget.ductsPanel.onPlotPoint(series, all_rows)
    table = nodes.series[0].GetTableNode().GetTable()
    assert here() == pytest.approx([table.GetColumnByName(f"{axis} (mm)").GetValue(0) for axis in "RAS"])


def test_an_edit_measures_again_when_asked_to(drawn):
    ui = drawn.ducts
    _measure(drawn)
    before = drawn.widget.ductsPanel.measured
    half = drawn.tree()
    half[40:] = 0  # the arms are gone
    drawn.draw("ducts", half)
    drawn.wait(lambda: not drawn.widget.ductsPanel.running)
    assert drawn.widget.ductsPanel.measured is before and ui.branchesTable.rowCount == 3
    ui.ductsAutoCheckBox.checked = True
    half[38:] = 0
    drawn.draw("ducts", half)
    drawn.wait(lambda: ui.branchesTable.rowCount == 1)
    assert "1 branches" in ui.ductsStatusLabel.text


def test_the_scene_is_closed_while_it_measures(drawn):
    panel = drawn.widget.ductsPanel
    drawn.ducts.ductsSegmentationSelector.setCurrentNode(drawn.segmentation)
    drawn.ducts.measureButton.click()
    drawn.scene.Clear(0)
    drawn.wait(lambda: not panel.running)
    assert drawn.scene.GetNumberOfNodesByClass("vtkMRMLMarkupsCurveNode") == 0
    assert not drawn.ducts.measureButton.enabled and drawn.ducts.findingsTable.rowCount == 0


def test_compare_and_give_back(drawn, tmp_path):
    ui = drawn.ducts
    ui.ductsSegmentationSelector.setCurrentNode(drawn.segmentation)
    ui.compareSegmentationSelector.setCurrentNode(drawn.segmentation)
    assert not ui.compareButton.enabled  # a segment with itself
    ui.compareSegmentSelector.setCurrentIndex(1)
    assert ui.compareButton.enabled and not ui.giveBackButton.enabled
    ui.compareButton.click()
    drawn.wait(lambda: not drawn.widget.comparePanel.running)
    a, b = drawn.tree(), drawn.tree()
    b[:20] = 0
    assert f"Dice {2 * (a & b).sum() / (a.sum() + b.sum()):.3f}" in ui.compareStatusLabel.text
    ui.giveBackPathLineEdit.currentPath = str(tmp_path / "set")
    ui.giveBackButton.click()
    drawn.wait(lambda: not drawn.widget.comparePanel.running)
    assert "was added" in ui.giveBackStatusLabel.text
    assert len(list((tmp_path / "set" / "images").iterdir())) == 1
    ui.giveBackPathLineEdit.currentPath = str(tmp_path / "set" / "labels.json")  # a file, no folder
    ui.giveBackButton.click()
    drawn.wait(lambda: not drawn.widget.comparePanel.running)
    assert "cannot be written" in ui.giveBackStatusLabel.text
