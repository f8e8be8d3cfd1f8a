"""One warm worker for the whole application, and the timer that listens to it."""

from __future__ import annotations

import logging
import os
import shutil
import sys
from pathlib import Path

import slicer
from medseg.client import Request, WorkerClient

#: How often the timer looks whether the worker has said something.
POLL_MS = 10

#: How long a cancelled run may take to stop by itself; then its process is killed. Cancelling answers within a second.
CANCEL_S = 0.7


class WorkerHost:
    """Owns the `WorkerClient`. Polls from a QTimer while anything is under way; elsewhere `wait` polls.

    ``makeTimer(intervalMs, callback)`` returns an object with ``start()`` and ``stop()``.
    """

    def __init__(self, client: WorkerClient | None = None, makeTimer=None) -> None:
        self._client = client
        self._makeTimer = makeTimer or makeQtTimer
        self._timer = None

    @property
    def client(self) -> WorkerClient:
        if self._client is None:
            self._client = WorkerClient(
                pythonCommand(), environment=startupEnvironment(), install=howToInstall, cancel_grace_s=CANCEL_S
            )
        return self._client

    def submit(self, op: str, payload: dict, onProgress=None, onFinished=None, timeout: float | None = None) -> Request:
        """Ask the worker; the callbacks come from the application's event loop, or from `wait`."""
        request = self.client.submit(op, payload, on_progress=onProgress, on_finished=onFinished, timeout_s=timeout)
        if self._timer is None:
            self._timer = self._makeTimer(POLL_MS, self._poll)
        if self._timer is not None:
            self._timer.start()
        self.client.poll()
        return request

    def wait(self, request: Request, timeout: float | None = None) -> dict:
        """The result of ``request``, or its error raised; the window stays painted meanwhile."""
        return self.client.wait(request, timeout, idle=paintWindow)

    def ask(self, op: str, payload: dict, timeout: float | None = None) -> dict:
        """Ask and wait; one that takes longer than ``timeout`` seconds is stopped and fails."""
        return self.wait(self.submit(op, payload, timeout=timeout))

    def cancel(self, request: Request) -> None:
        """Ask to stop; answered within a second, by killing the worker if need be."""
        self.client.cancel(request)
        self.client.poll()

    @property
    def running(self) -> bool:
        """Whether a worker process has said hello and not ended."""
        return self._client is not None and self._client.pid is not None

    def later(self, call) -> None:
        """Call in the next turn of the event loop; at once where there is none."""
        if not hasApplication():
            call()
            return
        import qt

        qt.QTimer.singleShot(0, call)

    def close(self) -> None:
        """End the worker; a later request starts another."""
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
        if self._client is not None:
            self._client.close()
            self._client = None

    def _poll(self) -> None:
        if not self.client.poll() and self._timer is not None:
            self._timer.stop()


_shared: WorkerHost | None = None
_looking: WorkerHost | None = None


def sharedHost() -> WorkerHost:
    """The application's one host, made at first use."""
    global _shared
    if _shared is None:
        _shared = WorkerHost()
    return _shared


def closeSharedHost() -> None:
    """End the application's workers, for example before the module is reloaded."""
    global _shared, _looking
    for host in (_shared, _looking):
        if host is not None:
            host.close()
    _shared = _looking = None


def probeDevices(onFinished, timeout: float = 120) -> Request:
    """Ask which devices work, in a worker of its own that ends afterwards.

    Every framework is loaded for it, which takes seconds and memory; runs need not wait.
    """
    global _looking
    if _looking is not None:
        _looking.close()
    host = _looking = WorkerHost()

    def finished(request: Request) -> None:
        host.later(host.close)
        onFinished(request)

    return host.submit("probe", {}, onFinished=finished, timeout=timeout)


def hasApplication() -> bool:
    """Whether this runs inside the Slicer application, and not in plain Python with the MRML libraries."""
    return getattr(slicer, "app", None) is not None and hasattr(slicer.app, "slicerHome")


def pythonCommand() -> list[str]:
    """The interpreter for the worker: PythonSlicer inside Slicer, else the one that runs now."""
    if not hasApplication():
        return [sys.executable]
    name = "PythonSlicer.exe" if os.name == "nt" else "PythonSlicer"
    found = shutil.which("PythonSlicer")
    if found:
        return [found]
    for folder in (Path(slicer.app.slicerHome) / "bin", Path(sys.prefix) / "bin", Path(sys.prefix)):
        if (folder / name).is_file():
            return [str(folder / name)]
    logging.warning("MedSeg: PythonSlicer was not found; trying the system's search path when it is started")
    return [name]


def startupEnvironment() -> dict[str, str] | None:
    """The environment Slicer was started in: PythonSlicer adds what it needs itself."""
    return slicer.util.startupEnvironment() if hasApplication() else None


def howToInstall(name: str) -> str:
    """The sentence that says how to install a package for the worker."""
    if hasApplication():
        return f"install it: run slicer.util.pip_install('{name}') in the Python console"
    return f"install it: {sys.executable} -m pip install {name}"


def makeQtTimer(intervalMs: int, callback):
    """A QTimer, or None where there is no Qt (then only `WorkerHost.wait` polls)."""
    if not hasApplication():
        return None
    import qt

    timer = qt.QTimer()
    timer.setInterval(intervalMs)
    timer.connect("timeout()", callback)
    return timer


def paintWindow() -> None:
    """Let the window repaint and timers run, but take no clicks: the caller is in the middle of something."""
    if hasApplication():
        import qt

        slicer.app.processEvents(qt.QEventLoop.ExcludeUserInputEvents)
