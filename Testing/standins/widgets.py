"""The widgets of CTK and Slicer that the module's .ui file names, with the properties and signals they really have.

Looks and drop-down details are not imitated. Names were compared with the real application (`real_names.txt`).
"""

from __future__ import annotations

import types
from typing import Any

import slicer
from PySide6 import QtCore, QtWidgets

from .pythonqt import SIGNATURES, Manners


def _stand_in(kind: type) -> type:
    """``kind`` (a subclass of a PySide6 class) with PythonQt's manners."""
    return type(kind.__name__, (Manners, kind), {"_plain_wrapper": kind, "__module__": "ctk"})


class ctkCollapsibleButton(QtWidgets.QWidget):
    """A title that hides what is under it: its children are hidden, not removed."""

    contentsCollapsed = QtCore.Signal(bool)

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._text, self._collapsed = "", False

    def _set_collapsed(self, collapsed: bool) -> None:
        if collapsed == self._collapsed:
            return
        self._collapsed = collapsed
        for child in QtCore.QObject.children(self):
            if child.isWidgetType():
                QtWidgets.QWidget.setVisible(child, not collapsed)
        QtCore.QObject.__getattribute__(self, "contentsCollapsed").emit(collapsed)

    text = QtCore.Property(str, lambda self: self._text, lambda self, value: setattr(self, "_text", value))
    collapsed = QtCore.Property(bool, lambda self: self._collapsed, lambda self, value: self._set_collapsed(value))


class ctkPathLineEdit(QtWidgets.QWidget):
    """A line with a path, and a button that opens a file dialog."""

    currentPathChanged = QtCore.Signal(str)
    Dirs, Files, Readable, Writable = 0x001, 0x002, 0x010, 0x020  # QDir's

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._path, self._filters, self._key, self._label = "", 0, "", ""

    def _set_path(self, path: str) -> None:
        if path == self._path:
            return
        self._path = path
        if path:  # CTK tells of acceptable input only, which an empty line is not
            QtCore.QObject.__getattribute__(self, "currentPathChanged").emit(path)

    def setCurrentPath(self, path: str) -> None:
        self._set_path(str(path))

    def addCurrentPathToHistory(self) -> None:
        """Kept in the settings under `settingKey`."""

    currentPath = QtCore.Property(str, lambda self: self._path, lambda self, value: self._set_path(value))
    filters = QtCore.Property(int, lambda self: self._filters, lambda self, value: setattr(self, "_filters", value))
    settingKey = QtCore.Property(str, lambda self: self._key, lambda self, value: setattr(self, "_key", value))
    label = QtCore.Property(str, lambda self: self._label, lambda self, value: setattr(self, "_label", value))


class ctkSliderWidget(QtWidgets.QWidget):
    """A slider with a spin box; tells at once while it is dragged (tracking)."""

    valueChanged = QtCore.Signal(float)

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._range, self._value, self._step, self._decimals = [0.0, 99.0], 0.0, 1.0, 2

    def _set_value(self, value: float) -> None:
        value = round(min(max(value, self._range[0]), self._range[1]), self._decimals)
        if value != self._value:
            self._value = value
            QtCore.QObject.__getattribute__(self, "valueChanged").emit(value)

    def _set_end(self, end: int, value: float) -> None:
        self._range[end] = value
        self._set_value(self._value)

    def setValue(self, value: float) -> None:
        self._set_value(float(value))

    minimum = QtCore.Property(float, lambda self: self._range[0], lambda self, value: self._set_end(0, value))
    maximum = QtCore.Property(float, lambda self: self._range[1], lambda self, value: self._set_end(1, value))
    singleStep = QtCore.Property(float, lambda self: self._step, lambda self, value: setattr(self, "_step", value))
    decimals = QtCore.Property(int, lambda self: self._decimals, lambda self, value: setattr(self, "_decimals", value))
    value = QtCore.Property(float, lambda self: self._value, lambda self, value: self._set_value(value))


class qMRMLWidget(QtWidgets.QWidget):
    """A widget with a scene, which it hands to the children that the .ui file connects to it."""

    mrmlSceneChanged = QtCore.Signal(object)

    def setMRMLScene(self, scene: Any) -> None:
        self._scene = scene
        for child in QtCore.QObject.findChildren(self, QtWidgets.QWidget):
            if isinstance(child, qMRMLNodeComboBox):
                child.setMRMLScene(scene)

    def mrmlScene(self) -> Any:
        return self._scene


