"""What a segment is: its voxels, who wrote it, and whether somebody changed it since."""

from __future__ import annotations

import hashlib

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

#: Tags of segments we wrote: the model's name, the label's name in the card, and a digest of the voxels as written.
MODEL_TAG = "MedSeg.Model"
LABEL_TAG = "MedSeg.Label"
DIGEST_TAG = "MedSeg.Digest"


def segmentTag(segment, name: str) -> str | None:
    """The value of a segment's tag, or None."""
    value = vtk.reference("")
    return str(value) if segment.GetTag(name, value) else None


def segmentDigest(segmentationNode, segmentId: str) -> str:
    """A digest of which voxels a segment has, whatever margins its image has."""
    image = slicer.vtkOrientedImageData()
    segmentationNode.GetBinaryLabelmapRepresentation(segmentId, image)
    extent = [0, -1, 0, -1, 0, -1]
    resample = slicer.vtkOrientedImageDataResample
    if image.GetNumberOfPoints() == 0 or not resample.CalculateEffectiveExtent(image, extent):
        return "empty"
    first = image.GetExtent()
    inside = tuple(
        slice(extent[2 * axis] - first[2 * axis], extent[2 * axis + 1] - first[2 * axis] + 1) for axis in (2, 1, 0)
    )
    voxels = np.packbits(imageArray(image)[inside] != 0)
    return hashlib.sha256(repr(tuple(extent)).encode() + voxels.tobytes()).hexdigest()


def imageArray(image) -> np.ndarray:
    """(k, j, i) view of the voxels of an image."""
    i, j, k = image.GetDimensions()
    return vtk_to_numpy(image.GetPointData().GetScalars()).reshape(k, j, i)
