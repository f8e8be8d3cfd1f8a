"""PythonQt's manners over PySide6: the module `qt` as it is inside Slicer.

Each class of PySide6 is derived once, with attribute access as PythonQt has it (../shared/reference/slicer.md, 6.1 and
7, found by running Slicer). What PythonQt forgives silently fails here: a test should hear of it.
"""

from __future__ import annotations

import inspect
import os
import sys
import traceback
import types
from functools import cache
from typing import Any, ClassVar

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6 import QtCore, QtGui, QtUiTools, QtWidgets

#: What went wrong where nobody could hear of it: exceptions in slots. The fixture fails the test that left any.
PROBLEMS: list[str] = []

#: (class name, signature in Slicer) -> signature here, for signals whose argument is no Qt type.
SIGNATURES: dict[tuple[str, str], str] = {}


def guarded(slot: Any, signature: str = "") -> Any:
    """``slot`` as PythonQt calls it: surplus arguments are cut for functions and methods, exceptions are collected."""
    try:
        parameters = inspect.signature(slot).parameters.values()
        if any(p.kind is p.VAR_POSITIONAL for p in parameters):
            limit = None
        else:
            limit = sum(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters)
    except (TypeError, ValueError):  # a slot of C++
        limit = 0 if signature.endswith("()") else None

    def call(*arguments: Any) -> None:
        try:
            slot(*(arguments if limit is None else arguments[:limit]))
        except Exception:
            PROBLEMS.append(f"exception in a slot of {signature}\n{traceback.format_exc()}")

    return call


class BoundSignal:
    """What reading a signal as an attribute gives."""

    def __init__(self, sender: Any, name: str) -> None:
        self._sender, self._name = sender, name

    def _signature(self) -> str:
        meta = self._sender.metaObject()
        found = [bytes(meta.method(n).methodSignature().data()).decode() for n in range(meta.methodCount())]
        return next(s for s in found if s.partition("(")[0] == self._name)

    def connect(self, slot: Any) -> bool:
        return self._sender.connect(self._signature(), slot)

    def disconnect(self, slot: Any) -> bool:
        return self._sender.disconnect(self._signature(), slot)

    def emit(self, *arguments: Any) -> None:
        QtCore.QObject.__getattribute__(self._sender, self._name).emit(*arguments)

    __call__ = emit


