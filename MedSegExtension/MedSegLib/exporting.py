"""Results as files: label maps, surfaces, and DICOM SEG through Slicer's own exporter."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from pathlib import Path

import slicer
import vtk
from medseg.errors import InputError

#: What can be written -> ending of the file names.
FORMATS = {"nrrd": ".seg.nrrd", "nifti": ".nii.gz", "stl": ".stl", "obj": ".obj"}


def export(segmentationNode, segmentIds: list[str], kind: str, path: str | Path, volumeNode=None) -> list[Path]:
    """Write the segments.

    :param kind: "nrrd" (one .seg.nrrd with names, colours and codes), "nifti" (one label map on the volume's grid),
        "stl" or "obj" (a folder with one surface for each segment, in LPS as other programs expect).
    :param path: the file, or the folder for surfaces.
    :param volumeNode: whose grid the label map has; by default the segmentation's reference.
    :return: the files written.
    :raises InputError: where nothing can be written.
    """
    if segmentationNode is None or segmentationNode.GetScene() is None:
        raise InputError("the segmentation is no longer in the scene", mend="run it again")
    if kind not in FORMATS:
        raise InputError(f"there is no export to {kind}", mend=f"use one of {', '.join(FORMATS)}")
    path = Path(path)
    folder = path if kind in ("stl", "obj") else path.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Written beside and moved, so that a name never stands for half a file.
        with tempfile.TemporaryDirectory(dir=folder, prefix=".medseg-") as temporary:
            if kind in ("stl", "obj"):
                written = _surfaces(segmentationNode, segmentIds, kind, Path(temporary))
                targets = [folder / file.name for file in written]
            else:
                name = path.name if path.name.endswith(FORMATS[kind]) else path.name + FORMATS[kind]
                file = Path(temporary) / name
                (_nrrd if kind == "nrrd" else _labelmap)(segmentationNode, segmentIds, file, volumeNode)
                written, targets = [file], [folder / name]
            for file, target in zip(written, targets, strict=True):
                if not file.is_file() or file.stat().st_size == 0:
                    raise InputError("Slicer wrote no file", file=target, mend="look into the application's log")
                shutil.move(file, target)
    except OSError as error:
        raise InputError(
            f"the file cannot be written ({error.strerror})", file=path, mend="choose a folder you may write to"
        ) from None
    return targets


def canExportDicom() -> bool:
    """Whether Slicer's own DICOM export is here."""
    return hasattr(slicer, "qSlicerDICOMExportDialog")


def exportDicom(segmentationNode) -> None:
    """Open Slicer's export dialog at the segmentation. Raises InputError where Slicer has none."""
    if not canExportDicom():
        raise InputError("this Slicer has no DICOM export", mend="install the extension QuantitativeReporting")
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    dialog = slicer.qSlicerDICOMExportDialog(None)
    dialog.setMRMLScene(slicer.mrmlScene)
    dialog.execDialog(hierarchy.GetItemByDataNode(segmentationNode))


def _strings(values: list[str]):
    array = vtk.vtkStringArray()
    for value in values:
        array.InsertNextValue(value)
    return array


def _nrrd(segmentationNode, segmentIds: list[str], file: Path, volumeNode) -> None:
    """The whole segmentation as Slicer saves it; `segmentIds` are all of ours, others in the node stay with them."""
    storage = slicer.vtkMRMLSegmentationStorageNode()
    storage.SetScene(segmentationNode.GetScene())
    storage.SetFileName(str(file))
    storage.SetUseCompression(True)
    if not storage.WriteData(segmentationNode):
        raise InputError("Slicer could not write the segmentation", file=file.name, mend="look into its log")


def _labelmap(segmentationNode, segmentIds: list[str], file: Path, volumeNode) -> None:
    scene = segmentationNode.GetScene()
    node = scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode")
    colour = None
    try:
        logic = slicer.modules.segmentations.logic()
        if not logic.ExportSegmentsToLabelmapNode(
            segmentationNode,
            _strings(segmentIds),
            node,
            volumeNode,
            slicer.vtkSegmentation.EXTENT_REFERENCE_GEOMETRY,
        ):
            raise InputError("Slicer could not make a label map", mend="look into the application's log")
        display = node.GetDisplayNode()
        colour = display.GetColorNode() if display is not None else None
        storage = slicer.vtkMRMLVolumeArchetypeStorageNode()
        storage.SetScene(scene)
        storage.SetFileName(str(file))
        storage.SetUseCompression(True)
        if not storage.WriteData(node):
            raise InputError("Slicer could not write the label map", file=file.name, mend="look into its log")
    finally:
        display = node.GetDisplayNode()
        for extra in (display, colour if colour is not None and not colour.GetSingletonTag() else None, node):
            with contextlib.suppress(AttributeError):
                if extra is not None and extra.GetScene() is scene:
                    scene.RemoveNode(extra)


def _surfaces(segmentationNode, segmentIds: list[str], kind: str, folder: Path) -> list[Path]:
    had = segmentationNode.GetSegmentation().ContainsRepresentation("Closed surface")
    segmentationNode.CreateClosedSurfaceRepresentation()
    # It says True even where nothing was written: the files are looked at.
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    logic.ExportSegmentsClosedSurfaceRepresentationToFiles(
        str(folder), segmentationNode, _strings(segmentIds), kind.upper(), True, 1.0, False
    )
    if not had:
        segmentationNode.GetSegmentation().RemoveRepresentation("Closed surface")
    written = sorted(file for file in folder.iterdir() if file.suffix in (f".{kind}", ".mtl"))
    if not any(file.suffix == f".{kind}" for file in written):
        raise InputError("there is no surface to write", mend="an empty segment has none; OBJ needs a 3D display")
    return written
