"""Segmentation files: what is written is read back, by us and by 3D Slicer's own code, and the reverse."""

from __future__ import annotations

import dataclasses
import warnings
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from medseg.errors import InputError
from medseg.io import (
    MedSegWarning,
    SegmentInfo,
    read_labels,
    read_segmentation_file,
    read_volume,
    write_labels,
    write_segmentation_file,
)
from medseg.volume import Volume

TERMINOLOGY = (
    "Segmentation category and type - DICOM master list~SCT^123037004^Anatomical Structure~SCT^64033007^Duct~^^"
    "~Anatomic codes - DICOM master list~SCT^28273000^Bile duct~^^"
)
SEGMENTS = [
    SegmentInfo(1, "žlučové cesty", (0.25, 0.5, 1.0), TERMINOLOGY),
    SegmentInfo(3, "gall bladder | 2 = b", (0.0, 1.0, 0.125)),
    SegmentInfo(9, "nothing found", (1.0, 0.0, 0.0), TERMINOLOGY),
]


@pytest.fixture
def labels(oblique: Volume) -> Volume:
    """Labels 1 and 3 on an oblique grid; neither reaches its border, and neither is symmetric."""
    array = np.zeros(oblique.array.shape, np.uint8)
    array[1:3, 1:5, 2:4] = 1
    array[2:4, 4:6, 5:8] = 3
    array[3, 1, 7] = 1
    return dataclasses.replace(oblique, array=array)


def test_segments_and_voxels_come_back(labels, tmp_path):
    write_segmentation_file(labels, SEGMENTS, tmp_path / "Žluč ducts.seg.nrrd")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        back, segments = read_segmentation_file(tmp_path / "Žluč ducts.seg.nrrd")
    assert segments == SEGMENTS
    assert np.array_equal(back.array, labels.array)
    assert back.same_grid(labels, 1e-6)
    assert back.name == "Žluč ducts"


@pytest.mark.parametrize("suffix", [".nii.gz", ".nii", ".nrrd", ".mha"])
def test_plain_label_maps_keep_values_and_grid(labels, tmp_path, suffix):
    write_segmentation_file(labels, SEGMENTS, tmp_path / f"l{suffix}")
    back, segments = read_segmentation_file(tmp_path / f"l{suffix}")
    assert np.array_equal(back.array, labels.array) and back.array.dtype == np.uint8
    assert back.same_grid(labels, 1e-4)
    assert [s.value for s in segments] == [1, 3]
    assert len({s.color for s in segments}) == 2


def test_labels_that_nobody_described_are_named(labels, tmp_path):
    write_segmentation_file(labels, SEGMENTS[:1], tmp_path / "l.seg.nrrd")
    _, segments = read_segmentation_file(tmp_path / "l.seg.nrrd")
    assert [(s.value, s.name) for s in segments] == [(1, "žlučové cesty"), (3, "Segment_3")]


def test_what_no_segment_can_be_is_refused(labels, tmp_path):
    with pytest.raises(InputError, match="same label value"):
        write_segmentation_file(labels, [SEGMENTS[0], SEGMENTS[0]], tmp_path / "l.seg.nrrd")
    with pytest.raises(InputError, match="label value 0"):
        SegmentInfo(0, "background", (0, 0, 0))
    with pytest.raises(InputError, match="colour"):
        SegmentInfo(1, "x", (255, 0, 0))
    assert not list(tmp_path.iterdir())


def test_a_name_of_several_lines_cannot_break_the_header(labels, tmp_path):
    write_segmentation_file(labels, [SegmentInfo(1, "a\nSegment0_ID:=x\r\n\n b", (1, 0, 0))], tmp_path / "l.seg.nrrd")
    back, segments = read_segmentation_file(tmp_path / "l.seg.nrrd")
    assert segments[0].name == "a Segment0_ID:=x b"
    assert np.array_equal(back.array, labels.array)


def test_more_than_255_labels_are_sixteen_bits(oblique, tmp_path):
    array = np.arange(oblique.array.size, dtype=np.int32).reshape(oblique.array.shape)
    write_labels(oblique.with_array(array), tmp_path / "l.seg.nrrd".replace(".seg", ""))
    write_segmentation_file(oblique.with_array(array), [], tmp_path / "l.seg.nrrd")
    for name in ("l.nrrd", "l.seg.nrrd"):
        back = read_labels(tmp_path / name)
        assert back.array.dtype == np.uint16 and np.array_equal(back.array, array)


