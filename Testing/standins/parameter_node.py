"""`slicer.parameterNodeWrapper`, as far as the module uses it: str, bool, int, float, `pathlib.Path` and node fields.

Values lie as strings and node references on a real vtkMRMLScriptedModuleNode, as in Slicer, and the same widgets
connect to the same types; any other pair fails, as there. Only the node's ModifiedEvent tells of a change.
"""

from __future__ import annotations

import typing
from pathlib import Path
from typing import Any

import vtk

#: Exact type of a widget -> (types it may hold, how to read, how to write, signal).
CONNECTORS: dict[str, tuple[tuple[type, ...], str, str]] = {
    "QCheckBox": ((bool,), "checked", "stateChanged(int)"),
    "QSpinBox": ((int,), "value", "valueChanged(int)"),
    "QSlider": ((int,), "value", "valueChanged(int)"),
    "QDoubleSpinBox": ((float, int), "value", "valueChanged(double)"),
    "ctkSliderWidget": ((float, int), "value", "valueChanged(double)"),
    "QLineEdit": ((str,), "text", "textChanged(QString)"),
    "ctkPathLineEdit": ((Path,), "currentPath", "currentPathChanged(QString)"),
}


class WithinRange:
    """Annotation: the value lies between two bounds; anything else is refused."""

    def __init__(self, minimum: float, maximum: float) -> None:
        self.minimum, self.maximum = minimum, maximum


class _Field:
    def __init__(self, name: str, kind: Any, default: Any) -> None:
        self.range = next((a for a in getattr(kind, "__metadata__", ()) if isinstance(a, WithinRange)), None)
        kind = typing.get_args(kind)[0] if hasattr(kind, "__metadata__") else kind
        self.name, self.kind, self.default = name, kind, default
        self.is_node = hasattr(kind, "IsTypeOf") or issubclass(kind, vtk.vtkObject)

    def __get__(self, wrapper: Any, owner: type) -> Any:
        node = wrapper.parameterNode
        if self.is_node:
            return node.GetNodeReference(self.name)
        text = node.GetParameter(self.name)
        return text == "True" if self.kind is bool else self.kind(text)

    def __set__(self, wrapper: Any, value: Any) -> None:
        node = wrapper.parameterNode
        if self.is_node:
            if value is not None and not isinstance(value, self.kind):
                raise ValueError(f"{self.name} takes a {self.kind.__name__}, not {value!r}")
            node.SetParameter(self.name, "")
            node.SetNodeReferenceID(self.name, value.GetID() if value is not None else None)
            return
        if self.kind is not str and not isinstance(value, (self.kind, int) if self.kind is float else self.kind):
            raise ValueError(f"{self.name} takes a {self.kind.__name__}, not {value!r}")
        if self.range is not None and not self.range.minimum <= value <= self.range.maximum:
            raise ValueError(f"{self.name}: {value} is not within {self.range.minimum} and {self.range.maximum}")
        node.SetParameter(self.name, str(value))


def parameterNodeWrapper(cls: type) -> type:
    """Class decorator: typed fields on a parameter node."""
    fields = {
        name: _Field(name, kind, getattr(cls, name, None if hasattr(kind, "SafeDownCast") else kind()))
        for name, kind in typing.get_type_hints(cls, include_extras=True).items()
    }
    for name, field in fields.items():
        setattr(cls, name, field)
    cls.allParameters = fields

    def initialize(self: Any, parameterNode: Any) -> None:
        self.parameterNode = parameterNode
        self._connections: dict[int, Any] = {}
        self._updating = False
        for name, field in fields.items():
            if not field.is_node and parameterNode.GetParameter(name) == "" and field.default != "":
                setattr(self, name, field.default)

    def connect_gui(self: Any, gui: Any) -> int:
        pairs = []
        for widget in vars(gui).values():
            name = widget.property("SlicerParameterName")
            if name:
                pairs.append((fields[name], widget, *_connector(fields[name], widget)))

        def update(*_: Any) -> None:
            if self._updating:
                return
            self._updating = True
            try:
                for field, widget, _, write, _ in pairs:
                    write(widget, getattr(self, field.name))
            finally:
                self._updating = False

        slots = []
        update()
        for field, widget, read, _, signal in pairs:

            def changed(field: Any = field, widget: Any = widget, read: Any = read) -> None:
                if not self._updating:
                    setattr(self, field.name, read(widget))

            slot = _without_arguments(changed)
            widget.connect(signal, slot)
            slots.append((widget, signal, slot))
        tag = max(self._connections, default=-1) + 1
        self._connections[tag] = (slots, self.AddObserver(vtk.vtkCommand.ModifiedEvent, update))
        return tag

    def disconnect_gui(self: Any, tag: int) -> None:
        slots, observer = self._connections.pop(tag)
        for widget, signal, slot in slots:
            assert widget.disconnect(signal, slot)
        self.RemoveObserver(observer)

    cls.__init__ = initialize
    cls.connectGui, cls.disconnectGui = connect_gui, disconnect_gui
    cls.AddObserver = lambda self, event, call, priority=0.0: self.parameterNode.AddObserver(event, call, priority)
    cls.RemoveObserver = lambda self, tag: self.parameterNode.RemoveObserver(tag)
    cls.StartModify = lambda self: self.parameterNode.StartModify()
    cls.EndModify = lambda self, was: self.parameterNode.EndModify(was)
    cls.Modified = lambda self: self.parameterNode.Modified()
    return cls


def _without_arguments(call: Any) -> Any:
    return lambda: call()


def _connector(field: _Field, widget: Any) -> tuple[Any, Any, str]:
    name = type(widget).__name__
    if name == "qMRMLNodeComboBox" and field.is_node:
        return (
            lambda w: w.currentNode(),
            lambda w, value: w.setCurrentNode(value),
            "currentNodeChanged(vtkMRMLNode*)",
        )
    kinds, attribute, signal = CONNECTORS.get(name, ((), "", ""))
    if field.kind not in kinds:
        raise RuntimeError(f"no connector between {name} and {field.kind.__name__} ({field.name})")
    if name in ("ctkSliderWidget", "QSlider") and field.range is None:
        raise RuntimeError(f"{name} cannot be connected to {field.name}, which is unbounded")
    if name in ("ctkSliderWidget", "QSlider", "QSpinBox", "QDoubleSpinBox"):
        # Slicer sets the widget's range, whatever the .ui file says.
        unbounded = (-(2**31), 2**31 - 1) if field.kind is int else (float("-inf"), float("inf"))
        bounds = unbounded if field.range is None else (field.range.minimum, field.range.maximum)
        widget.minimum, widget.maximum = bounds
    return (
        lambda w: field.kind(getattr(w, attribute)),
        lambda w, value: setattr(w, attribute, str(value) if field.kind is Path else value),
        signal,
    )
