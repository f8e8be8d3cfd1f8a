"""The phantom of the Sample Data module: made while the window stays free, cancelled, and given up with its scene."""

from __future__ import annotations

import slicer
from slicer_window_turns import quickest, watch, within


def press(window):
    """What Sample Data's button does; the dialog of what is under way."""
    window.open()
    from MedSegLib import sampleData

    assert sampleData.makeInBackground(None) == []
    (making,) = sampleData._running
    return making


def volumes() -> int:
    return slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode")


def test_the_window_is_free_while_the_phantom_is_made_and_then_it_is_shown(window):
    view = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSliceCompositeNode")

    def make():
        slicer.mrmlScene.RemoveNode(slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode"))
        window.making = press(window)
        job, dialog = window.making.job, window.making.dialog
        return watch(window.app.processEvents, lambda: job.finished, lambda: str(dialog.value))

    turns = quickest(make, lambda turns: within(turns, 0.05, 0.5, loading=("0", "100")))
    making = window.making
    assert making.job.state == "done" and volumes() == 1
    assert view.GetBackgroundVolumeID() == making.job.result[0].GetID()
    assert making.job.result[0].GetImageData().GetDimensions() == (320, 320, 72)
    from MedSegLib import sampleData

    assert not sampleData._running and not making.dialog.isVisible()
    assert within(turns, 0.05, 0.5, loading=("0", "100"))
    assert len({turn.stage for turn in turns}) > 2  # it told how far it is


def test_it_is_cancelled_from_its_dialog(window, slow):
    making = press(window)
    window.wait(lambda: making.dialog.value > 0)
    (button,) = (child for child in making.dialog.children() if child.inherits("QPushButton"))
    button.click()
    window.wait(lambda: making.job.finished)
    assert making.job.state == "cancelled" and volumes() == 0
    from MedSegLib import sampleData

    assert not sampleData._running


def test_it_is_given_up_with_the_scene_it_was_made_for(window, slow):
    making = press(window)
    window.wait(lambda: making.dialog.value > 0)
    slicer.mrmlScene.Clear(0)
    window.wait(lambda: making.job.finished)
    assert making.job.state == "cancelled" and volumes() == 0
    slicer.mrmlScene.Clear(0)  # nobody listens any more
