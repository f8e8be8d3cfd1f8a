"""Segments in a real segmentation node, written from label maps with known answers (no worker)."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
from medseg.card import ModelCard
from medseg.io import SegmentInfo
from medseg.pipeline import Result
from medseg.volume import Volume

TERMINOLOGY = (
    "Segmentation category and type - DICOM master list~SCT^123037004^Anatomical Structure"
    "~SCT^28273000^Bile duct~^^~^^~^^~^^"
)


@pytest.fixture
def tools(scene):
    import slicer
    import vtk
    from MedSegLib import segmentsOutput, selfTest

    return SimpleNamespace(slicer=slicer, vtk=vtk, selfTest=selfTest, output=segmentsOutput)


def labels_array(shape=(10, 12, 14)) -> np.ndarray:
    """Two touching boxes off the middle, so that every flip shows."""
    labels = np.zeros(shape, np.uint8)
    labels[1:4, 2:6, 3:8] = 1
    labels[4:6, 2:6, 3:8] = 2
    return labels


def result_of(labels: np.ndarray, model: str = "two boxes", values=(1, 2), names=("duct", "gallbladder")) -> Result:
    card = ModelCard.from_dict(
        {
            "schema_version": 1,
            "name": model,
            "version": "1.2",
            "plane": "acquisition",
            "orientation": None,
            "input": {"size": {"mode": "native"}, "normalisation": {"kind": "none"}},
            "output": {
                "activation": "sigmoid",
                "labels": [{"value": v, "name": n} for v, n in zip(values, names, strict=True)],
            },
        }
    )
    return Result(
        labels=Volume(labels),
        segments=tuple(
            SegmentInfo(v, n, (0.1 * v % 1, 0.5, 0.25), TERMINOLOGY) for v, n in zip(values, names, strict=True)
        ),
        probabilities=None,
        voxel_counts={v: int((labels == v).sum()) for v in values},
        highest_probability=dict.fromkeys(values, 0.4),
        timings={},
        warnings=[],
        backend="none",
        device="cpu",
        card=card,
    )


def tag(tools, segment, name: str) -> str:
    value = tools.vtk.reference("")
    assert segment.GetTag(name, value), name
    return str(value)


def test_every_axis_order_and_flip_lands_where_the_volume_is(tools):
    for axes in itertools.permutations(range(3)):
        for signs in itertools.product((1.0, -1.0), repeat=3):
            matrix = np.eye(4)
            matrix[:3, :3] = 0
            matrix[list(axes), range(3)] = np.array(signs) * (0.5, 2.0, 3.0)
            matrix[:3, 3] = (1.0, 2.0, 3.0)
            labels = labels_array()
            volumeNode = tools.selfTest.addVolume(labels.astype(np.int16), matrix)
            node, ids = tools.output.writeSegments(result_of(labels), volumeNode, show3D=False)
            for value, name in ((1, "duct"), (2, "gallbladder")):
                np.testing.assert_allclose(
                    tools.selfTest.segmentPositions(node, ids[name]),
                    tools.selfTest.volumePositions(volumeNode, labels == value),
                    atol=2e-3,
                )


def test_surfaces_enclose_their_voxels_in_the_world(tools):
    from vtk.util.numpy_support import vtk_to_numpy

    labels = labels_array()
    volumeNode = tools.selfTest.addVolume(
        labels.astype(np.int16), tools.selfTest.obliqueFlipped(), tools.selfTest.moved()
    )
    node, ids = tools.output.writeSegments(result_of(labels), volumeNode, smoothingFactor=0.0)
    spacing = np.array([0.9, 1.1, 4.0])
    for value, name in ((1, "duct"), (2, "gallbladder")):
        surface = tools.vtk.vtkPolyData()
        node.GetClosedSurfaceRepresentation(ids[name], surface)
        points = vtk_to_numpy(surface.GetPoints().GetData())
        toWorld = tools.selfTest.moved()
        world = points @ toWorld[:3, :3].T + toWorld[:3, 3]
        positions = tools.selfTest.volumePositions(volumeNode, labels == value)
        assert np.linalg.norm(world.mean(axis=0) - positions.mean(axis=0)) < spacing.max()
        mass = tools.vtk.vtkMassProperties()
        triangles = tools.vtk.vtkTriangleFilter()
        triangles.SetInputData(surface)
        mass.SetInputConnection(triangles.GetOutputPort())
        volume = (labels == value).sum() * spacing.prod()
        assert 0.6 * volume < mass.GetVolume() < 1.2 * volume  # marching cubes cut the corners of a small box


def test_name_colour_codes_and_algorithm(tools):
    volumeNode = tools.selfTest.addVolume(labels_array().astype(np.int16))
    node, ids = tools.output.writeSegments(result_of(labels_array()), volumeNode)
    segment = node.GetSegmentation().GetSegment(ids["gallbladder"])
    assert segment.GetName() == "gallbladder"
    np.testing.assert_allclose(segment.GetColor(), (0.2, 0.5, 0.25))
    assert tag(tools, segment, tools.slicer.vtkSegment.GetTerminologyEntryTagName()) == TERMINOLOGY
    assert tag(tools, segment, "DICOM.SegmentAlgorithmType") == "AUTOMATIC"
    assert tag(tools, segment, "DICOM.SegmentAlgorithmName") == "two boxes 1.2"
    assert list(ids) == ["duct", "gallbladder"]


def test_reference_geometry_display_and_place_in_the_hierarchy(tools):
    volumeNode = tools.selfTest.addVolume(labels_array().astype(np.int16), tools.selfTest.obliqueFlipped())
    hierarchy = tools.slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(tools.slicer.mrmlScene)
    patient = hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), "P")
    study = hierarchy.CreateStudyItem(patient, "S")
    hierarchy.SetItemParent(hierarchy.GetItemByDataNode(volumeNode), study)
    node, _ = tools.output.writeSegments(result_of(labels_array()), volumeNode)
    assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)) == study
    assert node.GetNodeReference("referenceImageGeometryRef") is volumeNode
    geometry = node.GetSegmentation().GetConversionParameter(tools.output.REFERENCE_GEOMETRY)
    image = tools.slicer.vtkOrientedImageData()
    tools.slicer.vtkSegmentationConverter.DeserializeImageGeometry(geometry, image, False)
    matrix = tools.vtk.vtkMatrix4x4()
    image.GetImageToWorldMatrix(matrix)
    np.testing.assert_allclose(tools.slicer.util.arrayFromVTKMatrix(matrix), tools.selfTest.obliqueFlipped(), atol=1e-9)
    assert image.GetExtent() == (0, 13, 0, 11, 0, 9)
    assert node.GetDisplayNode().GetPreferredDisplayRepresentationName3D() == "Closed surface"


def test_smoothing_is_adjustable(tools):
    volumeNode = tools.selfTest.addVolume(labels_array().astype(np.int16))
    areas = []
    for factor in (0.0, 0.8):
        node, ids = tools.output.writeSegments(result_of(labels_array()), volumeNode, smoothingFactor=factor)
        surface = tools.vtk.vtkPolyData()
        node.GetClosedSurfaceRepresentation(ids["duct"], surface)
        mass = tools.vtk.vtkMassProperties()
        mass.SetInputData(surface)
        areas.append(mass.GetSurfaceArea())
    assert areas[1] < 0.95 * areas[0]


def test_a_given_segmentation_under_another_transform_coincides_in_the_world(tools):
    labels = labels_array()
    volumeNode = tools.selfTest.addVolume(
        labels.astype(np.int16), tools.selfTest.obliqueFlipped(), tools.selfTest.moved()
    )
    node = tools.slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    other = tools.slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    shift = np.eye(4)
    shift[:3, 3] = (100.0, -50.0, 25.0)
    other.SetMatrixTransformToParent(tools.slicer.util.vtkMatrixFromArray(shift))
    node.SetAndObserveTransformNodeID(other.GetID())
    _, ids = tools.output.writeSegments(result_of(labels), volumeNode, node)
    assert node.GetParentTransformNode() is other
    np.testing.assert_allclose(
        tools.selfTest.segmentPositions(node, ids["duct"]),
        tools.selfTest.volumePositions(volumeNode, labels == 1),
        atol=2e-3,
    )


def test_segments_of_a_person_keep_voxels_surface_and_tags(tools):
    labels = labels_array()
    volumeNode = tools.selfTest.addVolume(labels.astype(np.int16))
    node = tools.slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    node.SetReferenceImageGeometryParameterFromVolumeNode(volumeNode)
    segmentation = node.GetSegmentation()
    drawn = {}
    for name, part in (("one", np.s_[0:5, 0:5, 0:5]), ("two", np.s_[3:8, 3:8, 3:8])):
        mask = np.zeros_like(labels)
        mask[part] = 1
        drawn[segmentation.AddEmptySegment(name, name)] = mask
        tools.slicer.util.updateSegmentBinaryLabelmapFromArray(mask, node, name, volumeNode)
    node.CreateClosedSurfaceRepresentation()

    def points(name: str) -> int:
        return segmentation.GetSegment(name).GetRepresentation("Closed surface").GetNumberOfPoints()

    before = {name: points(name) for name in drawn}
    tools.output.writeSegments(result_of(labels), volumeNode, node)
    tools.output.writeSegments(result_of(labels[::-1].copy()), volumeNode, node)
    assert segmentation.GetNumberOfSegments() == 4
    for name, mask in drawn.items():
        np.testing.assert_array_equal(
            tools.selfTest.segmentPositions(node, name), tools.selfTest.volumePositions(volumeNode, mask > 0)
        )
        assert points(name) == before[name]
        assert not segmentation.GetSegment(name).HasTag(tools.output.MODEL_TAG)


def test_another_models_segments_stay(tools):
    labels = labels_array()
    volumeNode = tools.selfTest.addVolume(labels.astype(np.int16))
    node, first = tools.output.writeSegments(result_of(labels, "model A"), volumeNode)
    _, second = tools.output.writeSegments(result_of(labels[:, ::-1].copy(), "model B"), volumeNode, node)
    assert not set(first.values()) & set(second.values())
    np.testing.assert_array_equal(
        tools.selfTest.segmentPositions(node, first["duct"]), tools.selfTest.volumePositions(volumeNode, labels == 1)
    )


def test_a_renewed_segment_keeps_id_place_and_what_a_person_called_it(tools):
    labels = labels_array()
    volumeNode = tools.selfTest.addVolume(labels.astype(np.int16))
    node, ids = tools.output.writeSegments(result_of(labels), volumeNode)
    segment = node.GetSegmentation().GetSegment(ids["duct"])
    segment.SetName("left hepatic duct")
    segment.SetColor(1.0, 0.0, 0.0)
    smaller = np.where(labels == 1, 0, labels)
    smaller[2, 3, 4] = 1
    _, again = tools.output.writeSegments(result_of(smaller), volumeNode, node)
    assert again == ids
    segmentation = node.GetSegmentation()
    assert [segmentation.GetNthSegmentID(n) for n in range(2)] == list(ids.values())
    renewed = segmentation.GetSegment(ids["duct"])
    assert (renewed.GetName(), renewed.GetColor()) == ("left hepatic duct", (1.0, 0.0, 0.0))
    assert len(tools.selfTest.segmentPositions(node, ids["duct"])) == 1


def test_a_renewed_segment_may_become_empty_and_come_back(tools):
    labels = labels_array()
    volumeNode = tools.selfTest.addVolume(labels.astype(np.int16))
    node, ids = tools.output.writeSegments(result_of(labels), volumeNode)
    _, none = tools.output.writeSegments(result_of(np.zeros_like(labels)), volumeNode, node)
    assert none == ids
    assert tools.output.segmentDigest(node, ids["duct"]) == "empty"
    _, back = tools.output.writeSegments(result_of(labels), volumeNode, node)
    assert back == ids
    np.testing.assert_array_equal(
        tools.selfTest.segmentPositions(node, ids["duct"]), tools.selfTest.volumePositions(volumeNode, labels == 1)
    )
    surface = node.GetSegmentation().GetSegment(ids["duct"]).GetRepresentation("Closed surface")
    assert surface.GetNumberOfPoints() > 20


def test_values_above_255(tools):
    labels = (labels_array().astype(np.uint16)) * 300
    volumeNode = tools.selfTest.addVolume(labels.astype(np.int16))
    node, ids = tools.output.writeSegments(result_of(labels, values=(300, 600)), volumeNode)
    np.testing.assert_array_equal(
        tools.selfTest.segmentPositions(node, ids["gallbladder"]),
        tools.selfTest.volumePositions(volumeNode, labels == 600),
    )


def test_a_segmentation_made_of_surfaces_is_refused(tools):
    from medseg.errors import InputError

    volumeNode = tools.selfTest.addVolume(labels_array().astype(np.int16))
    node = tools.slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    sphere = tools.vtk.vtkSphereSource()
    sphere.Update()
    node.GetSegmentation().SetSourceRepresentationName("Closed surface")
    node.AddSegmentFromClosedSurfaceRepresentation(sphere.GetOutput(), "sphere")
    with pytest.raises(InputError, match="surfaces, not of voxels"):
        tools.output.checkSegmentationNode(node, volumeNode)
    with pytest.raises(InputError, match="not a segmentation"):
        tools.output.checkSegmentationNode(volumeNode, volumeNode)


def test_the_scene_saves_and_comes_back(tools, tmp_path):
    labels = labels_array()
    volumeNode = tools.selfTest.addVolume(labels.astype(np.int16), tools.selfTest.obliqueFlipped())
    node, ids = tools.output.writeSegments(result_of(labels), volumeNode)
    storage = node.CreateDefaultStorageNode()
    storage.SetFileName(str(tmp_path / "ducts.seg.nrrd"))
    assert storage.WriteData(node)
    back = tools.slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    reader = back.CreateDefaultStorageNode()
    reader.SetFileName(str(tmp_path / "ducts.seg.nrrd"))
    assert reader.ReadData(back)
    np.testing.assert_allclose(
        tools.selfTest.segmentPositions(back, ids["gallbladder"]),
        tools.selfTest.volumePositions(volumeNode, labels == 2),
        atol=2e-3,
    )
    segment = back.GetSegmentation().GetSegment(ids["gallbladder"])
    assert tag(tools, segment, tools.output.MODEL_TAG) == "two boxes"
    # What comes back from a file is still known as ours, and as unchanged.
    assert tag(tools, segment, tools.output.DIGEST_TAG) == tools.output.segmentDigest(back, ids["gallbladder"])


def test_slicer_s_dicom_export_finds_voxels(tools):
    """It asks for the array of this name, and calls a segment without it empty (seen in Slicer 5.12.3)."""
    volumeNode = tools.selfTest.addVolume(labels_array().astype(np.int16))
    node, ids = tools.output.writeSegments(result_of(labels_array()), volumeNode)
    for segmentId in ids.values():
        image = node.GetSegmentation().GetSegment(segmentId).GetRepresentation(tools.output.BINARY)
        assert image.GetPointData().GetArray("ImageScalars").GetRange()[1] > 0
