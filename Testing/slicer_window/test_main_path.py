"""Choose, press Segment, wait, look at the scene: through the widgets."""

from __future__ import annotations

import pytest
import slicer


@pytest.mark.parametrize("window", [False, True], indirect=True)
def test_choosing_and_pressing_segment_gives_segments(window):
    window.open()
    from MedSegLib import selfTest

    volume = selfTest.addVolume(selfTest.blockArray())
    with selfTest.testModel() as model:
        window.ui.inputSelector.setCurrentNode(volume)
        window.ui.modelPathLineEdit.currentPath = str(model)
        assert window.ui.segmentButton.enabled
        window.ui.segmentButton.click()
        window.wait(lambda: window.widget.job.finished)
    (segmentation,) = slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
    assert segmentation.GetSegmentation().GetNumberOfSegments() == 1
    assert "bile duct" in window.ui.statusLabel.text
    assert window.ui.outputSelector.currentNode() is segmentation
