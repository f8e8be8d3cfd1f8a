"""The real MRML libraries of the slicer-core wheel, with stand-ins for the little of the application MedSeg.py needs.

Passing here is not passing in Slicer: `MedSegTest` runs the same scenarios there. No Qt is imitated.
"""

from __future__ import annotations

import sys
import types
from pathlib import Path

import pytest

slicer = pytest.importorskip("slicer", reason="needs the slicer-core wheel")
vtk = pytest.importorskip("vtk")

EXTENSION = Path(__file__).resolve().parents[2] / "MedSegExtension"


class ScriptedLoadableModule:
    def __init__(self, parent):
        self.parent = parent


class ScriptedLoadableModuleWidget:
    def __init__(self, parent=None):
        self.parent = parent


class ScriptedLoadableModuleLogic:
    def __init__(self, parent=None):
        self.moduleName = type(self).__name__.removesuffix("Logic")


class ScriptedLoadableModuleTest:
    pass


def _module(name: str, **contents) -> None:
    module = types.ModuleType(f"slicer.{name}")
    vars(module).update(contents)
    sys.modules[module.__name__] = module
    setattr(slicer, name, module)


class Application:
    """Scene, logics and the subject hierarchy's habit of listing every node, in the order that works (no Qt)."""

    def __init__(self) -> None:
        self.scene = slicer.vtkMRMLScene()
        self.logic = slicer.vtkMRMLApplicationLogic()
        self.logic.SetMRMLScene(self.scene)
        colours = self.logic.GetColorLogic()
        colours.SetMRMLScene(self.scene)
        colours.AddDefaultColorNodes()
        self.module_logics = {}
        # Without the segmentations logic no representation and no conversion is registered.
        kinds = {
            "segmentations": slicer.vtkSlicerSegmentationsModuleLogic,
            "volumes": slicer.vtkSlicerVolumesLogic,
            "sequences": slicer.vtkSlicerSequencesLogic,
        }
        for name, kind in kinds.items():
            logic = kind()
            logic.SetMRMLApplicationLogic(self.logic)
            logic.SetMRMLScene(self.scene)
            self.module_logics[name] = logic
        hierarchy = slicer.vtkMRMLSubjectHierarchyNode

        @vtk.calldata_type(vtk.VTK_OBJECT)
        def list_node(scene, event, node):
            if node.IsA("vtkMRMLVolumeNode") or node.IsA("vtkMRMLSegmentationNode"):
                items = hierarchy.GetSubjectHierarchyNode(scene)
                items.CreateItem(items.GetSceneItemID(), node)

        @vtk.calldata_type(vtk.VTK_OBJECT)
        def unlist_node(scene, event, node):
            items = hierarchy.GetSubjectHierarchyNode(scene)
            if items and items.GetItemByDataNode(node):
                items.RemoveItem(items.GetItemByDataNode(node), False)

        self.scene.AddObserver(self.scene.NodeAddedEvent, list_node)
        self.scene.AddObserver(self.scene.NodeAboutToBeRemovedEvent, unlist_node)

    def clear(self) -> None:
        self.scene.Clear(0)


@pytest.fixture(scope="session")
def application():
    instance = Application()
    slicer.mrmlScene = instance.scene
    slicer.modules = types.SimpleNamespace(
        **{
            name: types.SimpleNamespace(logic=lambda logic=logic: logic)
            for name, logic in instance.module_logics.items()
        }
    )
    _module(
        "ScriptedLoadableModule",
        ScriptedLoadableModule=ScriptedLoadableModule,
        ScriptedLoadableModuleWidget=ScriptedLoadableModuleWidget,
        ScriptedLoadableModuleLogic=ScriptedLoadableModuleLogic,
        ScriptedLoadableModuleTest=ScriptedLoadableModuleTest,
    )
    _module("i18n", tr=lambda text: text, translate=lambda context, text: text)
    _module("parameterNodeWrapper", parameterNodeWrapper=lambda cls: cls)
    if str(EXTENSION) not in sys.path:
        sys.path.insert(0, str(EXTENSION))
    return instance


@pytest.fixture
def scene(application):
    """An empty scene."""
    application.clear()
    yield application.scene
    application.clear()


@pytest.fixture(scope="session")
def logic(application):
    """`MedSegLogic`; its worker stays warm over the tests and is ended after them."""
    import MedSeg

    instance = MedSeg.MedSegLogic()
    yield instance
    instance.close()
