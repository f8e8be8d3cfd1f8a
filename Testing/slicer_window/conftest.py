"""The module's window on the stand-ins of `Testing/standins`: real widgets, real MRML, real worker processes."""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("slicer", reason="needs the slicer-core wheel")
pytest.importorskip("PySide6", reason="needs PySide6")
# By its place: with `Testing` on the search path its folder `slicer` would become part of Slicer's package.
if "standins" not in sys.modules:
    _place = Path(__file__).resolve().parents[1] / "standins"
    _spec = importlib.util.spec_from_file_location(
        "standins", _place / "__init__.py", submodule_search_locations=[str(_place)]
    )
    sys.modules["standins"] = importlib.util.module_from_spec(_spec)

import slicer
from standins import pythonqt
from standins.application import StandIn
from standins.module import Module


class Window(SimpleNamespace):
    """The application with its module, and what a person does with it."""

    def wait(self, condition: Any, seconds: float = 120) -> None:
        """Let the event loop run until the condition holds."""
        import select

        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"nothing happened; status: {self.ui.statusLabel.text}"
            self.app.processEvents()
            select.select([], [], [], 0.005)  # the loop has nothing to do; the worker has

    @property
    def ui(self) -> Any:
        return self.module.widget.ui

    @property
    def widget(self) -> Any:
        return self.module.widget

    def open(self) -> Any:
        return self.module.open()


@pytest.fixture
def slow(window: Window, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The application's worker takes its time, until the function that this gives is called."""
    from medseg.client import WorkerClient
    from MedSegLib import workerHost

    go = tmp_path / "go"
    monkeypatch.setenv("MEDSEG_TEST_GO", str(go))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[1] / "support"))
    workerHost.closeSharedHost()
    client = WorkerClient(module="slow_worker", cancel_grace_s=workerHost.CANCEL_S)
    workerHost._shared = workerHost.WorkerHost(client)
    return go.touch


@pytest.fixture(params=[False], ids=["attended"])
def window(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Window]:
    """The module in a fresh scene. Parametrise (indirect) with True for the testing mode, or with a language."""
    pythonqt.PROBLEMS.clear()
    stand_in = StandIn(tmp_path, testing=request.param is True)
    if isinstance(request.param, str):
        stand_in.app.applicationLocaleName = request.param
    stand_in.install()
    stand_in.mrml.clear()
    module = Module(stand_in)
    yield Window(module=module, app=stand_in.app, dialogs=stand_in.dialogs, scene=slicer.mrmlScene, stand_in=stand_in)
    from MedSegLib.workerHost import closeSharedHost

    module.quit()
    closeSharedHost()
    stand_in.remove()
    problems, pythonqt.PROBLEMS[:] = list(pythonqt.PROBLEMS), []
    assert not problems, "\n".join(problems)
