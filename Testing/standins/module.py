"""The module as Slicer's factory makes it: constructor, panel, enter, exit, reload, cleanup, in Slicer's order."""

from __future__ import annotations

import importlib.util
import sys
import types
from pathlib import Path
from typing import Any

import slicer
import slicer.util

from .application import EXTENSION, StandIn


class ScriptedLoadableModule:
    def __init__(self, parent: Any) -> None:
        self.parent = parent


class ScriptedLoadableModuleWidget:
    def __init__(self, parent: Any = None) -> None:
        super().__init__()
        self.moduleName = type(self).__name__.removesuffix("Widget")
        self.developerMode = False
        self.parent = parent
        self.layout = parent.layout()
        slicer.app.moduleManager().connect("moduleAboutToBeUnloaded(QString)", self._onModuleAboutToBeUnloaded)

    def resourcePath(self, name: str) -> str:
        return str(EXTENSION / "Resources" / name)

    def setup(self) -> None:
        """The developer's section, which is hidden from users."""

    def enter(self) -> None:
        """For the module to override."""

    def exit(self) -> None:
        """For the module to override."""

    def cleanup(self) -> None:
        """For the module to override."""

    def _onModuleAboutToBeUnloaded(self, name: str) -> None:
        if name == self.moduleName:
            self.cleanup()
            slicer.app.moduleManager().disconnect("moduleAboutToBeUnloaded(QString)", self._onModuleAboutToBeUnloaded)

    def onReload(self) -> None:
        slicer.util.reloadScriptedModule(self.moduleName)


class ScriptedLoadableModuleLogic:
    def __init__(self, parent: Any = None) -> None:
        self.moduleName = type(self).__name__.removesuffix("Logic")

    def getParameterNode(self) -> Any:
        scene = slicer.mrmlScene
        node = scene.GetSingletonNode(self.moduleName, "vtkMRMLScriptedModuleNode")
        if node:
            if node.GetAttribute("ModuleName") != self.moduleName:
                node.SetAttribute("ModuleName", self.moduleName)
            return node
        node = scene.CreateNodeByClass("vtkMRMLScriptedModuleNode")
        node.UnRegister(None)
        node.SetSingletonTag(self.moduleName)
        node.SetAttribute("ModuleName", self.moduleName)
        node.SetName(scene.GenerateUniqueName(self.moduleName))
        return scene.AddNode(node)


class ScriptedLoadableModuleTest:
    """A unittest.TestCase in Slicer; nothing here runs it."""


class Module:
    """One scripted module in the stand-in application; also its ``widgetRepresentation``'s ``self``."""

    def __init__(self, stand_in: StandIn, name: str = "MedSeg") -> None:
        self.name, self._stand_in = name, stand_in
        stand_in._module(
            "ScriptedLoadableModule",
            ScriptedLoadableModule=ScriptedLoadableModule,
            ScriptedLoadableModuleWidget=ScriptedLoadableModuleWidget,
            ScriptedLoadableModuleLogic=ScriptedLoadableModuleLogic,
            ScriptedLoadableModuleTest=ScriptedLoadableModuleTest,
        )
        # `slicer.util.VTKObservationMixin` is the wheel's own.
        self.python = self._execute()
        self.information = types.SimpleNamespace(path=str(EXTENSION / f"{name}.py"))
        getattr(self.python, name)(self.information)
        stand_in._installed.set(slicer.util, "reloadScriptedModule", self._reload)
        representation = types.SimpleNamespace(self=lambda: self.widget)
        module = types.SimpleNamespace(
            path=self.information.path, name=name, widgetRepresentation=lambda: representation
        )
        stand_in.app.moduleManager().modules[name.lower()] = module
        setattr(slicer.modules, name.lower(), module)
        stand_in._installed.set(slicer.util, "selectModule", self._select)
        self.widget: Any = None
        self.panel: Any = None

    def _execute(self) -> Any:
        spec = importlib.util.spec_from_file_location(self.name, Path(EXTENSION) / f"{self.name}.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[self.name] = module
        spec.loader.exec_module(module)
        return module

    @property
    def logic(self) -> Any:
        return self.widget.logic

    def _make_widget(self) -> None:
        self.widget = getattr(self.python, f"{self.name}Widget")(self.panel)
        setattr(slicer.modules, f"{self.name}Widget", self.widget)
        self.widget.setup()

    def open(self) -> Any:
        """Select the module; returns its Python widget."""
        import qt

        if self.widget is None:
            self.panel = qt.QWidget()
            self.panel.setLayout(qt.QVBoxLayout())
            self.panel.__dict__["isEntered"] = False
            self.panel.resize(480, 1400)
            self._make_widget()
            self.panel.show()
        self.panel.__dict__["isEntered"] = True
        self.widget.enter()
        return self.widget

    def _select(self, name: str) -> None:
        if name == self.name:
            self.open()
        elif self.widget is not None and self.panel.isEntered:
            self.leave()

    def leave(self) -> None:
        """Select another module."""
        self.panel.__dict__["isEntered"] = False
        self.widget.exit()

    def _reload(self, name: str) -> None:
        """`slicer.util.reloadScriptedModule`: the main file alone is executed again, then the panel is made anew."""
        self.python = self._execute()
        for child in self.panel.children():
            if child.isWidgetType():
                child.hide()
        self.widget.cleanup()
        slicer.app.moduleManager().disconnect(
            "moduleAboutToBeUnloaded(QString)", self.widget._onModuleAboutToBeUnloaded
        )
        layout = self.panel.layout()
        while layout.count():
            layout.removeItem(layout.itemAt(0))
        self._make_widget()
        self.widget.enter()

    def quit(self) -> None:
        """The application closes."""
        if self.widget is not None:
            slicer.app.moduleManager().unload(self.name)
            self.panel.deleteLater()
            slicer.app.processEvents()
            self.widget = self.panel = None
