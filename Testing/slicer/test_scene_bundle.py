"""The bundle that the demo writes, opened again in real MRML as a person's Slicer would."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

slicer = pytest.importorskip("slicer", reason="needs the slicer-core wheel")
vtk = pytest.importorskip("vtk")

PROGRAM = Path(__file__).resolve().parents[2] / "MedSegExtension" / "MedSegLib" / "sceneBundle.py"


def test_a_bundle_opens_with_volume_segments_and_surfaces(tmp_path: Path, scene) -> None:
    from medseg.io import SegmentInfo, write_segmentation_file, write_volume
    from medseg.volume import Volume

    array = np.zeros((10, 12, 14), np.uint8)
    array[2:8, 3:9, 4:10] = 1
    array[2:8, 3:9, 11:13] = 2
    angle = np.radians(20)
    direction = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    labels = Volume(array, (1.0, 1.5, 2.0), (10.0, -20.0, 30.0), direction)
    folder = tmp_path / "Žluč ducts"
    folder.mkdir()
    write_volume(labels.with_array(array.astype(np.int16) * 100), folder / "mrcp.nii.gz")
    infos = [SegmentInfo(1, "bile ducts", (0.0, 0.6, 0.1), None), SegmentInfo(2, "gallbladder", (0.5, 0.6, 0.4), None)]
    write_segmentation_file(labels, infos, folder / "ducts.seg.nrrd")

    subprocess.run(
        [sys.executable, "-P", PROGRAM, folder / "mrcp.nii.gz", folder / "ducts.seg.nrrd", folder / "demo.mrb"],
        check=True,
        timeout=120,
    )

    assert sorted(p.name for p in folder.iterdir()) == ["demo.mrb", "ducts.seg.nrrd", "mrcp.nii.gz"]
    cache, manager = slicer.vtkCacheManager(), slicer.vtkDataIOManager()  # the application has these
    cache.SetRemoteCacheDirectory(str(tmp_path))
    manager.SetCacheManager(cache)
    scene.SetDataIOManager(manager)
    assert scene.ReadFromMRB(str(folder / "demo.mrb"), False)
    node = scene.GetFirstNodeByClass("vtkMRMLSegmentationNode")
    segmentation = node.GetSegmentation()
    assert [segmentation.GetNthSegment(n).GetName() for n in range(2)] == ["bile ducts", "gallbladder"]
    assert segmentation.GetNthSegment(0).GetColor() == pytest.approx((0.0, 0.6, 0.1), abs=0.01)
    node.CreateClosedSurfaceRepresentation()
    for number, value in enumerate((1, 2)):
        surface = vtk.vtkPolyData()
        assert node.GetClosedSurfaceRepresentation(segmentation.GetNthSegmentID(number), surface)
        centre = np.array(surface.GetBounds()).reshape(3, 2).mean(axis=1)
        kji = np.argwhere(array == value)
        corners = (labels.ijk_to_lps @ np.c_[kji[:, ::-1], np.ones(len(kji))].T)[:3]
        expected = (corners.min(axis=1) + corners.max(axis=1)) / 2 * [-1, -1, 1]  # LPS to RAS
        np.testing.assert_allclose(centre, expected, atol=0.5)
    volume = scene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode")
    assert volume.GetImageData().GetDimensions() == (14, 12, 10)
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    items = [hierarchy.GetItemByDataNode(n) for n in (node, volume)]
    assert all(items) and hierarchy.GetItemParent(items[0]) == hierarchy.GetItemParent(items[1])


def test_a_missing_volume_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-P", PROGRAM, tmp_path / "no.nii.gz", tmp_path / "no.seg.nrrd", tmp_path / "demo.mrb"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1 and "no.nii.gz: cannot be read as a volume" in done.stderr
    assert not list(tmp_path.iterdir())
