"""The operating system's side of a worker: starting it, its pipes, its log, and ending it for certain."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import WorkerDied
from .private import PrivateFolder

#: How much of the end of a worker's log is kept for an error report.
LOG_BYTES = 200_000

#: Variables that make a Python start differently from what `WorkerProcess` asks for.
DISTURBING = (
    "PYTHONSTARTUP",
    "PYTHONINSPECT",
    "PYTHONSAFEPATH",
    "PYTHONBREAKPOINT",
    "PYTHONCASEOK",
    "PYTHONOPTIMIZE",
    "PYTHONDUMPREFS",
    "PYTHONPROFILEIMPORTTIME",
    "PYTHONVERBOSE",
    "PYTHONEXECUTABLE",
)

ENGINE_FOLDER = Path(__file__).resolve().parents[2]


def worker_environment(command: Sequence[str], base: Mapping[str, str] | None = None) -> dict[str, str]:
    """The worker's environment: ``base`` (this process's own), with our engine found first and nothing in the way.

    An interpreter other than this one must not get this one's home and search path. Slicer's PythonSlicer sets its own
    and puts them before what it is given.
    """
    environment = dict(os.environ if base is None else base)
    for name in DISTURBING:
        environment.pop(name, None)
    search = [str(ENGINE_FOLDER)]
    if command[0] == sys.executable and base is None:
        search += [environment["PYTHONPATH"]] if environment.get("PYTHONPATH") else []
    else:
        environment.pop("PYTHONHOME", None)
    environment["PYTHONPATH"] = os.pathsep.join(search)
    environment["PYTHONUTF8"] = "1"
    environment["PYTHONDONTWRITEBYTECODE"] = "1"  # the extension may be installed where a user cannot write
    environment.setdefault("PYTORCH_ENABLE_MPS_FALLBACK", "1")  # operators that Apple's GPU lacks run on the CPU
    return environment


class WorkerProcess:
    """A started worker, its private folder and its pipes. Raises WorkerDied where it cannot be started."""

    def __init__(
        self,
        command: Sequence[str],
        module: str,
        environment: Mapping[str, str] | None,
        root: str | Path | None,
        memory_limit: int,
        start_timeout_s: float,
        preload: str | None = None,
    ) -> None:
        try:
            self._private = PrivateFolder(root)
        except OSError as error:
            raise WorkerDied(
                f"no private temporary folder can be made ({error.strerror})",
                mend="free space in the temporary folder, or set TMPDIR to another one",
            ) from None
        self.folder = self._private.path
        self.worker_pid: int | None = None
        self.at_end = False
        self._pending = b""
        self._gone_since: float | None = None
        self._log = self.folder / "worker.log"
        arguments = [*command, "-P", "-m", module, "--folder", str(self.folder)]
        if memory_limit:
            arguments += ["--memory-limit", str(memory_limit)]
        if preload:
            arguments += ["--preload", preload]
        try:
            with self._log.open("wb") as log:
                self._popen = subprocess.Popen(
                    arguments,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    bufsize=0,
                    env=worker_environment(command, environment),
                    cwd=self.folder.parent,
                    **_window_options(),
                )
        except OSError as error:
            self._private.close()
            raise WorkerDied(
                f"the Python interpreter {command[0]} cannot be started ({error.strerror})",
                mend="choose another interpreter, or install the application again",
            ) from None
        assert self._popen.stdout is not None
        self.output = self._popen.stdout.fileno()
        os.set_blocking(self.output, False)  # pipes on Windows too, since Python 3.12
        self.start_deadline = time.monotonic() + start_timeout_s

    def write(self, data: bytes) -> None:
        """Send; raises OSError where the worker has gone."""
        assert self._popen.stdin is not None
        view = memoryview(data)
        try:
            while view:
                view = view[self._popen.stdin.write(view) :]
        except ValueError:  # closed already
            raise BrokenPipeError from None

    def read_lines(self) -> list[bytes]:
        """The lines that have arrived; never waits."""
        while not self.at_end:
            try:
                data = os.read(self.output, 1 << 16)
            except BlockingIOError:
                break
            except OSError:
                data = b""
            if not data:
                self.at_end = True
            self._pending += data
        *lines, self._pending = self._pending.split(b"\n")
        return lines

    def ended(self) -> bool:
        """Whether the process is gone. Call after `read_lines`, so that its last words have been heard."""
        if self.at_end:  # it closed its output and is about to end
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._popen.wait(2.0)
            return True
        if self._popen.poll() is None:
            return False
        # It has ended, but its last words may have come after the last look. They end with the end of the pipe, unless
        # a process that it left behind still holds that.
        self._gone_since = self._gone_since or time.monotonic()
        return time.monotonic() > self._gone_since + 1.0

    def status(self) -> int | None:
        """Exit status, negative for a signal, None where it still runs."""
        return self._popen.poll()

    def read_log(self) -> str:
        """The last `LOG_BYTES` of what it printed."""
        try:
            with self._log.open("rb") as file:
                file.seek(max(0, self._log.stat().st_size - LOG_BYTES))
                return file.read().decode("utf-8", errors="replace")
        except OSError:
            return ""

    def stop(self, grace_s: float) -> None:
        """Wait ``grace_s`` for it to end by itself, then kill it and what it started."""
        end = time.monotonic() + grace_s
        while self._popen.poll() is None and time.monotonic() < end:
            self.read_lines()  # a full pipe would keep it from ending
            time.sleep(0.005)
        if self._popen.poll() is None:
            self._kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._popen.wait(5.0)
        for pipe in (self._popen.stdin, self._popen.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()

    def _kill(self) -> None:
        # Slicer starts Python through a launcher: killing that alone would leave the worker computing.
        with contextlib.suppress(OSError):
            if os.name == "nt":
                if self.worker_pid is not None and self.worker_pid != self._popen.pid:
                    os.kill(self.worker_pid, signal.SIGTERM)  # TerminateProcess
                self._popen.kill()
            else:
                os.killpg(self._popen.pid, signal.SIGKILL)

    def close(self) -> None:
        """Kill what still runs and remove the folder."""
        self.stop(0.0)
        self._private.close()


def _window_options() -> dict[str, Any]:
    """No console window on Windows; elsewhere a session of its own, so that Ctrl-C in a terminal reaches only us."""
    if sys.platform == "win32":
        info = subprocess.STARTUPINFO()
        info.dwFlags |= subprocess.STARTF_USESHOWWINDOW
        info.wShowWindow = subprocess.SW_HIDE
        return {"startupinfo": info}
    return {"start_new_session": True}
