"""The phantom as sample data: an MR cholangiography made on the spot, without a network connection."""

from __future__ import annotations

import numpy as np
import slicer
import vtk

from .segmentsOutput import orientedLabelmap
from .volumeInput import RAS_TO_LPS

#: Seeds from 9000 on are never trained on; this one is the demo's.
DEMO_SEED = 9100


def registerSampleData() -> None:
    """List the phantom in the Sample Data module."""
    import SampleData

    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category="MedSeg",
        sampleName="MRCholangiographyPhantom",
        customDownloader=lambda source: [addPhantom()[0]],
        uris="",  # nothing to download; the module refuses None, and lists of different lengths
        nodeNames="MRCP phantom",
    )


def addPhantom(seed: int = DEMO_SEED):
    """Make a synthetic MR cholangiography and add it to the scene, with its reference segmentation (hidden).

    Returns the volume node and the segmentation node. Takes a few seconds; nothing is downloaded.
    """
    from medseg.phantom import make_phantom

    phantom = make_phantom(seed)
    matrix = vtkMatrix(RAS_TO_LPS @ phantom.volume.ijk_to_lps)
    volumeNode = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", f"MRCP phantom {seed}")
    slicer.util.updateVolumeFromArray(volumeNode, phantom.volume.array)
    volumeNode.SetIJKToRASMatrix(matrix)
    volumeNode.CreateDefaultDisplayNodes()
    referenceNode = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", f"MRCP phantom {seed} reference")
    referenceNode.CreateDefaultDisplayNodes()
    referenceNode.SetReferenceImageGeometryParameterFromVolumeNode(volumeNode)
    image = orientedLabelmap(phantom.labels.array, matrix)
    for value, name in phantomLabels().items():
        segment = slicer.vtkSegment()
        segment.SetName(name)
        segment.SetLabelValue(value)
        if image is not None and np.any(phantom.labels.array == value):
            segment.AddRepresentation("Binary labelmap", image)
        referenceNode.GetSegmentation().AddSegment(segment)
    referenceNode.GetDisplayNode().SetVisibility(False)
    return volumeNode, referenceNode


def phantomLabels() -> dict[int, str]:
    """What the label values of a phantom mean."""
    return {1: "bile ducts", 2: "gallbladder and cystic duct", 3: "pancreatic duct"}


def vtkMatrix(matrix: np.ndarray) -> vtk.vtkMatrix4x4:
    """A (4, 4) array as VTK's matrix."""
    result = vtk.vtkMatrix4x4()
    result.DeepCopy(matrix.ravel())
    return result
