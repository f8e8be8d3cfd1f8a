"""What happened, and one report of it that can be copied. No names of patients, volumes or folders."""

from __future__ import annotations

import platform
import sys
import time
from pathlib import Path

import slicer
from medseg.version import __version__

from .requirements import installedVersions, requirements

LINES = 500

PACKAGES = ("numpy", "scipy", "simpleitk", "torch", "onnxruntime", "onnxruntime-gpu", "openvino", "fastjsonschema")


class LogPanel:
    """``describe()`` gives (name, value) pairs of what is chosen now."""

    def __init__(self, ui, describe) -> None:
        self.ui, self._describe = ui, describe
        self._lines: list[str] = []
        self.workerLog = ""
        ui.logText.setMaximumBlockCount(LINES)
        ui.copyReportButton.connect("clicked(bool)", lambda checked=False: self.copy())

    def add(self, text: str) -> None:
        """One line, with the time."""
        for line in str(text).splitlines():
            stamped = f"{time.strftime('%H:%M:%S')} {line}"
            self._lines = [*self._lines, stamped][-LINES:]
            self.ui.logText.appendPlainText(stamped)

    def report(self) -> str:
        """Versions, choices, log and the last output of a worker that died."""
        installed = installedVersions()
        packages = [f"{name} {installed[name]}" for name in PACKAGES if name in installed]
        lines = [
            f"MedSeg {__version__}",
            f"Slicer {getattr(slicer.app, 'applicationVersion', '?')}, {platform.platform()}",
            f"Python {sys.version.split()[0]}, {', '.join(packages)}",
            f"needs {', '.join(requirements())}",
            *(f"{name}: {value}" for name, value in self._describe()),
            "",
            *self._lines,
        ]
        if self.workerLog:
            lines += ["", "last output of the worker:", self.workerLog[-20000:]]
        return private("\n".join(lines))

    def copy(self) -> None:
        slicer.app.clipboard().setText(self.report())
        self.add("report copied")


def private(text: str) -> str:
    """``text`` without the name of the person's home folder."""
    home = str(Path.home())
    return text.replace(home, "~") if len(home) > 1 else text
