"""The result as it would be with another threshold, in the slice views, while the slider moves."""

from __future__ import annotations

import numpy as np
import slicer
from slicer.i18n import tr as _
from vtk.util.numpy_support import numpy_to_vtk

from .segmentsOutput import BINARY, imageArray, voxelsToSegmentation

#: The lowest threshold there is; what never reaches it need not be looked at.
LOWEST = 0.01


class ThresholdPreview:
    """A segmentation of its own, outlined in the slice views, hidden from lists and never saved.

    It shows the decision alone: the clean-up is done when the threshold is applied.
    """

    def __init__(self) -> None:
        self.node = None
        self._best = self._top = None
        self._image = None
        self._hidden = None

    @property
    def shown(self) -> bool:
        return self.node is not None and self.node.GetScene() is not None

    def start(self, result, volumeNode) -> None:
        """Prepare for ``result`` (a `SegmentationResult` with scores); nothing is shown yet."""
        self.stop()
        reached = result.top >= LOWEST
        ranges = []
        for axis in range(3):
            used = np.flatnonzero(reached.any(axis=tuple(a for a in range(3) if a != axis)))
            if not used.size:
                return
            ranges.append((int(used[0]), int(used[-1]) + 1))
        box = tuple(slice(low, high) for low, high in ranges)
        self._best, self._top = np.ascontiguousarray(result.best[box]), np.ascontiguousarray(result.top[box])
        (k0, k1), (j0, j1), (i0, i1) = ranges
        scene = volumeNode.GetScene()
        node = scene.CreateNodeByClass("vtkMRMLSegmentationNode")
        node.UnRegister(None)
        node.SetName(_("Threshold preview"))
        node.SetHideFromEditors(True)
        node.SetSaveWithScene(False)
        self.node = scene.AddNode(node)
        node.CreateDefaultDisplayNodes()
        node.SetAndObserveTransformNodeID(result.segmentationNode.GetTransformNodeID())
        image = slicer.vtkOrientedImageData()
        image.SetExtent(i0, i1 - 1, j0, j1 - 1, k0, k1 - 1)
        image.GetPointData().SetScalars(numpy_to_vtk(np.zeros(self._best.size, self._best.dtype), deep=True))
        image.SetGeometryFromImageToWorldMatrix(voxelsToSegmentation(volumeNode, node))
        for info in result.engine.segments:
            segment = slicer.vtkSegment()
            segment.SetName(info.name)
            segment.SetColor(*info.color)
            segment.SetLabelValue(info.value)
            segment.AddRepresentation(BINARY, image)
            node.GetSegmentation().AddSegment(segment)
        self._image = image
        display = node.GetDisplayNode()
        display.SetVisibility3D(False)
        display.SetVisibility2DFill(True)
        display.SetOpacity2DFill(0.3)
        display.SetVisibility(False)
        node.GetDisplayNode().SetSaveWithScene(False)
        self._covered = result.segmentationNode

    def show(self, threshold: float) -> int:
        """Show the decision for ``threshold`` in place of the result; returns how many voxels belong to something."""
        if not self.shown or self._image is None:
            return 0
        labels = np.where(self._top >= threshold, self._best, 0)
        imageArray(self._image)[...] = labels
        self._image.GetPointData().GetScalars().Modified()
        self._image.Modified()
        segmentation = self.node.GetSegmentation()
        for number in range(segmentation.GetNumberOfSegments()):
            segmentation.GetNthSegment(number).Modified()
        segmentation.InvokeEvent(slicer.vtkSegmentation.SourceRepresentationModified)
        self.node.GetDisplayNode().SetVisibility(True)
        self._cover(True)
        return int(np.count_nonzero(labels))

    def stop(self) -> None:
        """Take the preview away; the result is shown as before."""
        self._cover(False)
        if self.shown:
            scene = self.node.GetScene()
            display = self.node.GetDisplayNode()
            scene.RemoveNode(self.node)
            if display is not None and display.GetScene() is not None:
                scene.RemoveNode(display)
        self.node = self._image = self._best = self._top = None

    _covered = None

    def _cover(self, covered: bool) -> None:
        """Hide the result's own slices while the preview shows others, and bring them back."""
        node = self._covered
        display = node.GetDisplayNode() if node is not None and node.GetScene() is not None else None
        if covered and self._hidden is None and display is not None:
            self._hidden = (display, display.GetVisibility2DFill(), display.GetVisibility2DOutline())
            display.SetVisibility2DFill(False)
            display.SetVisibility2DOutline(False)
        elif not covered and self._hidden is not None:
            display, fill, outline = self._hidden
            self._hidden = None
            if display.GetScene() is not None:
                display.SetVisibility2DFill(fill)
                display.SetVisibility2DOutline(outline)
        if not covered:
            self._covered = None
