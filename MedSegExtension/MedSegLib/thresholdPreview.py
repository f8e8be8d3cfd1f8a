"""The result as it would be with another threshold, in the slice views, while the slider moves."""

from __future__ import annotations

import numpy as np
import vtk
from slicer.i18n import tr as _
from vtk.util.numpy_support import vtk_to_numpy

OPACITY = 0.6


class ThresholdPreview:
    """A label map of its own in the label layer of the slice views, hidden from lists and never saved; the result keeps
    its outline meanwhile, so that both can be compared.

    It shows the decision alone: the clean-up is done when the threshold is applied.
    """

    def __init__(self) -> None:
        self.node = None
        self._colors = None
        self._part: dict = {}
        self._voxels = None
        self._layers: list = []
        self._filled: list = []

    @property
    def shown(self) -> bool:
        return self.node is not None and self.node.GetScene() is not None

    def start(self, result, volumeNode, part: dict) -> None:
        """Prepare for ``result``, a `SegmentationResult`; ``part`` is the worker's `Scores.part`. Shows nothing yet."""
        self.stop()
        shape = part["top"].shape if "top" in part else part["planes"].shape[1:]
        if not all(shape):
            return
        self._part = part
        scene = volumeNode.GetScene()
        self._colors = self._hidden(scene, "vtkMRMLColorTableNode")
        self._colors.SetTypeToUser()
        values = [info.value for info in result.engine.segments]
        self._colors.SetNumberOfColors(max(values) + 1)
        for info in result.engine.segments:
            self._colors.SetColor(info.value, info.name, *info.color, 1.0)
        self._colors.SetColor(0, "", 0.0, 0.0, 0.0, 0.0)
        image = vtk.vtkImageData()
        image.SetDimensions(*reversed(shape))
        image.AllocateScalars(vtk.VTK_UNSIGNED_SHORT, 1)
        self._voxels = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(shape)
        self._voxels[...] = 0
        matrix = vtk.vtkMatrix4x4()
        volumeNode.GetIJKToRASMatrix(matrix)
        corner = matrix.MultiplyPoint([*reversed(part["corner"]), 1.0])
        for row in range(3):
            matrix.SetElement(row, 3, corner[row])
        self.node = self._hidden(scene, "vtkMRMLLabelMapVolumeNode")
        self.node.SetIJKToRASMatrix(matrix)
        self.node.SetAndObserveImageData(image)
        self.node.SetAndObserveTransformNodeID(volumeNode.GetTransformNodeID())
        self.node.CreateDefaultDisplayNodes()
        self.node.GetDisplayNode().SetAndObserveColorNodeID(self._colors.GetID())
        self.node.GetDisplayNode().SetSaveWithScene(False)
        self._covered = result.segmentationNode

    def show(self, threshold: float) -> dict[int, int]:
        """Show the decision for ``threshold`` in place of the result; returns how many voxels each label value has."""
        if not self.shown or self._voxels is None:
            return {}
        if "planes" in self._part:  # the last label that reaches the threshold wins
            self._voxels[...] = 0
            for value, plane in zip(self._part["values"], self._part["planes"], strict=True):
                self._voxels[plane >= threshold] = value
        else:
            np.multiply(self._part["best"], self._part["top"] >= threshold, out=self._voxels, casting="unsafe")
        self.node.GetImageData().GetPointData().GetScalars().Modified()
        self.node.GetImageData().Modified()
        if not self._layers and not self._filled:
            self._cover()
        return {value: int(n) for value, n in enumerate(np.bincount(self._voxels[self._voxels > 0])) if n}

    def stop(self) -> None:
        """Take the preview away; the slice views and the result are as before."""
        for composite, label, opacity in self._layers:
            if composite.GetScene() is not None and self.shown and composite.GetLabelVolumeID() == self.node.GetID():
                composite.SetLabelVolumeID(label)
                composite.SetLabelOpacity(opacity)
        for display in self._filled:
            if display.GetScene() is not None:
                display.SetVisibility2DFill(True)
        if self.shown:
            scene = self.node.GetScene()
            for node in (self.node.GetDisplayNode(), self.node, self._colors):
                if node is not None and node.GetScene() is scene:
                    scene.RemoveNode(node)
        self.node = self._colors = self._voxels = self._covered = None
        self._part = {}
        self._layers, self._filled = [], []

    _covered = None

    def _hidden(self, scene, className: str):
        node = scene.CreateNodeByClass(className)
        node.UnRegister(None)
        node.SetName(_("Threshold preview"))
        node.SetHideFromEditors(True)
        node.SetSaveWithScene(False)
        return scene.AddNode(node)

    def _cover(self) -> None:
        """Put the preview into the label layer of the slice views, and leave the result its outline."""
        scene = self.node.GetScene()
        for number in range(scene.GetNumberOfNodesByClass("vtkMRMLSliceCompositeNode")):
            composite = scene.GetNthNodeByClass(number, "vtkMRMLSliceCompositeNode")
            self._layers.append((composite, composite.GetLabelVolumeID(), composite.GetLabelOpacity()))
            composite.SetLabelVolumeID(self.node.GetID())
            composite.SetLabelOpacity(OPACITY)
        node = self._covered
        display = node.GetDisplayNode() if node is not None and node.GetScene() is not None else None
        if display is not None and display.GetVisibility2DFill() and display.GetVisibility2DOutline():
            display.SetVisibility2DFill(False)
            self._filled.append(display)
