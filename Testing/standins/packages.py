"""`slicer.packaging.pip_install` over the real pip, into a folder of the test; and wheels to install.

Imitated: asking (left to the module), the callbacks on the main thread, blocking in testing mode. Not imitated: the
progress dialog, installing into the interpreter itself.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import slicer
from PySide6 import QtCore

from .pythonqt import guarded


def write_wheel(folder: Path, name: str, version: str) -> Path:
    """A whole wheel of one module that does nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}.py", f'VERSION = "{version}"\n')
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", f"{name}.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")
    return path


class Packages:
    """``slicer.packaging``. ``folder`` is where pip installs; it is on the search path while the test runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._process: Any = None

    def command(self, requirements: list[str]) -> list[str]:
        return [
            "-m",
            "pip",
            "install",
            "--disable-pip-version-check",
            "--upgrade",
            "--target",
            str(self.folder),
            *requirements,
        ]

    def _drop_old(self) -> None:
        """With ``--target`` pip leaves the record of an older version beside the new one."""
        for name in {path.name.partition("-")[0] for path in self.folder.glob("*.dist-info")}:
            *old, _ = sorted(self.folder.glob(f"{name}-*.dist-info"), key=lambda path: path.stat().st_mtime_ns)
            for path in old:
                shutil.rmtree(path)

    def environment(self) -> dict[str, str]:
        """A package index that nobody answers for: the tests stay off the network."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
        nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "1", "PIP_CONFIG_FILE": os.devnull}
        return {**kept, **nowhere, "PIP_NO_INPUT": "1"}

    def pip_install(
        self,
        requirements: list[str],
        blocking: bool = True,
        show_progress: bool = True,
        requester: str | None = None,
        logCallback: Any = None,
        completedCallback: Any = None,
    ) -> None:
        if blocking or slicer.app.testingEnabled():
            done = subprocess.run(
                [sys.executable, *self.command(requirements)],
                env=self.environment(),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
            self._drop_old()
            if done.returncode:
                raise subprocess.CalledProcessError(done.returncode, "pip install", done.stdout)
            return
        process = self._process = QtCore.QProcess()
        environment = QtCore.QProcessEnvironment()
        for name, value in self.environment().items():
            environment.insert(name, value)
        process.setProcessEnvironment(environment)
        process.setProcessChannelMode(QtCore.QProcess.MergedChannels)

        def read() -> None:
            while process.canReadLine():
                logCallback(bytes(process.readLine().data()).decode().rstrip())

        def finished(code: int, status: Any) -> None:
            read()
            self._drop_old()
            completedCallback(code)

        process.readyReadStandardOutput.connect(guarded(read))
        process.finished.connect(guarded(finished))
        process.start(sys.executable, self.command(requirements))
