"""A comparison in the scene: figures as a table, what is wrong as segments, distances of the surfaces in colour."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import slicer
import vtk
from slicer.i18n import tr as _

from .ductsScene import OWNER, ROLE, removeDucts
from .segmentsOutput import BINARY, SURFACE, orientedLabelmap, voxelsToSegmentation

DISTANCE = "Distance (mm)"


@dataclass
class ComparisonNodes:
    """table, wrong (segmentation with what is too much and what is missing) and surface (a model, or None)."""

    table: Any
    wrong: Any
    surface: Any


def figureNames() -> dict[str, str]:
    """Fields of an `Agreement` that are shown, and what they are called."""
    return {
        "dice": _("Dice"),
        "iou": _("IoU"),
        "precision": _("Precision"),
        "recall": _("Recall"),
        "cldice": _("clDice"),
        "nsd_1mm": _("Surface Dice at 1 mm"),
        "hd95_mm": _("95 % Hausdorff distance (mm)"),
        "assd_mm": _("Mean surface distance (mm)"),
        "betti0_error": _("Parts, difference"),
        "volume_prediction_ml": _("Volume (ml)"),
        "volume_reference_ml": _("Volume of the reference (ml)"),
        "volume_difference_percent": _("Volume difference (%)"),
    }


def showComparison(message: dict, labels, prediction, reference, volumeNode) -> ComparisonNodes:
    """Put the worker's answer to ``compare`` into the scene; an earlier comparison of the same two goes."""
    scene = volumeNode.GetScene()
    owner = f"comparison {prediction[0].GetID()}|{prediction[1]}|{reference[0].GetID()}|{reference[1]}"
    removeDucts(scene, owner)
    name = _("{prediction} against {reference}").format(prediction=_name(prediction), reference=_name(reference))
    table = _table(scene, owner, name, message["agreement"])
    wrong = _wrong(scene, owner, name, message["wrong"], labels, volumeNode)
    surface = _distances(scene, owner, name, prediction, reference)
    return ComparisonNodes(table, wrong, surface)


def _name(pair) -> str:
    return pair[0].GetSegmentation().GetSegment(pair[1]).GetName()


def _own(node, owner: str, role: str):
    node.SetAttribute(OWNER, owner)
    node.SetAttribute(ROLE, role)
    return node


def _table(scene, owner: str, name: str, agreement: dict[str, Any]):
    node = _own(scene.AddNewNodeByClass("vtkMRMLTableNode", name), owner, "figures")
    node.SetUseColumnTitleAsColumnHeader(True)
    titles, values = vtk.vtkStringArray(), vtk.vtkStringArray()
    titles.SetName(_("Figure"))
    values.SetName(_("Value"))
    for field, title in figureNames().items():
        number = agreement.get(field)
        titles.InsertNextValue(title)
        values.InsertNextValue("–" if number is None else f"{number:.3f}" if abs(number) < 10 else f"{number:.1f}")
    if agreement.get("note"):
        titles.InsertNextValue(_("Note"))
        values.InsertNextValue(str(agreement["note"]))
    node.AddColumn(titles)
    node.AddColumn(values)
    return node


def _wrong(scene, owner: str, name: str, wrong, labels, volumeNode):
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", _("{name}: differences").format(name=name))
    _own(node, owner, "differences")
    node.CreateDefaultDisplayNodes()
    node.SetAndObserveTransformNodeID(volumeNode.GetTransformNodeID())
    node.SetReferenceImageGeometryParameterFromVolumeNode(volumeNode)
    image = orientedLabelmap(wrong, voxelsToSegmentation(volumeNode, node))
    for value, title, colour in ((1, _("too much"), (0.84, 0.37, 0.0)), (2, _("missing"), (0.0, 0.45, 0.70))):
        segment = slicer.vtkSegment()
        segment.SetName(title)
        segment.SetColor(*colour)
        if image is not None and (wrong == value).any():
            segment.SetLabelValue(value)
            segment.AddRepresentation(BINARY, image)
        node.GetSegmentation().AddSegment(segment, title)
    return node


def _distances(scene, owner: str, name: str, prediction, reference):
    """The prediction's surface, coloured by its signed distance to the reference's (positive outside), or None."""
    surfaces = []
    for node, segmentId in (prediction, reference):
        if not node.GetSegmentation().ContainsRepresentation(SURFACE):
            node.CreateClosedSurfaceRepresentation()
        polyData = vtk.vtkPolyData()
        node.GetClosedSurfaceRepresentation(segmentId, polyData)
        if polyData.GetNumberOfPoints() == 0:
            return None
        transform = node.GetParentTransformNode()
        if transform is not None:
            world = vtk.vtkGeneralTransform()
            transform.GetTransformToWorld(world)
            moved = vtk.vtkTransformPolyDataFilter()
            moved.SetInputData(polyData)
            moved.SetTransform(world)
            moved.Update()
            polyData = moved.GetOutput()
        surfaces.append(polyData)
    distance = vtk.vtkDistancePolyDataFilter()
    distance.SetInputData(0, surfaces[0])
    distance.SetInputData(1, surfaces[1])
    distance.ComputeSecondDistanceOff()
    distance.SignedDistanceOn()
    distance.Update()
    coloured = vtk.vtkPolyData()
    coloured.DeepCopy(distance.GetOutput())
    coloured.GetPointData().GetArray("Distance").SetName(DISTANCE)
    coloured.GetPointData().SetActiveScalars(DISTANCE)
    node = scene.AddNewNodeByClass("vtkMRMLModelNode", _("{name}: surface distance").format(name=name))
    _own(node, owner, "distance")
    node.SetAndObservePolyData(coloured)
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    display.SetActiveScalarName(DISTANCE)
    display.SetAndObserveColorNodeID("vtkMRMLColorTableNodeFileDivergingBlueRed.txt")
    display.SetScalarRangeFlag(slicer.vtkMRMLDisplayNode.UseManualScalarRange)
    display.SetScalarRange(-3.0, 3.0)
    display.SetScalarVisibility(True)
    display.SetVisibility2D(False)
    return node
