"""Scenarios with known answers that run in the Slicer application (MedSegTest) and without it (Testing/slicer).

The test model's network returns its input, and its card divides by 100 and puts the threshold at 0.5: every voxel of 50
or more belongs to the one segment.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import slicer
import vtk
from medseg.errors import Cancelled, InputError, MedSegError

from .segmentsOutput import BINARY, SURFACE
from .segmentVoxels import imageArray

CARD = {
    "schema_version": 1,
    "name": "bright voxels",
    "plane": "axial",
    "orientation": "PLS",
    "input": {"size": {"mode": "native"}, "normalisation": {"kind": "divide", "divisor": 100}},
    "output": {
        "activation": "none",
        "threshold": 0.5,
        "labels": [
            {
                "value": 1,
                "name": "bile duct",
                "color": [10, 200, 30],
                "terminology": {
                    "category": {"scheme": "SCT", "value": "123037004", "meaning": "Anatomical Structure"},
                    "type": {"scheme": "SCT", "value": "28273000", "meaning": "Bile duct"},
                },
            }
        ],
    },
}


def identityModel() -> bytes:
    """A whole ONNX file with one node, y = Identity(x), shapes (N, 1, H, W); IR version 8, operator set 13."""

    def field(number: int, content) -> bytes:
        if isinstance(content, int):
            return bytes((number << 3, content))
        return bytes((number << 3 | 2, len(content))) + content

    def tensor(name: bytes) -> bytes:
        dimensions = [field(2, b"n"), field(1, 1), field(2, b"h"), field(2, b"w")]
        shape = b"".join(field(1, dimension) for dimension in dimensions)
        return field(1, name) + field(2, field(1, field(1, 1) + field(2, shape)))

    node = field(1, b"x") + field(2, b"y") + field(4, b"Identity")
    graph = field(1, node) + field(2, b"identity") + field(11, tensor(b"x")) + field(12, tensor(b"y"))
    return field(1, 8) + field(7, graph) + field(8, field(2, 13))


def writeTestModel(folder: Path) -> Path:
    """``bright.onnx`` and its card in ``folder``."""
    path = folder / "bright.onnx"
    path.write_bytes(identityModel())
    (folder / "bright.onnx.card.json").write_text(json.dumps(CARD), encoding="utf-8")
    return path


@contextlib.contextmanager
def testModel() -> Iterator[Path]:
    """The test model in a folder with a name as people have them."""
    with tempfile.TemporaryDirectory(prefix="Žluč ducts ") as folder:
        yield writeTestModel(Path(folder))


def addVolume(array: np.ndarray, ijkToRas: np.ndarray | None = None, transform: np.ndarray | None = None):
    """A scalar volume node of the (k, j, i) array, under a linear transform where one is given."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Patient Name")
    slicer.util.updateVolumeFromArray(node, array)
    if ijkToRas is not None:
        node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(ijkToRas))
    if transform is not None:
        transformNode = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
        transformNode.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(transform))
        node.SetAndObserveTransformNodeID(transformNode.GetID())
    return node


def blockArray(shape=(10, 12, 14)) -> np.ndarray:
    """An array of noise below the threshold with a block above it that lies off the middle on every axis."""
    array = np.random.default_rng(7).integers(0, 40, shape).astype(np.int16)
    array[1:4, 2:6, 3:8] = 80
    return array


def worldPositions(node, mask: np.ndarray, ijkToRas: np.ndarray) -> np.ndarray:
    """Sorted RAS positions (n, 3) in the world of the true voxels of ``mask`` (k, j, i), rounded to micrometres."""
    k, j, i = np.nonzero(mask)
    points = ijkToRas @ np.stack((i, j, k, np.ones_like(i)))
    transformNode = node.GetParentTransformNode()
    if transformNode is not None:
        toWorld = vtk.vtkMatrix4x4()
        transformNode.GetMatrixTransformToWorld(toWorld)
        points = slicer.util.arrayFromVTKMatrix(toWorld) @ points
    rounded = np.round(points[:3].T, 3) + 0.0
    return rounded[np.lexsort(rounded.T)]


def volumePositions(volumeNode, mask: np.ndarray) -> np.ndarray:
    """Where the voxels of a volume node that ``mask`` selects lie in the world."""
    matrix = vtk.vtkMatrix4x4()
    volumeNode.GetIJKToRASMatrix(matrix)
    return worldPositions(volumeNode, mask, slicer.util.arrayFromVTKMatrix(matrix))


def segmentPositions(segmentationNode, segmentId: str) -> np.ndarray:
    """Where the voxels of a segment lie in the world."""
    image = slicer.vtkOrientedImageData()
    segmentationNode.GetBinaryLabelmapRepresentation(segmentId, image)
    matrix = vtk.vtkMatrix4x4()
    image.GetImageToWorldMatrix(matrix)
    toRas = slicer.util.arrayFromVTKMatrix(matrix)
    first = np.eye(4)
    first[:3, 3] = image.GetExtent()[::2]
    return worldPositions(segmentationNode, imageArray(image) > 0, toRas @ first)


def obliqueFlipped() -> np.ndarray:
    """An IJK-to-RAS matrix of a coronal acquisition, tilted, with a flipped axis and three different spacings."""
    angle = np.radians(9)
    tilt = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
    axes = tilt @ np.array([[-1.0, 0, 0], [0, 0, 1], [0, -1, 0]]) @ np.diag([0.9, 1.1, 4.0])
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = axes, (31.0, -12.0, 55.0)
    return matrix


