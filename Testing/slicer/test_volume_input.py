"""Volume nodes to volumes: geometry as it lies in the world, and what is refused."""

from __future__ import annotations

import itertools

import numpy as np
import pytest


@pytest.fixture
def tools(scene):
    """The modules under test, importable only where slicer is."""
    import slicer
    import vtk
    from MedSegLib import selfTest, volumeInput

    class Tools:
        pass

    tools = Tools()
    tools.slicer, tools.vtk, tools.selfTest, tools.input = slicer, vtk, selfTest, volumeInput
    return tools


def signed_permutations():
    for axes in itertools.permutations(range(3)):
        for signs in itertools.product((1.0, -1.0), repeat=3):
            matrix = np.zeros((3, 3))
            matrix[list(axes), range(3)] = signs
            yield matrix


def test_the_geometry_is_the_nodes_in_lps(tools):
    for directions in signed_permutations():
        matrix = np.eye(4)
        matrix[:3, :3], matrix[:3, 3] = directions @ np.diag([0.5, 2.0, 3.0]), (1.0, 2.0, 3.0)
        node = tools.selfTest.addVolume(tools.selfTest.blockArray(), matrix)
        volume = tools.input.volumeFromNode(node)
        np.testing.assert_allclose(volume.ijk_to_lps, np.diag([-1, -1, 1, 1]) @ matrix, atol=1e-12)
        assert volume.spacing == pytest.approx((0.5, 2.0, 3.0))
        assert volume.array.shape == (10, 12, 14)


def test_a_parent_transform_becomes_geometry(tools):
    node = tools.selfTest.addVolume(
        tools.selfTest.blockArray(), tools.selfTest.obliqueFlipped(), tools.selfTest.moved()
    )
    expected = np.diag([-1, -1, 1, 1]) @ tools.selfTest.moved() @ tools.selfTest.obliqueFlipped()
    np.testing.assert_allclose(tools.input.volumeFromNode(node).ijk_to_lps, expected, atol=1e-9)


def test_two_transforms_one_under_the_other(tools):
    node = tools.selfTest.addVolume(tools.selfTest.blockArray(), None, tools.selfTest.moved())
    outer = tools.slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    scale = np.diag([2.0, 2.0, 2.0, 1.0])
    outer.SetMatrixTransformToParent(tools.slicer.util.vtkMatrixFromArray(scale))
    node.GetParentTransformNode().SetAndObserveTransformNodeID(outer.GetID())
    volume = tools.input.volumeFromNode(node)
    np.testing.assert_allclose(volume.ijk_to_lps, np.diag([-1, -1, 1, 1]) @ scale @ tools.selfTest.moved(), atol=1e-9)
    assert volume.spacing == pytest.approx((2, 2, 2))


def test_the_nodes_name_does_not_leave_the_scene(tools):
    node = tools.selfTest.addVolume(tools.selfTest.blockArray())
    node.SetName("Doe^Jane")
    volume = tools.input.volumeFromNode(node)
    assert (volume.name, volume.source) == ("volume", None)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("vtkMRMLVectorVolumeNode", "colour or vector"),
        ("vtkMRMLDiffusionTensorVolumeNode", "diffusion tensor"),
        ("vtkMRMLDiffusionWeightedVolumeNode", "diffusion weighted"),
        ("vtkMRMLLabelMapVolumeNode", "label map"),
        ("vtkMRMLSequenceNode", "sequence of images"),
        ("vtkMRMLSequenceBrowserNode", "sequence browser"),
        ("vtkMRMLModelNode", "vtkMRMLModelNode, not a volume"),
        ("vtkMRMLSegmentationNode", "not a volume"),
    ],
)
def test_other_nodes_are_refused(tools, kind, said):
    from medseg.errors import InputError

    node = tools.slicer.mrmlScene.AddNewNodeByClass(kind)
    if node.IsA("vtkMRMLVolumeNode"):
        image = tools.vtk.vtkImageData()
        image.SetDimensions(2, 2, 2)
        image.AllocateScalars(tools.vtk.VTK_SHORT, 1)
        node.SetAndObserveImageData(image)
    with pytest.raises(InputError, match=said) as caught:
        tools.input.volumeFromNode(node)
    assert caught.value.mend


def test_a_scalar_node_with_several_numbers_in_a_voxel_is_refused(tools):
    from medseg.errors import InputError

    node = tools.selfTest.addVolume(tools.selfTest.blockArray())
    image = tools.vtk.vtkImageData()
    image.SetDimensions(2, 2, 2)
    image.AllocateScalars(tools.vtk.VTK_SHORT, 3)
    node.SetAndObserveImageData(image)
    with pytest.raises(InputError, match="3 numbers in each voxel"):
        tools.input.volumeFromNode(node)


@pytest.mark.parametrize("given", [None, "a name", 7, []])
def test_what_is_no_node_is_refused(tools, given):
    from medseg.errors import InputError

    with pytest.raises(InputError, match="volume"):
        tools.input.volumesFromNodes(given)


def test_an_empty_node_is_refused(tools):
    from medseg.errors import InputError

    with pytest.raises(InputError, match="holds no image"):
        tools.input.volumeFromNode(tools.slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode"))


def test_a_shearing_transform_is_refused(tools):
    from medseg.errors import InputError

    shear = np.eye(4)
    shear[0, 1] = 0.3
    with pytest.raises(InputError, match="not perpendicular"):
        tools.input.volumeFromNode(tools.selfTest.addVolume(tools.selfTest.blockArray(), None, shear))


def test_a_transform_that_is_not_linear_is_refused(tools):
    from medseg.errors import InputError

    node = tools.selfTest.addVolume(tools.selfTest.blockArray())
    transformNode = tools.slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTransformNode")
    spline = tools.vtk.vtkThinPlateSplineTransform()
    for name, shift in (("SetSourceLandmarks", 0.0), ("SetTargetLandmarks", 5.0)):
        points = tools.vtk.vtkPoints()
        for corner in itertools.product((0.0, 10.0), repeat=3):
            points.InsertNextPoint(corner[0] + shift * (corner[1] > 0) * (corner[2] > 0), corner[1], corner[2])
        getattr(spline, name)(points)
    transformNode.SetAndObserveTransformToParent(spline)
    node.SetAndObserveTransformNodeID(transformNode.GetID())
    with pytest.raises(InputError, match="not linear"):
        tools.input.volumeFromNode(node)
