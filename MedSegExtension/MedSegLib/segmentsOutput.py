"""Segments of the engine into a segmentation node: only our own segments, everything else as it was."""

from __future__ import annotations

import numpy as np
import slicer
import vtk
from medseg.errors import InputError
from medseg.postprocess import bounding_box
from vtk.util.numpy_support import numpy_to_vtk

from .runRecord import RunRecord
from .segmentVoxels import DIGEST_TAG, LABEL_TAG, MODEL_TAG, segmentDigest, segmentTag

BINARY = "Binary labelmap"
SURFACE = "Closed surface"
SMOOTHING = "Smoothing factor"
REFERENCE_GEOMETRY = "Reference image geometry"


def checkSegmentationNode(segmentationNode, volumeNode) -> None:
    """Raise InputError where segments of ``volumeNode`` cannot be written to ``segmentationNode`` (None: a new one)."""
    if segmentationNode is None:
        return
    if not hasattr(segmentationNode, "IsA") or not segmentationNode.IsA("vtkMRMLSegmentationNode"):
        raise InputError("the output is not a segmentation node", mend="choose a segmentation, or none for a new one")
    segmentation = segmentationNode.GetSegmentation()
    if segmentation.GetNumberOfSegments() and segmentation.GetSourceRepresentationName() != BINARY:
        raise InputError(
            "the output segmentation is made of surfaces, not of voxels",
            mend="choose another segmentation, or make its binary labelmap the source in Segmentations",
        )
    voxelsToSegmentation(volumeNode, segmentationNode)


def writeSegments(
    result,
    volumeNode,
    segmentationNode=None,
    smoothingFactor: float | None = None,
    show3D: bool | None = None,
    record: RunRecord | None = None,
):
    """Write the segments of ``result`` (a `medseg.pipeline.Result` on the grid of ``volumeNode``) into the scene.

    Without a segmentation node, makes one beside the volume: same parent transform, same place in the subject
    hierarchy. In a given one, a segment that an earlier run of the same model wrote, and nobody changed since, is
    replaced; all others stay as they are. ``smoothingFactor`` (0 to 1) and ``show3D`` are about the closed surface; by
    default it is made in a new or empty segmentation, and one with segments keeps the representations it has.
    ``record`` is filled with what is needed to take the run back; the surface is then left to `showSurface`, so that
    the application can paint the slices in between.

    Returns the segmentation node and a dict from label name to segment id. Raises InputError.
    """
    checkSegmentationNode(segmentationNode, volumeNode)
    isNew = segmentationNode is None
    if isNew:
        segmentationNode = _newSegmentationNode(volumeNode)
    if show3D is None:
        # Where all segments are ours, taking them out takes the surface with them.
        segmentation = segmentationNode.GetSegmentation()
        show3D = segmentation.GetNumberOfSegments() == 0 or segmentation.ContainsRepresentation(SURFACE)
    later = record is not None
    record = RunRecord() if record is None else record
    record.segmentationNode, record.isNew, record.wantsSurface = segmentationNode, isNew, show3D
    geometry = voxelsToSegmentation(volumeNode, segmentationNode)
    wasModifying = segmentationNode.StartModify()
    try:
        if isNew or not segmentationNode.GetSegmentation().GetConversionParameter(REFERENCE_GEOMETRY):
            segmentationNode.SetReferenceImageGeometryParameterFromVolumeNode(volumeNode)
        if smoothingFactor is not None:
            segmentationNode.GetSegmentation().SetConversionParameter(SMOOTHING, str(float(smoothingFactor)))
        ids = _writeLabels(result, segmentationNode, geometry, record)
        if show3D and not later:
            showSurface(segmentationNode, isNew)
    finally:
        segmentationNode.EndModify(wasModifying)
    if isNew:
        placeBeside(segmentationNode, volumeNode)
    return segmentationNode, ids


def voxelsToSegmentation(volumeNode, segmentationNode) -> vtk.vtkMatrix4x4:
    """Matrix from voxels of the volume to the coordinates of the segmentation, so that both coincide in the world.

    Raises InputError where the transforms of the two do not allow it.
    """
    matrix = vtk.vtkMatrix4x4()
    volumeNode.GetIJKToRASMatrix(matrix)
    source, target = volumeNode.GetParentTransformNode(), segmentationNode.GetParentTransformNode()
    if source is target:
        return matrix
    for transformNode in (source, target):
        if transformNode is not None and not transformNode.IsTransformToWorldLinear():
            raise InputError(
                "volume and output segmentation lie under different transforms, and one is not linear",
                mend="put both under the same transform, or choose no segmentation for a new one",
            )
    between = vtk.vtkMatrix4x4()
    slicer.vtkMRMLTransformNode.GetMatrixTransformBetweenNodes(source, target, between)
    vtk.vtkMatrix4x4.Multiply4x4(between, matrix, matrix)
    axes = slicer.util.arrayFromVTKMatrix(matrix)[:3, :3]
    axes = axes / np.linalg.norm(axes, axis=0)
    if np.abs(axes.T @ axes - np.eye(3)).max() > 1e-3:
        raise InputError(
            "seen from the output segmentation the volume is sheared",
            mend="put both under the same transform, or choose no segmentation for a new one",
        )
    return matrix


