"""The real MRML libraries of the slicer-core wheel, with stand-ins for the little of the application MedSeg.py needs.

Passing here is not passing in Slicer: `MedSegTest` runs the same scenarios there. No Qt is imitated here; the window is
tested in `Testing/slicer_window`.
"""

from __future__ import annotations

import importlib.util
import sys
import types
from pathlib import Path

import pytest

slicer = pytest.importorskip("slicer", reason="needs the slicer-core wheel")
# By its place: with `Testing` on the search path its folder `slicer` would become part of Slicer's package.
if "standins" not in sys.modules:
    _place = Path(__file__).resolve().parents[1] / "standins"
    _spec = importlib.util.spec_from_file_location(
        "standins", _place / "__init__.py", submodule_search_locations=[str(_place)]
    )
    sys.modules["standins"] = importlib.util.module_from_spec(_spec)

from standins.mrml import mrml_application  # noqa: E402

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


@pytest.fixture(scope="session")
def application():
    instance = mrml_application()
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
    _module("parameterNodeWrapper", parameterNodeWrapper=lambda cls: cls, WithinRange=lambda *bounds: bounds)
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
