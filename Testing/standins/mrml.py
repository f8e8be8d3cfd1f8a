"""Real MRML: a scene with the logics that segmentations, volumes and sequences need, and the application's habits.

One for a whole test process, because the logics register converters globally.
"""

from __future__ import annotations

from functools import cache

import slicer
import vtk


class MrmlApplication:
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
            "models": slicer.vtkSlicerModelsLogic,
            "markups": slicer.vtkSlicerMarkupsLogic,
            "tables": slicer.vtkSlicerTablesLogic,
            "plots": slicer.vtkSlicerPlotsLogic,
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


@cache
def mrml_application() -> MrmlApplication:
    """The process's one."""
    return MrmlApplication()
