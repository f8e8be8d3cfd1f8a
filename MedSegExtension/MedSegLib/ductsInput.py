"""Segments of a segmentation node as label maps of the engine, as they lie in the world."""

from __future__ import annotations

import numpy as np
import slicer
import vtk
from medseg.errors import InputError
from medseg.volume import Volume

from .segmentsOutput import REFERENCE_GEOMETRY, voxelsToSegmentation
from .segmentVoxels import imageArray
from .volumeInput import RAS_TO_LPS

#: Voxels of background kept around a segment that has no reference geometry: it does not end at the image's border.
MARGIN = 2


def segmentVolume(segmentationNode, segmentIds, values=None) -> Volume:
    """One or several segments as a label map in LPS mm, on the segmentation's reference grid.

    Where the reference geometry is not known, or a segment was drawn on another grid, the grid is the segment's own
    with a margin. ``values`` are the label values of ``segmentIds`` (1, 2, ... unless given); of overlapping segments
    the later one wins. A linear parent transform becomes part of the geometry.

    Raises InputError for segments that are not there, not of one grid, or under a transform that is not linear.
    """
    if segmentationNode is None or not segmentationNode.IsA("vtkMRMLSegmentationNode"):
        raise InputError("no segmentation was given", mend="choose a segmentation")
    ids = [segmentIds] if isinstance(segmentIds, str) else list(segmentIds)
    values = list(values) if values is not None else list(range(1, len(ids) + 1))
    images = [_image(segmentationNode, segmentId) for segmentId in ids]
    matrix, extent = _grid(segmentationNode, images)
    shape = tuple(extent[2 * axis + 1] - extent[2 * axis] + 1 for axis in (2, 1, 0))
    labels = np.zeros(shape, np.uint8 if max(values, default=0) < 256 else np.uint16)
    for image, value in zip(images, values, strict=True):
        if image.GetNumberOfPoints():
            _paste(image, labels, extent, value)
    toWorld = _toWorld(segmentationNode) @ matrix
    toWorld[:3, 3] += toWorld[:3, :3] @ np.array([extent[0], extent[2], extent[4]], float)
    lps = RAS_TO_LPS @ toWorld
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    if not np.all(np.isfinite(lps)) or np.any(spacing <= 0):
        raise InputError("the segmentation's geometry is broken", mend="set its source geometry in Segment Editor")
    return Volume(labels, tuple(float(s) for s in spacing), tuple(lps[:3, 3]), lps[:3, :3] / spacing)


def onGridOf(segmentationNode, segmentIds, volumeNode, values=None) -> Volume:
    """Segments as a label map on exactly the grid of a volume node (its voxels, local coordinates of the scene).

    Raises InputError where nothing can be resampled.
    """
    from .volumeInput import volumeFromNode

    volume = volumeFromNode(volumeNode)
    ids = [segmentIds] if isinstance(segmentIds, str) else list(segmentIds)
    values = list(values) if values is not None else list(range(1, len(ids) + 1))
    labels = np.zeros(volume.array.shape, np.uint8 if max(values, default=0) < 256 else np.uint16)
    grid = slicer.vtkOrientedImageData()
    grid.SetDimensions(*volumeNode.GetImageData().GetDimensions())
    grid.SetGeometryFromImageToWorldMatrix(voxelsToSegmentation(volumeNode, segmentationNode))
    resample = slicer.vtkOrientedImageDataResample.ResampleOrientedImageToReferenceOrientedImage
    for segmentId, value in zip(ids, values, strict=True):
        image = _image(segmentationNode, segmentId)
        if not image.GetNumberOfPoints():
            continue
        found = slicer.vtkOrientedImageData()
        # Not slicer.util's arrayFromSegmentBinaryLabelmap: it leaves a display node in the scene each time.
        if not resample(image, grid, found, False, True):
            raise InputError("the segment does not lie in the volume", mend="choose the volume it was drawn on")
        labels[imageArray(found) != 0] = value
    return volume.with_array(labels)


def _image(segmentationNode, segmentId: str):
    segment = segmentationNode.GetSegmentation().GetSegment(segmentId)
    if segment is None:
        raise InputError("that segment is not there any more", mend="choose another one")
    image = slicer.vtkOrientedImageData()
    segmentationNode.GetBinaryLabelmapRepresentation(segmentId, image)
    return image


def _grid(segmentationNode, images) -> tuple[np.ndarray, list[int]]:
    """Matrix from voxel numbers to the segmentation's coordinates, and the extent of the label map."""
    drawn = [image for image in images if image.GetNumberOfPoints()]
    reference = slicer.vtkOrientedImageData()
    text = segmentationNode.GetSegmentation().GetConversionParameter(REFERENCE_GEOMETRY)
    known = bool(text) and slicer.vtkSegmentationConverter.DeserializeImageGeometry(text, reference, False)
    if not drawn and not known:
        raise InputError("the segment is empty", mend="draw something, or segment a volume first")
    matrices = [_matrix(image) for image in drawn]
    if matrices and any(not np.allclose(m, matrices[0], atol=1e-4) for m in matrices):
        raise InputError("the segments do not lie on one grid", mend="measure them one by one")
    if known and (not matrices or np.allclose(_matrix(reference), matrices[0], atol=1e-4)):
        extent = list(reference.GetExtent())
        for image in drawn:  # somebody may have drawn beyond the reference
            own = image.GetExtent()
            for axis in range(3):
                extent[2 * axis] = min(extent[2 * axis], own[2 * axis])
                extent[2 * axis + 1] = max(extent[2 * axis + 1], own[2 * axis + 1])
        return _matrix(reference), extent
    extents = np.array([image.GetExtent() for image in drawn])
    low, high = extents[:, ::2].min(axis=0) - MARGIN, extents[:, 1::2].max(axis=0) + MARGIN
    return matrices[0], [int(v) for pair in zip(low, high, strict=True) for v in pair]


def _matrix(image) -> np.ndarray:
    matrix = vtk.vtkMatrix4x4()
    image.GetImageToWorldMatrix(matrix)
    return np.array(slicer.util.arrayFromVTKMatrix(matrix))


def _paste(image, labels: np.ndarray, extent, value: int) -> None:
    own = image.GetExtent()
    part = tuple(
        slice(own[2 * axis] - extent[2 * axis], own[2 * axis + 1] - extent[2 * axis] + 1) for axis in (2, 1, 0)
    )
    labels[part][imageArray(image) != 0] = value


def _toWorld(segmentationNode) -> np.ndarray:
    transform = segmentationNode.GetParentTransformNode()
    if transform is None:
        return np.eye(4)
    if not transform.IsTransformToWorldLinear():
        raise InputError(
            "the segmentation lies under a transform that is not linear", mend="harden the transform first"
        )
    matrix = vtk.vtkMatrix4x4()
    transform.GetMatrixTransformToWorld(matrix)
    return np.array(slicer.util.arrayFromVTKMatrix(matrix))