def write_layers(path: Path, grid: Volume, layers: list[np.ndarray], fields: dict[str, str]) -> None:
    image = sitk.Compose([sitk.GetImageFromArray(layer) for layer in layers])
    image.SetSpacing(grid.spacing)
    image.SetOrigin(grid.origin)
    image.SetDirection(grid.direction.ravel().tolist())
    for key, value in fields.items():
        image.SetMetaData(key, value)
    sitk.WriteImage(image, str(path))


def segment_fields(*entries: tuple[int, int]) -> dict[str, str]:
    fields = {}
    for n, (layer, value) in enumerate(entries):
        fields |= {
            f"Segment{n}_ID": f"id{n}",
            f"Segment{n}_Name": f"name{n}",
            f"Segment{n}_Color": "1 0 0",
            f"Segment{n}_Layer": str(layer),
            f"Segment{n}_LabelValue": str(value),
        }
    return fields


def test_overlapping_layers_are_flattened_and_the_overlap_is_counted(oblique, tmp_path):
    first, second = np.zeros((2, *oblique.array.shape), np.uint8)
    first[1:3, 1:4, 1:4] = 1
    second[2:4, 2:5, 2:5] = 1
    write_layers(tmp_path / "o.seg.nrrd", oblique, [first, second], segment_fields((0, 1), (1, 1)))
    with pytest.warns(MedSegWarning) as caught:
        back, segments = read_segmentation_file(tmp_path / "o.seg.nrrd")
    assert any("overlapped in 4 voxels" in str(w.message) for w in caught)
    assert [(s.value, s.name) for s in segments] == [(1, "name0"), (2, "name1")]
    assert np.array_equal(back.array, np.where(second, 2, first))
    assert back.same_grid(oblique, 1e-6)


def test_layers_with_distinct_values_keep_them(oblique, tmp_path):
    first, second = np.zeros((2, *oblique.array.shape), np.uint8)
    first[0, 0, 0:2] = [4, 2]
    second[1] = 7
    write_layers(tmp_path / "o.seg.nrrd", oblique, [first, second], segment_fields((0, 4), (1, 7), (0, 2)))
    with pytest.warns(MedSegWarning, match="flattened"):
        back, segments = read_segmentation_file(tmp_path / "o.seg.nrrd")
    assert [s.value for s in segments] == [4, 7, 2]
    assert np.array_equal(back.array, first + second)


def test_a_segment_that_points_outside_the_file_is_refused(oblique, tmp_path):
    layer = np.zeros(oblique.array.shape, np.uint8)
    write_layers(tmp_path / "o.seg.nrrd", oblique, [layer, layer], segment_fields((0, 1), (2, 1)))
    with pytest.raises(InputError, match="segment 1 points outside"):
        read_segmentation_file(tmp_path / "o.seg.nrrd")


def test_files_of_old_slicers_have_a_layer_for_each_segment(oblique, tmp_path):
    """Before 4.11 there were neither layers nor label values in the header."""
    first, second = np.zeros((2, *oblique.array.shape), np.uint8)
    first[1], second[3] = 1, 1
    fields = {f"Segment{n}_{key}": value for n in range(2) for key, value in (("ID", f"S{n}"), ("Name", f"old {n}"))}
    write_layers(tmp_path / "o.seg.nrrd", oblique, [first, second], fields)
    with pytest.warns(MedSegWarning):
        back, segments = read_segmentation_file(tmp_path / "o.seg.nrrd")
    assert [(s.value, s.name) for s in segments] == [(1, "old 0"), (2, "old 1")]
    assert np.array_equal(back.array, first + 2 * second)


def test_fractional_label_maps_and_surfaces_are_refused(labels, tmp_path):
    image = sitk.GetImageFromArray(labels.array)
    for key, value in (
        *segment_fields((0, 1)).items(),
        ("Segmentation_ContainedRepresentationNames", "Fractional labelmap|"),
    ):
        image.SetMetaData(key, value)
    sitk.WriteImage(image, str(tmp_path / "f.seg.nrrd"))
    with pytest.raises(InputError, match="Fractional labelmap"):
        read_segmentation_file(tmp_path / "f.seg.nrrd")


