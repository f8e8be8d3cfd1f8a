"""Volume nodes of the scene to volumes of the engine."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import slicer
import vtk
from medseg.errors import InputError
from medseg.volume import DIRECTION_TOLERANCE, Volume

#: The scene's axes point right, anterior and superior; those of DICOM and the engine left, posterior and superior.
RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])

#: What is no image of one number a voxel, and what to do about it. The first class that fits answers.
REFUSED = (
    ("vtkMRMLLabelMapVolumeNode", "a label map, not an image", "choose the image that it was drawn on"),
    ("vtkMRMLDiffusionTensorVolumeNode", "a diffusion tensor image", "choose a scalar image"),
    (
        "vtkMRMLDiffusionWeightedVolumeNode",
        "a diffusion weighted image with several directions",
        "extract one volume from it first",
    ),
    ("vtkMRMLMultiVolumeNode", "a 4D image", "extract one time point from it first"),
    ("vtkMRMLVectorVolumeNode", "a colour or vector image", "convert it with the module Vector to Scalar Volume"),
    ("vtkMRMLTensorVolumeNode", "a tensor image", "choose a scalar image"),
    ("vtkMRMLSequenceNode", "a sequence of images", "choose the volume that the sequence browser shows"),
    ("vtkMRMLSequenceBrowserNode", "a sequence browser", "choose the volume that it shows"),
)


def volumesFromNodes(nodes) -> tuple[list, list[Volume]]:
    """The node or nodes a caller gave, as a list, and their volumes. Raises InputError."""
    given = list(nodes) if isinstance(nodes, Sequence) and not isinstance(nodes, str) else [nodes]
    if not given:
        raise InputError("no input volume was given", mend="choose a volume")
    return given, [volumeFromNode(node) for node in given]


def volumeFromNode(node) -> Volume:
    """The engine's volume of a scalar volume node, as it lies in the world.

    The voxels are not copied. A linear parent transform becomes part of the geometry. The node's name stays here: it
    may be a patient's.

    Raises InputError for nodes without image, for other kinds of node, and for transforms the engine cannot follow.
    """
    checkVolumeNode(node)
    ijkToWorld = worldMatrix(node)
    axes = ijkToWorld[:3, :3]
    # The scene keeps spacing times direction; the last digit of the quotient is noise (1.2499999999999998 mm for 1.25),
    # which could round a resampled size the other way than the file's own number does.
    spacing = np.array([float(f"{length:.14g}") for length in np.linalg.norm(axes, axis=0)])
    if not np.all(np.isfinite(ijkToWorld)) or np.any(spacing <= 0):
        raise InputError("the volume's geometry is broken (a voxel has no size)", mend="correct its spacing in Volumes")
    direction = axes / spacing
    if np.abs(direction.T @ direction - np.eye(3)).max() > DIRECTION_TOLERANCE:
        raise InputError(
            "the volume's axes are not perpendicular (a sheared image or transform)",
            mend="resample the volume onto a regular grid, for example with Resample Scalar Volume",
        )
    return Volume(slicer.util.arrayFromVolume(node), tuple(spacing), tuple(ijkToWorld[:3, 3]), direction, name="volume")


def checkVolumeNode(node) -> None:
    """Raise InputError unless ``node`` is a scalar volume node with one number in each of its voxels."""
    if node is None:
        raise InputError("no input volume was given", mend="choose a volume")
    if not hasattr(node, "IsA"):
        raise InputError(
            f"a volume node is needed, not {type(node).__name__}",
            mend="pass a node, for example slicer.util.getNode('name')",
        )
    for className, what, mend in REFUSED:
        if node.IsA(className):
            raise InputError(f"the input is {what}", mend=mend)
    if not node.IsA("vtkMRMLScalarVolumeNode"):
        raise InputError(f"the input is a {node.GetClassName()}, not a volume", mend="choose a scalar volume")
    image = node.GetImageData()
    if (
        image is None
        or image.GetPointData() is None
        or image.GetPointData().GetScalars() is None
        or image.GetNumberOfPoints() == 0
    ):
        raise InputError("the volume node holds no image", mend="load the image again, or choose another volume")
    if image.GetNumberOfScalarComponents() != 1:
        raise InputError(
            f"the volume has {image.GetNumberOfScalarComponents()} numbers in each voxel",
            mend="convert it with the module Vector to Scalar Volume",
        )


def worldMatrix(node) -> np.ndarray:
    """(4, 4) matrix from a volume node's voxels (i, j, k) to LPS mm in the world. Raises InputError if not linear."""
    ijkToRas = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(ijkToRas)
    matrix = slicer.util.arrayFromVTKMatrix(ijkToRas)
    transformNode = node.GetParentTransformNode()
    if transformNode is not None:
        if not transformNode.IsTransformToWorldLinear():
            raise InputError(
                "the volume lies under a transform that is not linear", mend="harden the transform on the volume first"
            )
        toWorld = vtk.vtkMatrix4x4()
        transformNode.GetMatrixTransformToWorld(toWorld)
        matrix = slicer.util.arrayFromVTKMatrix(toWorld) @ matrix
    return RAS_TO_LPS @ matrix
