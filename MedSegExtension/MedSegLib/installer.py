"""Running pip through Slicer, without a pop-up and, where Slicer can, without holding up the window."""

from __future__ import annotations

import subprocess

import slicer
from slicer.i18n import tr as _

from .requirements import checkRequirements, installedVersions, replacedWhileLoaded

#: What pip prints when it cannot reach the package index.
OFFLINE = (
    "NewConnectionError",
    "NameResolutionError",
    "Temporary failure in name resolution",
    "Network is unreachable",
    "Connection refused",
    "ConnectTimeoutError",
    "ProxyError",
    "getaddrinfo failed",
    "SSLError",
)


class Installer:
    """One installation. ``onLine(text)`` is called with pip's output, ``onFinished(state, explanation)`` once.

    The state is "ready", "offline", "absent" (a wheel is not in the folder), "full", "failed", "restart" or "missing".
    """

    def __init__(self, onLine, onFinished) -> None:
        self._onLine, self._onFinished = onLine, onFinished
        self._wanted: list[str] = []
        self._lines: list[str] = []
        self.running = False

    def start(self, lines: list[str], wheels: str = "", repair: bool = False) -> None:
        """Install requirement lines, from the folder ``wheels`` where given; ``repair`` installs over what is there."""
        # Wheels only: nothing is built here, and nothing of a package runs while it is installed.
        arguments = ["--only-binary=:all:"]
        if wheels:
            arguments += ["--no-index", "--find-links", wheels]
        if repair:
            arguments += ["--force-reinstall", "--no-deps"]
        self._wanted = lines
        self._lines, self.running = [], True
        command = [*lines, *arguments]
        try:
            from slicer import packaging
        except ImportError:  # Slicer 5.10: it blocks
            self._wait(lambda: slicer.util.pip_install(command))
            return
        if slicer.app.testingEnabled():  # there it blocks too
            self._wait(lambda: packaging.pip_install(command))
            return
        try:
            packaging.pip_install(
                command,
                blocking=False,
                show_progress=False,
                requester="MedSeg",
                logCallback=self._heard,
                completedCallback=self._completed,
            )
        except RuntimeError as error:  # another installation is under way
            self.running = False
            self._onFinished("failed", str(error))

    def _wait(self, install) -> None:
        before = installedVersions()
        try:
            install()
        except subprocess.CalledProcessError as error:
            self._lines += str(error.output or error).splitlines()
            self._completed(error.returncode)
        else:  # what pip said is not told
            self._completed(0, [name for name, now in installedVersions().items() if before.get(name, now) != now])

    def _heard(self, line) -> None:
        self._lines.append(str(line))
        self._onLine(str(line))

    def _completed(self, returnCode, installed: list[str] | None = None) -> None:
        self.running = False
        output = "\n".join(self._lines)
        last = next((line for line in reversed(self._lines) if line.startswith("ERROR")), "").removeprefix("ERROR: ")
        if returnCode == 0:
            replaced = replacedWhileLoaded(namesInstalled(output) if installed is None else installed)
            if replaced:
                self._onFinished("restart", ", ".join(replaced))
            else:
                self._onFinished(checkRequirements(self._wanted).state, "")
        elif any(word in output for word in OFFLINE):
            self._onFinished("offline", last)
        elif "No space left" in output or "not enough space" in output:
            self._onFinished("full", last)
        elif "No matching distribution" in output:
            self._onFinished("absent", last)
        else:
            self._onFinished("failed", last or _("pip ended with status {code}").format(code=returnCode))


def namesInstalled(output: str) -> list[str]:
    """The packages that pip's output says it installed: ``Successfully installed numpy-2.4.6 …``."""
    lines = [line for line in output.splitlines() if line.startswith("Successfully installed ")]
    return [word.rpartition("-")[0] for line in lines for word in line.split()[2:]]