@pytest.fixture(scope="module")
def slicer():
    module = pytest.importorskip("slicer", reason="the slicer-core wheel is not installed")
    module.testScene = module.vtkMRMLScene()
    module.testApplication = module.vtkMRMLApplicationLogic()
    module.testApplication.SetMRMLScene(module.testScene)
    module.testLogic = module.vtkSlicerSegmentationsModuleLogic()
    module.testLogic.SetMRMLApplicationLogic(module.testApplication)
    module.testLogic.SetMRMLScene(module.testScene)
    return module


class TestRealSlicer:
    """Against vtkMRMLSegmentationStorageNode of the slicer-core wheel."""

    def mask(self, slicer, node, segment_id: str, like: Volume) -> np.ndarray:
        """The voxels of one segment on the grid of ``like``, found through Slicer's own RAS geometry."""
        from vtk.util.numpy_support import vtk_to_numpy
        from vtkmodules.vtkCommonMath import vtkMatrix4x4

        image = slicer.vtkOrientedImageData()
        node.GetBinaryLabelmapRepresentation(segment_id, image)
        out = np.zeros(like.array.shape, bool)
        i0, i1, j0, j1, k0, k1 = image.GetExtent()
        if i1 < i0:
            return out
        array = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(k1 - k0 + 1, j1 - j0 + 1, i1 - i0 + 1)
        matrix = vtkMatrix4x4()
        image.GetImageToWorldMatrix(matrix)
        to_ras = np.array([[matrix.GetElement(r, c) for c in range(4)] for r in range(4)])
        k, j, i = np.nonzero(array)
        ras = to_ras @ np.array([i + i0, j + j0, k + k0, np.ones_like(i)], float)
        ijk = np.linalg.inv(np.diag([-1, -1, 1, 1]) @ like.ijk_to_lps) @ ras
        assert np.abs(ijk - np.rint(ijk)).max(initial=0) < 1e-3
        i, j, k, _ = np.rint(ijk).astype(int)
        out[k, j, i] = True
        return out

    def load(self, slicer, path: Path):
        node = slicer.testScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
        storage = slicer.vtkMRMLSegmentationStorageNode()
        slicer.testScene.AddNode(storage)
        storage.SetFileName(str(path))
        assert storage.ReadData(node)
        return node

    def test_slicer_reads_names_colours_terminology_and_every_voxel(self, slicer, labels, tmp_path):
        path = tmp_path / "Žluč ducts.seg.nrrd"
        write_segmentation_file(labels, SEGMENTS, path)
        node = self.load(slicer, path)
        segmentation = node.GetSegmentation()
        assert segmentation.GetNumberOfSegments() == 3
        for n, expected in enumerate(SEGMENTS):
            segment_id = segmentation.GetNthSegmentID(n)
            segment = segmentation.GetNthSegment(n)
            assert segment.GetName() == expected.name
            assert segment.GetColor() == pytest.approx(expected.color)
            assert not segment.GetNameAutoGenerated() and not segment.GetColorAutoGenerated()
            found, tag = self.tag(slicer, segment)
            if expected.terminology:  # Slicer puts its default, "Tissue", where a file says nothing
                assert found and tag == expected.terminology
            assert np.array_equal(self.mask(slicer, node, segment_id, labels), labels.array == expected.value)

    def tag(self, slicer, segment) -> tuple[bool, str]:
        import vtk

        value = vtk.mutable("")
        found = segment.GetTag(segment.GetTerminologyEntryTagName(), value)
        return bool(found), str(value)

    def test_slicer_is_told_the_reference_geometry(self, slicer, labels, tmp_path):
        write_segmentation_file(labels, SEGMENTS, tmp_path / "l.seg.nrrd")
        segmentation = self.load(slicer, tmp_path / "l.seg.nrrd").GetSegmentation()
        numbers = [float(p) for p in segmentation.GetConversionParameter("Reference image geometry").split(";") if p]
        assert np.allclose(np.reshape(numbers[:16], (4, 4)), np.diag([-1, -1, 1, 1]) @ labels.ijk_to_lps)
        assert numbers[16:] == [0, 8, 0, 6, 0, 4]

    def test_slicer_can_export_it_to_a_label_map_on_the_same_grid(self, slicer, labels, tmp_path):
        write_segmentation_file(labels, SEGMENTS, tmp_path / "l.seg.nrrd")
        node = self.load(slicer, tmp_path / "l.seg.nrrd")
        storage = slicer.vtkMRMLSegmentationStorageNode()
        slicer.testScene.AddNode(storage)
        storage.SetFileName(str(tmp_path / "again.seg.nrrd"))
        assert storage.WriteData(node)
        back, segments = read_segmentation_file(tmp_path / "again.seg.nrrd")
        assert [s.name for s in segments] == [s.name for s in SEGMENTS]
        assert [segments[0].terminology, segments[2].terminology] == [TERMINOLOGY, TERMINOLOGY]
        assert back.same_grid(labels, 1e-4)
        for ours, theirs in zip(SEGMENTS, segments, strict=True):
            assert np.array_equal(back.array == theirs.value, labels.array == ours.value)

    @pytest.mark.parametrize("crop", [False, True])
    def test_slicers_own_files_come_back_on_the_reference_grid(self, slicer, labels, tmp_path, crop):
        """Two overlapping segments, drawn in Slicer on the grid of a volume and saved whole or cropped."""
        import vtk
        from vtk.util.numpy_support import vtk_to_numpy

        ras = np.diag([-1.0, -1.0, 1.0, 1.0]) @ labels.ijk_to_lps
        matrix = vtk.vtkMatrix4x4()
        for row in range(4):
            for column in range(4):
                matrix.SetElement(row, column, ras[row, column])
        k, j, i = labels.array.shape
        reference = slicer.testScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
        empty = vtk.vtkImageData()
        empty.SetDimensions(i, j, k)
        empty.AllocateScalars(vtk.VTK_SHORT, 1)
        reference.SetAndObserveImageData(empty)
        reference.SetIJKToRASMatrix(matrix)
        node = slicer.testScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
        node.SetReferenceImageGeometryParameterFromVolumeNode(reference)
        masks = [np.zeros(labels.array.shape, np.uint8) for _ in range(2)]
        masks[0][1:3, 1:5, 2:4] = 1
        masks[1][2:4, 3:6, 3:8] = 1
        for n, mask in enumerate(masks):
            image = slicer.vtkOrientedImageData()
            image.SetDimensions(i, j, k)
            image.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 1)
            image.SetImageToWorldMatrix(matrix)
            vtk_to_numpy(image.GetPointData().GetScalars())[:] = mask.ravel()
            node.AddSegmentFromBinaryLabelmapRepresentation(image, f"část {n}", [n, 1 - n, 0.5])
        storage = slicer.vtkMRMLSegmentationStorageNode()
        slicer.testScene.AddNode(storage)
        storage.SetCropToMinimumExtent(crop)
        storage.SetFileName(str(tmp_path / "s.seg.nrrd"))
        assert storage.WriteData(node)
        stored = sitk.ReadImage(str(tmp_path / "s.seg.nrrd")).GetSize()
        assert (stored < (i, j, k)) == crop  # or the test would prove nothing
        with pytest.warns(MedSegWarning) as caught:
            back, segments = read_segmentation_file(tmp_path / "s.seg.nrrd")
        assert any("overlapped in 2 voxels" in str(warning.message) for warning in caught)
        assert [s.name for s in segments] == ["část 0", "část 1"]
        assert back.same_grid(labels, 1e-3)
        assert np.array_equal(back.array, np.where(masks[1], 2, masks[0]))

    def test_slicer_reads_our_volumes_where_we_put_them(self, slicer, oblique, tmp_path):
        from medseg.io import write_volume

        for suffix in (".nrrd", ".nii.gz"):
            path = tmp_path / f"v{suffix}"
            write_volume(oblique, path)
            node = slicer.testScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
            storage = slicer.vtkMRMLVolumeArchetypeStorageNode()
            slicer.testScene.AddNode(storage)
            storage.SetFileName(str(path))
            assert storage.ReadData(node)
            import vtk

            matrix = vtk.vtkMatrix4x4()
            node.GetIJKToRASMatrix(matrix)
            ras = np.array([[matrix.GetElement(r, c) for c in range(4)] for r in range(4)])
            assert np.allclose(ras, np.diag([-1, -1, 1, 1]) @ read_volume(path).ijk_to_lps, atol=1e-4)