def moved() -> np.ndarray:
    """A rigid transform."""
    angle = np.radians(25)
    matrix = np.eye(4)
    matrix[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    matrix[:3, 3] = (5.0, 7.0, -11.0)
    return matrix


def scenarioInPlace(test, logic) -> None:
    """Segments lie where the bright voxels are, under a transform too, with name, colour, code and surface."""
    array = blockArray()
    node = addVolume(array, obliqueFlipped(), moved())
    with testModel() as model:
        result = logic.segment(node, model, device="cpu")
    segmentId = result.segmentIds["bile duct"]
    segmentationNode = result.segmentationNode
    np.testing.assert_allclose(
        segmentPositions(segmentationNode, segmentId), volumePositions(node, array >= 50), atol=2e-3
    )
    segment = segmentationNode.GetSegmentation().GetSegment(segmentId)
    test.assertEqual(segment.GetName(), "bile duct")
    np.testing.assert_allclose(segment.GetColor(), np.array([10, 200, 30]) / 255)
    code = vtk.reference("")
    test.assertTrue(segment.GetTag(slicer.vtkSegment.GetTerminologyEntryTagName(), code))
    test.assertIn("SCT^28273000^Bile duct", str(code))
    surface = segment.GetRepresentation(SURFACE)
    test.assertGreater(surface.GetNumberOfPoints(), 20)
    test.assertEqual(segmentationNode.GetNodeReference("referenceImageGeometryRef"), node)
    test.assertIs(segmentationNode.GetParentTransformNode(), node.GetParentTransformNode())


def scenarioKeep(test, logic) -> None:
    """What a person drew or changed stays voxel for voxel; our own unchanged segment is renewed."""
    array = blockArray()
    node = addVolume(array)
    with testModel() as model:
        first = logic.segment(node, model, device="cpu")
        segmentationNode = first.segmentationNode
        segmentation = segmentationNode.GetSegmentation()
        drawnId = segmentation.AddEmptySegment("drawn", "my own")
        drawn = np.zeros(array.shape, np.uint8)
        drawn[2:5, 3:9, 1:6] = 1  # overlaps ours
        slicer.util.updateSegmentBinaryLabelmapFromArray(drawn, segmentationNode, drawnId, node)
        second = logic.segment(node, model, segmentationNode, device="cpu")
        test.assertEqual(second.segmentIds, first.segmentIds)
        test.assertEqual(segmentation.GetNumberOfSegments(), 2)
        np.testing.assert_array_equal(segmentPositions(segmentationNode, drawnId), volumePositions(node, drawn > 0))

        corrected = array >= 50
        corrected[1] = False
        ours = first.segmentIds["bile duct"]
        slicer.util.updateSegmentBinaryLabelmapFromArray(corrected.astype(np.uint8), segmentationNode, ours, node)
        third = logic.segment(node, model, segmentationNode, device="cpu")
        test.assertNotEqual(third.segmentIds["bile duct"], ours)
        test.assertEqual(segmentation.GetNumberOfSegments(), 3)
        np.testing.assert_array_equal(segmentPositions(segmentationNode, ours), volumePositions(node, corrected))
        np.testing.assert_array_equal(
            segmentPositions(segmentationNode, third.segmentIds["bile duct"]), volumePositions(node, array >= 50)
        )
        np.testing.assert_array_equal(segmentPositions(segmentationNode, drawnId), volumePositions(node, drawn > 0))
    test.assertEqual(segmentation.GetSourceRepresentationName(), BINARY)


def scenarioRefused(test, logic) -> None:
    """What cannot be segmented is refused with a reason before anything is added to the scene."""
    before = slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode")
    empty = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    colour = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLVectorVolumeNode")
    sequence = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceNode")
    with testModel() as model:
        for node, reason in ((None, "no input"), (empty, "no image"), (colour, "vector"), (sequence, "sequence")):
            with test.assertRaisesRegex(InputError, reason):
                logic.segment(node, model)
        with test.assertRaisesRegex(InputError, "absent.onnx"):
            logic.segment(addVolume(blockArray()), model.parent / "absent.onnx", device="cpu")
    test.assertEqual(slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode"), before)


def scenarioEmpty(test, logic) -> None:
    """A result with nothing in it says so, with the highest probability that was seen."""
    node = addVolume(np.full((4, 6, 8), 31, np.int16))
    with testModel() as model:
        result = logic.segment(node, model, device="cpu")
    test.assertTrue(result.empty)
    test.assertIn("0.31", result.message)
    test.assertEqual(result.segmentationNode.GetSegmentation().GetNumberOfSegments(), 1)


def scenarioCancel(test, logic) -> None:
    """A cancelled run ends soon and leaves the scene as it was."""
    before = slicer.mrmlScene.GetNumberOfNodes()
    node = addVolume(blockArray((200, 64, 64)))
    states = []
    with testModel() as model:
        job = logic.start(
            node,
            model,
            device="cpu",
            onProgress=lambda moment: job.cancel(),
            onFinished=lambda finished: states.append(finished.state),
        )
        with test.assertRaises(Cancelled):
            job.wait()
    test.assertEqual((job.state, states), ("cancelled", ["cancelled"]))
    slicer.mrmlScene.RemoveNode(node)
    test.assertLessEqual(slicer.mrmlScene.GetNumberOfNodes() - before, 1)  # the volume's display node at most


def scenarioPackagesAbsent(test, logic) -> None:
    """Where the packages for the networks are not installed, a run fails and says how to get them."""
    node = addVolume(blockArray())
    with testModel() as model, test.assertRaisesRegex(MedSegError, "pip"):
        logic.segment(node, model, device="cpu")
    test.assertEqual(slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode"), 0)


SCENARIOS = (scenarioInPlace, scenarioKeep, scenarioRefused, scenarioEmpty, scenarioCancel)
