"""The side that talks to the worker process. Needs no Qt, no Slicer and no thread of its own.

>>> client = WorkerClient()                                                              # doctest: +SKIP
>>> request = client.submit("segment", {"volumes": [volume], "model": "model.onnx"})     # doctest: +SKIP
>>> client.wait(request)["labels"]                                                       # doctest: +SKIP

Where there is an event loop, call `WorkerClient.poll` from a timer instead of waiting.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import sys
import time
import weakref
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from .errors import Cancelled, MedSegError, WorkerDied
from .progress import Progress
from .worker.death import explain
from .worker.exchange import pack, unpack
from .worker.messages import PROTOCOL_VERSION, decode, encode, error_from_message
from .worker.process import LOG_BYTES, WorkerProcess

LOGGER = logging.getLogger(__name__)

__all__ = ["LOG_BYTES", "Request", "WorkerClient"]


#: What is a path in a request's payload.
PATHS = ("model", "card", "input", "output", "out", "folder")


class Request:
    """One thing asked of the worker.

    Attributes
    ----------
    op, payload : what was asked; the payload is dropped when the request is finished.
    state : "waiting", "running", "cancelling" or "finished".
    progress : the last `Progress`, or None.
    result : what came back (JSON data with arrays and volumes in it), once finished without error.
    error : the `MedSegError` it failed with (`Cancelled` when cancelled), or None.
    """

    def __init__(
        self,
        number: int,
        op: str,
        payload: dict[str, Any],
        on_progress: Callable[[Progress], Any] | None,
        on_finished: Callable[[Request], Any] | None,
        timeout_s: float | None,
    ) -> None:
        self.number, self.op, self.payload = number, op, payload
        self.on_progress, self.on_finished, self.timeout_s = on_progress, on_finished, timeout_s
        self.state = "waiting"
        self.progress: Progress | None = None
        self.result: dict[str, Any] | None = None
        self.error: MedSegError | None = None
        self._files: list[Path] = []
        self._deadline: float | None = None
        self._cancel_deadline: float | None = None

    @property
    def finished(self) -> bool:
        return self.state == "finished"


class WorkerClient:
    """Starts the worker, asks it one thing after another, and knows when it has died.

    Parameters
    ----------
    python : the worker's interpreter (a path, or a command as a list); by default the one that runs now. Inside Slicer
        this is ``PythonSlicer``, because ``sys.executable`` there is the application.
    environment : environment to start from, by default this process's own. Slicer passes its start-up environment.
    start_timeout_s : how long the worker may take to say hello.
    cancel_grace_s : how long it may take to answer a cancel before it is killed.
    temporary_root : where the private folder is made, by default the system's temporary folder.
    memory_limit_bytes : limit on the worker's own memory (Linux only), 0 for none.
    install : turns a distribution's name into the sentence that says how to install it.
    preload : "torch", where that will be needed: imported while the worker starts.
    module : what to run; another one calls `medseg.worker.__main__.main` with operations of its own.

    Requests that wait survive a worker that dies; the one that was running fails with `WorkerDied`.
    """

    def __init__(
        self,
        python: str | Path | Sequence[str] | None = None,
        *,
        environment: Mapping[str, str] | None = None,
        start_timeout_s: float = 60.0,
        cancel_grace_s: float = 1.0,
        temporary_root: str | Path | None = None,
        memory_limit_bytes: int = 0,
        install: Callable[[str], str] | None = None,
        module: str = "medseg.worker",
        preload: str | None = None,
    ) -> None:
        if python is None:
            python = sys.executable
        self.command = [str(python)] if isinstance(python, (str, Path)) else [str(part) for part in python]
        self.hello: dict[str, Any] | None = None
        self.log = ""
        self._environment, self._module = environment, module
        self._start_timeout_s, self._cancel_grace_s = start_timeout_s, cancel_grace_s
        self._root, self._memory_limit, self._preload = temporary_root, memory_limit_bytes, preload
        self._install = install or (lambda name: f"install it: {self.command[0]} -m pip install {name}")
        self._process: WorkerProcess | None = None
        self._stop: weakref.finalize | None = None
        self._waiting: deque[Request] = deque()
        self._running: Request | None = None
        self._next = 1
        self._polling = False

    # What a caller uses

    def start(self) -> None:
        """Start the worker if it does not run. Returns at once; `hello` is filled in when it has answered.

        Raises WorkerDied where the interpreter cannot be started.
        """
        if self._process is not None:
            return
        self.hello = None
        process = WorkerProcess(
            self.command,
            self._module,
            self._environment,
            self._root,
            self._memory_limit,
            self._start_timeout_s,
            self._preload,
        )
        self._process = process
        self._stop = weakref.finalize(self, WorkerProcess.close, process)  # also when the interpreter exits

    def submit(
        self,
        op: str,
        payload: Mapping[str, Any] | None = None,
        *,
        on_progress: Callable[[Progress], Any] | None = None,
        on_finished: Callable[[Request], Any] | None = None,
        timeout_s: float | None = None,
    ) -> Request:
        """Ask for ``op`` (probe, inspect, segment). Volumes and arrays in ``payload`` go through mapped files.

        The callbacks are called from `poll`. A request that runs longer than ``timeout_s`` fails, and its worker is
        killed. Nothing is raised here: what goes wrong is the request's `error`.
        """
        payload = dict(payload or {})
        for name in PATHS:  # the worker has another working folder
            if payload.get(name) and isinstance(payload[name], (str, Path)):
                payload[name] = str(Path(payload[name]).absolute())
        request = Request(self._next, op, payload, on_progress, on_finished, timeout_s)
        self._next += 1
        self._waiting.append(request)
        return request

    def cancel(self, request: Request) -> None:
        """Ask to stop; the request finishes with `Cancelled`, at the latest after ``cancel_grace_s``."""
        if request is self._running and request.state == "running":
            request.state = "cancelling"
            request._cancel_deadline = time.monotonic() + self._cancel_grace_s
            self._write("cancel", {"target": request.number})
        elif request in self._waiting:
            request.state = "cancelling"

    def poll(self) -> bool:
        """Handle what has happened since the last call, without waiting. True while there is anything to wait for.

        Call it from a timer, some ten times a second. Callbacks run here; they may call any method, this one too.
        """
        if self._polling:
            return True
        self._polling = True
        try:
            calls = self._step()
        finally:
            self._polling = False
        for call in calls:
            try:
                call()
            except Exception:
                LOGGER.exception("a callback of the worker's client failed")
        return bool(self._waiting or self._running)

    def wait(
        self, request: Request, timeout: float | None = None, idle: Callable[[], Any] | None = None
    ) -> dict[str, Any]:
        """Wait until ``request`` is finished and return its result, or raise its error.

        ``idle`` is called between polls (to keep a window alive). Raises TimeoutError after ``timeout`` seconds; the
        request goes on.
        """
        end = None if timeout is None else time.monotonic() + timeout
        while not request.finished:
            self.poll()
            if request.finished:
                break
            if end is not None and time.monotonic() > end:
                raise TimeoutError(f"{request.op} has not finished within {timeout:g} s")
            if idle is not None:
                idle()
            self._rest(0.02)
        if request.error is not None:
            raise request.error
        assert request.result is not None
        return request.result

    def close(self) -> None:
        """End the worker and remove its folder. What still waits or runs finishes with `Cancelled`."""
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(OSError):
                process.write(encode({"id": 0, "op": "shutdown"}))
            self._end(process, grace_s=1.0)
        pending = [*([self._running] if self._running else []), *self._waiting]
        self._running = None
        self._waiting.clear()
        for request in pending:
            call = self._finish(request, error=Cancelled())
            with contextlib.suppress(Exception):
                call()

    def __enter__(self) -> WorkerClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """Process id of the worker, once it has said hello."""
        return self.hello["pid"] if self.hello else None

    # The steps of a poll; each returns the callbacks to call when the state is consistent again

    def _step(self) -> list[Callable[[], Any]]:
        calls = [self._finish(r, error=Cancelled()) for r in list(self._waiting) if r.state == "cancelling"]
        if self._process is not None:
            for line in self._process.read_lines():
                calls += self._handle(line)
        if self._process is not None:
            calls += self._check_alive(self._process)
        if self._running is not None:
            calls += self._check_deadlines(self._running)
        if self._running is None and self._waiting:
            calls += self._send_next()
        return calls

    def _send_next(self) -> list[Callable[[], Any]]:
        if self._process is None:
            try:
                self.start()
            except MedSegError as error:
                return [self._finish(r, error=error) for r in list(self._waiting)]
        if self._process is None or self.hello is None:
            return []
        request = self._waiting[0]
        try:
            payload = pack(self._process.folder, request.payload, request._files)
        except MedSegError as error:
            return [self._finish(request, error=error)]
        self._waiting.popleft()
        self._running = request
        request.state = "running"
        if request.timeout_s is not None:
            request._deadline = time.monotonic() + request.timeout_s
        self._write(request.op, payload, request.number)
        return []

    def _write(self, op: str, payload: dict[str, Any], number: int | None = None) -> None:
        if number is None:
            number, self._next = self._next, self._next + 1
        if self._process is not None:
            with contextlib.suppress(OSError):  # it has died; the next poll says why
                self._process.write(encode({"id": number, "op": op, "payload": payload}))

    def _handle(self, line: bytes) -> list[Callable[[], Any]]:
        message = decode(line)
        if message is None:
            LOGGER.debug("not a message of the worker: %r", line[:200])
            return []
        event = message.get("event")
        if event == "hello":
            if message.get("protocol") != PROTOCOL_VERSION:
                return self._died(
                    WorkerDied(
                        f"the worker speaks protocol {message.get('protocol')}, this side {PROTOCOL_VERSION}",
                        mend="install the extension again, so that all its files are of one version",
                    )
                )
            self.hello = message
            if self._process is not None:
                self._process.worker_pid = message.get("pid")
            return []
        request = self._running
        if request is None or message["id"] != request.number:
            return []
        if event == "progress":
            moment = Progress(
                str(message.get("stage")),
                int(message.get("done") or 0),
                int(message.get("total") or 0),
                float(message.get("fraction") or 0.0),
                message.get("seconds_left"),
            )
            request.progress = moment
            return [partial(request.on_progress, moment)] if request.on_progress else []
        if event == "error":
            return [self._finish(request, error=error_from_message(message.get("error") or {}))]
        if event == "result" and self._process is not None:
            try:
                return [self._finish(request, unpack(self._process.folder, message.get("result") or {}, take=True))]
            except MedSegError as error:
                return [self._finish(request, error=error)]
        return []

    def _check_alive(self, process: WorkerProcess) -> list[Callable[[], Any]]:
        if process.ended():
            return self._died(explain(process.status(), process.read_log(), self._install))
        if self.hello is None and time.monotonic() > process.start_deadline:
            return self._died(
                WorkerDied(
                    f"the worker process did not answer within {self._start_timeout_s:g} s",
                    mend="try again when the computer is less busy",
                )
            )
        return []

    def _check_deadlines(self, request: Request) -> list[Callable[[], Any]]:
        now = time.monotonic()
        if request._cancel_deadline is not None and now > request._cancel_deadline:
            self._kill()
            return [self._finish(request, error=Cancelled())]
        if request._deadline is not None and now > request._deadline:
            return self._died(
                WorkerDied(
                    f"{request.op} took longer than {request.timeout_s:g} s and was stopped",
                    mend="use a smaller volume or model, or allow more time",
                )
            )
        return []

    def _died(self, error: WorkerDied) -> list[Callable[[], Any]]:
        greeted = self.hello is not None
        self._kill()
        error.log = self.log
        # One that died before its first word would do so again: nothing that waits can be answered either.
        victims = [self._running] if greeted else [self._running, *self._waiting]
        calls = []
        for request in victims:
            if request is not None:
                stopped = request.state == "cancelling"
                calls.append(self._finish(request, error=Cancelled() if stopped else error))
        return calls

    def _kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            self._end(process, grace_s=0.0)

    def _end(self, process: WorkerProcess, grace_s: float) -> None:
        if self._stop is not None:
            self._stop.detach()
        process.stop(grace_s)
        self.log = process.read_log()
        process.close()
        self.hello = None

    def _finish(
        self, request: Request, result: dict[str, Any] | None = None, error: MedSegError | None = None
    ) -> Callable[[], Any]:
        if request is self._running:
            self._running = None
        with contextlib.suppress(ValueError):
            self._waiting.remove(request)
        request.result, request.error, request.state = result, error, "finished"
        request.payload = {}
        for file in request._files:
            with contextlib.suppress(OSError):  # still mapped by a worker on Windows; goes with the folder
                file.unlink()
        return partial(request.on_finished, request) if request.on_finished else _nothing

    def _rest(self, seconds: float) -> None:
        """Until the worker says something, at most ``seconds``."""
        if self._process is not None and os.name != "nt" and not self._process.at_end:
            select.select([self._process.output], [], [], seconds)
        else:
            time.sleep(seconds)


def _nothing() -> None:
    """The callback of a request that has none."""