class Manners:
    """Attribute access, connections and children as PythonQt has them. Mixed into every class of `qt`."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        if keywords:
            raise ValueError(f"PythonQt takes no keyword arguments in constructors: {sorted(keywords)}")
        super().__init__(*arguments)

    def __getattribute__(self, name: str) -> Any:
        if not name.startswith("_"):
            kind = type(self)
            if name in _OURS:  # PySide6 finds its own `connect` before that of a class in between
                return types.MethodType(getattr(Manners, name), self)
            if name in _properties(kind) and (id(self), name) not in _READING:
                _READING.add((id(self), name))
                try:
                    value = QtCore.QObject.property(self, name)
                finally:
                    _READING.discard((id(self), name))
                return tuple(value) if isinstance(value, list) else value
            if name == "name":
                return QtCore.QObject.objectName(self)
            if name in _signals(kind):
                return BoundSignal(self, name)
        return super().__getattribute__(name)

    def __setattr__(self, name: str, value: Any) -> None:
        kind = type(self)
        if not name.startswith("_") and name in _properties(kind):
            if not QtCore.QObject.setProperty(self, name, _fitting(_properties(kind)[name], name, value)):
                raise AttributeError(f"{kind.__name__}.{name} cannot be set to {value!r}")
        elif name == "name":
            QtCore.QObject.setObjectName(self, value)
        elif kind.__dict__.get("_plain_wrapper") and not name.startswith("_"):
            raise AttributeError(f"{kind.__name__}.{name}: creating new attributes on C++ objects is not allowed")
        else:
            super().__setattr__(name, value)

    def connect(self, signature: str, slot: Any) -> bool:
        sent = SIGNATURES.get((self.metaObject().className(), signature), signature)
        normalized = QtCore.QMetaObject.normalizedSignature(sent).data()
        if self.metaObject().indexOfSignal(bytes(normalized).decode()) < 0:
            raise AssertionError(f"{type(self).__name__} has no signal {signature}: in Slicer nothing would happen")
        call = guarded(slot, f"{type(self).__name__}.{signature}")
        self.__dict__.setdefault("_connections", []).append((signature, slot, call))
        return QtCore.QObject.connect(self, QtCore.SIGNAL(sent), call)

    def disconnect(self, signature: str, slot: Any) -> bool:
        for entry in self.__dict__.get("_connections", []):
            if entry[0] == signature and entry[1] == slot:
                sent = SIGNATURES.get((self.metaObject().className(), signature), signature)
                QtCore.QObject.disconnect(self, QtCore.SIGNAL(sent), entry[2])
                self._connections.remove(entry)
                return True
        return False

    def findChildren(self, kind: Any, name: str | None = None) -> tuple:
        kind = getattr(QtWidgets, kind) if isinstance(kind, str) else kind
        kind = kind.__dict__.get("_plain_wrapper") or kind
        return tuple(QtCore.QObject.findChildren(self, kind, name) if name else QtCore.QObject.findChildren(self, kind))

    def findChild(self, kind: Any, name: str | None = None) -> Any:
        return next(iter(self.findChildren(kind, name)), None)

    def children(self) -> tuple:
        return tuple(QtCore.QObject.children(self))


#: Properties that are being read. Behind some is a virtual method of the same name (`sizeHint`), and with Python 3.13
#: PySide6 asks the object for it, to see whether Python overrides it: that must find the method, not read again.
_READING: set[tuple[int, str]] = set()

_OURS = {"connect", "disconnect", "findChildren", "findChild", "children"}


@cache
def _properties(kind: type) -> dict[str, Any]:
    meta = kind.staticMetaObject
    found = {meta.property(n).name(): meta.property(n) for n in range(meta.propertyCount())}
    return {name: entry for name, entry in found.items() if name != "layout"}


@cache
def _signals(kind: type) -> set[str]:
    meta = kind.staticMetaObject
    methods = [meta.method(n) for n in range(meta.methodCount())]
    return {bytes(m.name().data()).decode() for m in methods if m.methodType() == QtCore.QMetaMethod.Signal}


def _fitting(entry: Any, name: str, value: Any) -> Any:
    """``value`` as PythonQt would hand it to the property; AttributeError for what it refuses."""
    kind = entry.typeName()
    if kind == "QString":
        return str(value)
    if kind == "bool":
        return bool(value)
    if kind == "int":
        if isinstance(value, str) or (type(value).__module__ == "numpy" and not hasattr(value, "__index__")):
            raise AttributeError(f"property {name} of type int does not accept {value!r}")
        return int(value)
    if kind == "double":
        if isinstance(value, str) or value is None:
            raise AttributeError(f"property {name} of type double does not accept {value!r}")
        return float(value)
    if kind == "QStringList" and isinstance(value, types.GeneratorType):
        raise AttributeError(f"property {name} does not accept a generator")
    return value


def derived(kind: type) -> type:
    """The class of PySide6 with PythonQt's manners."""
    return type(kind.__name__, (Manners, kind), {"_plain_wrapper": kind, "__module__": "qt"})


class UiLoader(QtUiTools.QUiLoader):
    """Loads .ui files; a class that nobody knows fails, as in Slicer without its designer plugins."""

    extra: ClassVar[dict[str, type]] = {}

    def load(self, file: Any) -> Any:
        return super().load(file)

    def createWidget(self, name: str, parent: Any = None, object_name: str = "") -> Any:
        kind = self.extra.get(name) or getattr(sys.modules["qt"], name, None)
        if kind is None:
            raise AssertionError(f"the .ui file uses a class that is not known: {name}")
        widget = kind(parent) if parent is not None else kind()
        QtCore.QObject.setObjectName(widget, object_name)
        return widget

    def createLayout(self, name: str, parent: Any = None, object_name: str = "") -> Any:
        layout = getattr(sys.modules["qt"], name)()
        QtCore.QObject.setObjectName(layout, object_name)
        if parent is not None and parent.isWidgetType() and QtWidgets.QWidget.layout(parent) is None:
            QtWidgets.QWidget.setLayout(parent, layout)
        return layout


class QtModule(types.ModuleType):
    """``qt``: all classes flat, made when first asked for."""

    def __getattr__(self, name: str) -> Any:
        for source in (QtWidgets, QtGui, QtCore):
            if hasattr(source, name):
                value = getattr(source, name)
                if isinstance(value, type) and issubclass(value, QtCore.QObject):
                    value = derived(value)
                setattr(self, name, value)
                return value
        raise AttributeError(f"qt has no {name}")


def make_qt() -> types.ModuleType:
    """The module, with what PythonQt or Slicer patches."""
    qt = QtModule("qt")
    qt.QUiLoader = UiLoader
    timer = qt.QTimer

    def single_shot(milliseconds: int, slot: Any) -> None:
        QtCore.QTimer.singleShot(int(milliseconds), guarded(slot, "QTimer.singleShot()"))

    timer.singleShot = staticmethod(single_shot)
    return qt
