"""A volume and its segments as one Slicer scene bundle (.mrb), made in real MRML without the application.

    python sceneBundle.py VOLUME SEGMENTATION.seg.nrrd BUNDLE.mrb

A program of its own: `medseg demo` runs it, because the engine does not import Slicer. It needs only Slicer's core
(the ``slicer-core`` wheel) and writes what the application would: the volume, the segments with names, colours,
codes and closed surfaces, and their place under the same subject.
"""

import sys
import tempfile
from pathlib import Path

import slicer


def newScene():
    """A scene with what segmentations need: without the module's logic no representation is registered.

    Returns the scene and the logics, which must outlive the use of the scene.
    """
    scene = slicer.vtkMRMLScene()
    application = slicer.vtkMRMLApplicationLogic()
    application.SetMRMLScene(scene)
    colors = application.GetColorLogic()
    colors.SetMRMLScene(scene)
    colors.AddDefaultColorNodes()
    segmentations = slicer.vtkSlicerSegmentationsModuleLogic()
    segmentations.SetMRMLApplicationLogic(application)
    segmentations.SetMRMLScene(scene)
    return scene, (application, segmentations)


def addVolume(scene, path: Path):
    """Read a scalar volume into the scene."""
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", path.name.split(".")[0])
    storage = scene.AddNewNodeByClass("vtkMRMLVolumeArchetypeStorageNode")
    storage.SetFileName(str(path))
    storage.SetSingleFile(True)
    if not storage.ReadData(node):
        raise OSError(f"{path}: cannot be read as a volume")
    node.SetAndObserveStorageNodeID(storage.GetID())
    node.CreateDefaultDisplayNodes()
    node.GetDisplayNode().SetAndObserveColorNodeID("vtkMRMLColorTableNodeGrey")
    return node


def addSegmentation(scene, path: Path, volumeNode):
    """Read a .seg.nrrd into the scene, with closed surfaces shown in 3D and the geometry of ``volumeNode``."""
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", path.name.split(".")[0])
    storage = scene.AddNewNodeByClass("vtkMRMLSegmentationStorageNode")
    storage.SetFileName(str(path))
    if not storage.ReadData(node):
        raise OSError(f"{path}: cannot be read as a segmentation")
    node.SetAndObserveStorageNodeID(storage.GetID())
    node.SetReferenceImageGeometryParameterFromVolumeNode(volumeNode)
    node.CreateDefaultDisplayNodes()
    node.CreateClosedSurfaceRepresentation()
    node.GetDisplayNode().SetPreferredDisplayRepresentationName3D("Closed surface")
    node.GetDisplayNode().SetVisibility3D(True)
    return node


def placeTogether(scene, *nodes) -> None:
    """List the nodes side by side in the subject hierarchy."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    for node in nodes:
        if not hierarchy.GetItemByDataNode(node):
            hierarchy.CreateItem(hierarchy.GetSceneItemID(), node)


def writeBundle(volumePath: Path, segmentationPath: Path, bundlePath: Path) -> None:
    """Write the bundle; it appears under its name only when complete. Raises OSError."""
    scene, _logics = newScene()
    volumeNode = addVolume(scene, volumePath)
    segmentationNode = addSegmentation(scene, segmentationPath, volumeNode)
    placeTogether(scene, volumeNode, segmentationNode)
    # In a folder of its own, under its own name: MRML names the scene inside after the file, and cannot cope with a
    # hidden one.
    with tempfile.TemporaryDirectory(dir=bundlePath.parent, prefix=".medseg-") as folder:
        unfinished = Path(folder) / bundlePath.name
        if not scene.WriteToMRB(str(unfinished), None):
            raise OSError(f"{bundlePath}: the scene could not be written")
        unfinished.replace(bundlePath)


if __name__ == "__main__":
    try:
        writeBundle(*(Path(argument).resolve() for argument in sys.argv[1:4]))
    except (OSError, TypeError) as error:
        sys.exit(f"{error}")