def _newSegmentationNode(volumeNode):
    scene = volumeNode.GetScene()
    name = scene.GenerateUniqueName(f"{volumeNode.GetName()} segmentation")
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    node.CreateDefaultDisplayNodes()
    node.SetAndObserveTransformNodeID(volumeNode.GetTransformNodeID())
    return node


def _writeLabels(result, segmentationNode, geometry, record: RunRecord) -> dict[str, str]:
    segmentation = segmentationNode.GetSegmentation()
    image = orientedLabelmap(result.labels.array, geometry)
    model = result.card.name
    ids = {}
    for info in result.segments:
        segment = slicer.vtkSegment()
        segment.SetName(info.name)
        segment.SetNameAutoGenerated(False)
        segment.SetColor(*info.color)
        segment.SetColorAutoGenerated(False)
        position, segmentId = _takeOut(segmentationNode, segment, model, info.name, record)
        if info.terminology:
            segment.SetTag(slicer.vtkSegment.GetTerminologyEntryTagName(), info.terminology)
        segment.SetTag(MODEL_TAG, model)
        segment.SetTag(LABEL_TAG, info.name)
        # What Slicer's DICOM SEG export writes about who drew the segment.
        segment.SetTag("DICOM.SegmentAlgorithmType", "AUTOMATIC")
        segment.SetTag("DICOM.SegmentAlgorithmName", f"{model} {result.card.version}".strip())
        if image is not None and result.voxel_counts.get(info.value):
            # All our segments share this one image (they never overlap); those of others stay in theirs.
            segment.SetLabelValue(info.value)
            segment.AddRepresentation(BINARY, image)
        segmentId = segmentId or segmentation.GenerateUniqueSegmentID(info.name)
        segmentation.AddSegment(segment, segmentId)
        if position is not None:
            segmentation.SetSegmentIndex(segmentId, position)
        record.written[segmentId] = segmentDigest(segmentationNode, segmentId)
        segment.SetTag(DIGEST_TAG, record.written[segmentId])
        ids[info.name] = segmentId
    return ids


def _takeOut(segmentationNode, replacement, model: str, label: str, record: RunRecord) -> tuple[int | None, str]:
    """Remove our unchanged segment of an earlier run; what a person called and coloured it goes to ``replacement``."""
    segmentation = segmentationNode.GetSegmentation()
    for position in range(segmentation.GetNumberOfSegments()):
        segmentId = segmentation.GetNthSegmentID(position)
        segment = segmentation.GetSegment(segmentId)
        if (segmentTag(segment, MODEL_TAG), segmentTag(segment, LABEL_TAG)) != (model, label):
            continue
        if segmentTag(segment, DIGEST_TAG) != segmentDigest(segmentationNode, segmentId):
            continue  # somebody corrected it by hand: it is theirs now
        replacement.SetName(segment.GetName())
        replacement.SetColor(*segment.GetColor())
        record.keep(position, segmentId, segment)
        segmentation.RemoveSegment(segmentId)
        return position, segmentId
    return None, ""


def orientedLabelmap(labels: np.ndarray, geometry: vtk.vtkMatrix4x4):
    """The part of ``labels`` (k, j, i) that holds anything, as vtkOrientedImageData; None where all is 0."""
    box = bounding_box(labels != 0)
    if box is None:
        return None
    part = np.ascontiguousarray(labels[box])
    image = slicer.vtkOrientedImageData()
    image.SetExtent(*(end for axis in reversed(box) for end in (axis.start, axis.stop - 1)))
    scalars = numpy_to_vtk(part.ravel(), deep=True)
    scalars.SetName("ImageScalars")  # as VTK's own images have it; Slicer's DICOM SEG export asks for it by this name
    image.GetPointData().SetScalars(scalars)
    image.SetGeometryFromImageToWorldMatrix(geometry)
    return image


def showSurface(segmentationNode, isNew: bool = False) -> None:
    """Make the closed surface of all segments, and show it where the segmentation is new."""
    segmentationNode.CreateClosedSurfaceRepresentation()
    displayNode = segmentationNode.GetDisplayNode()
    if isNew and displayNode is not None:
        displayNode.SetPreferredDisplayRepresentationName3D(SURFACE)
        displayNode.SetVisibility3D(True)


def placeBeside(segmentationNode, volumeNode) -> None:
    """Put the segmentation under the study (or folder) of the volume in the subject hierarchy."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(volumeNode.GetScene())
    if hierarchy is None:
        return
    volumeItem = hierarchy.GetItemByDataNode(volumeNode)
    if not volumeItem:
        return
    parent = hierarchy.GetItemParent(volumeItem)
    item = hierarchy.GetItemByDataNode(segmentationNode)
    if item:
        hierarchy.SetItemParent(item, parent)
    else:
        hierarchy.CreateItem(parent, segmentationNode)