class qMRMLNodeComboBox(QtWidgets.QComboBox):
    """Lists the nodes of a scene; follows what is added, removed and renamed. Chooses the first by itself."""

    currentNodeChanged = QtCore.Signal(object)

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._types: list[str] = []
        self._none, self._none_text, self._flags = False, "None", {}
        self._scene: Any = None
        self._nodes: list[Any] = []
        self._tags: list[tuple[Any, int]] = []
        self._told: Any = None
        QtCore.QObject.connect(self, QtCore.SIGNAL("currentIndexChanged(int)"), self._tell)

    def setMRMLScene(self, scene: Any) -> None:
        for owner, tag in self._tags:
            owner.RemoveObserver(tag)
        self._tags, self._scene = [], scene
        if scene is not None:
            for event in (scene.NodeAddedEvent, scene.NodeRemovedEvent, scene.EndCloseEvent, scene.EndImportEvent):
                self._tags.append((scene, scene.AddObserver(event, lambda *_: self._fill())))
        self._fill()

    def mrmlScene(self) -> Any:
        return self._scene

    def currentNode(self) -> Any:
        index = QtWidgets.QComboBox.currentIndex(self)
        return self._nodes[index] if 0 <= index < len(self._nodes) else None

    def setCurrentNode(self, node: Any) -> None:
        if isinstance(node, str):
            raise TypeError("setCurrentNode takes a node; setCurrentNodeID an id")
        index = next((n for n, entry in enumerate(self._nodes) if entry is node), 0 if self._none else -1)
        QtWidgets.QComboBox.setCurrentIndex(self, index)

    def nodeCount(self) -> int:
        return len(self._nodes) - (1 if self._none else 0)

    def _fill(self) -> None:
        scene = self._scene
        chosen = self.currentNode()
        found = []
        if scene is not None and not scene.IsClosing() and not scene.IsBatchProcessing():
            for kind in self._types:
                for number in range(scene.GetNumberOfNodesByClass(kind)):
                    node = scene.GetNthNodeByClass(number, kind)
                    if (self._flags.get("showChildNodeTypes", True) or node.GetClassName() == kind) and (
                        not node.GetHideFromEditors()
                    ):
                        found.append(node)
        self._nodes = ([None] if self._none else []) + found
        blocked = QtCore.QObject.blockSignals(self, True)
        QtWidgets.QComboBox.clear(self)
        for node in self._nodes:
            QtWidgets.QComboBox.addItem(self, self._none_text if node is None else node.GetName() or "")
        if chosen is not None and any(node is chosen for node in found):
            self.setCurrentNode(chosen)
        else:
            QtWidgets.QComboBox.setCurrentIndex(self, 0 if self._nodes else -1)
        QtCore.QObject.blockSignals(self, blocked)
        self._tell()

    def _tell(self, *_: Any) -> None:
        node = self.currentNode()
        if node is not self._told:
            self._told = node
            QtCore.QObject.__getattribute__(self, "currentNodeChanged").emit(node)

    def _flag(name: str, default: bool) -> Any:
        return QtCore.Property(
            bool,
            lambda self: self._flags.get(name, default),
            lambda self, value: self._flags.__setitem__(name, value),
        )

    addEnabled, removeEnabled = _flag("addEnabled", True), _flag("removeEnabled", True)
    editEnabled, renameEnabled = _flag("editEnabled", False), _flag("renameEnabled", False)
    showChildNodeTypes = _flag("showChildNodeTypes", True)

    def _set_none(self, value: bool) -> None:
        self._none = value
        self._fill()

    noneEnabled = QtCore.Property(bool, lambda self: self._none, lambda self, value: self._set_none(value))
    noneDisplay = QtCore.Property(
        str, lambda self: self._none_text, lambda self, value: (setattr(self, "_none_text", value), self._fill())[0]
    )
    nodeTypes = QtCore.Property(
        "QStringList",
        lambda self: self._types,
        lambda self, value: (setattr(self, "_types", list(value)), self._fill())[0],
    )
    currentNodeID = QtCore.Property(str, lambda self: self.currentNode().GetID() if self.currentNode() else "")


SIGNATURES.update(
    {
        ("qMRMLNodeComboBox", "currentNodeChanged(vtkMRMLNode*)"): "currentNodeChanged(PyObject)",
        ("ctkSliderWidget", "valueChanged(double)"): "valueChanged(double)",
    }
)

CTK = {kind.__name__: _stand_in(kind) for kind in (ctkCollapsibleButton, ctkPathLineEdit, ctkSliderWidget)}
QMRML = {kind.__name__: _stand_in(kind) for kind in (qMRMLWidget, qMRMLNodeComboBox)}


def make_ctk() -> types.ModuleType:
    """The module ``ctk``."""
    module = types.ModuleType("ctk")
    vars(module).update(CTK)
    return module


def register(loader: Any) -> None:
    """Let the .ui loader know the widgets, and ``slicer`` the qMRML ones."""
    loader.extra = {**CTK, **QMRML}
    for name, kind in QMRML.items():
        setattr(slicer, name, kind)
