"""The worker's loop: one request after the other, while a second thread listens for cancel and for the end of input."""

from __future__ import annotations

import importlib.util
import os
import platform
import queue
import shutil
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from ..errors import Cancelled, InputError
from ..progress import Progress
from ..version import __version__
from .exchange import pack, unpack
from .messages import PROTOCOL_VERSION, decode, encode, error_to_message

#: Backend name -> the module that must be importable for it.
BACKEND_MODULES = {"torch": "torch", "onnxruntime": "onnxruntime", "openvino": "openvino"}

#: At most this many progress messages a second; the last of a stage always goes out.
PROGRESS_INTERVAL_S = 0.1


class Context:
    """What an operation may use while it runs: report progress, ask whether it is cancelled."""

    def __init__(self, send: Callable[[dict[str, Any]], None], request_id: int) -> None:
        self._send = send
        self._id = request_id
        self._last = 0.0
        self._stage: str | None = None
        self._cancel = threading.Event()

    def cancelled(self) -> bool:
        """Whether the person asked to stop; operations ask between batches."""
        return self._cancel.is_set()

    def cancel(self) -> None:
        """Ask the operation to stop. Called by the reading thread."""
        self._cancel.set()

    def progress(self, moment: Progress) -> None:
        """Tell the other side how far it is."""
        now = time.monotonic()
        unfinished = moment.fraction < 1 and moment.done < moment.total
        if unfinished and moment.stage == self._stage and now - self._last < PROGRESS_INTERVAL_S:
            return
        self._last, self._stage = now, moment.stage
        self._send(
            {
                "id": self._id,
                "event": "progress",
                "fraction": moment.fraction,
                "stage": moment.stage,
                "done": moment.done,
                "total": moment.total,
                "seconds_left": moment.seconds_left,
                "text": moment.text,
            }
        )


Operation = Callable[[dict[str, Any], Context], dict[str, Any]]


class Server:
    """Answers requests from ``source`` on ``sink`` until told to shut down or the input ends.

    Parameters
    ----------
    source, sink : binary streams of JSON lines.
    folder : the private folder that arrays travel through.
    operations : op name -> function of (payload, context) that returns the result, a tree of JSON data, arrays and
        volumes, and raises `MedSegError`.
    leave : how to end the process when the input ends in the middle of an operation. A library that computes does not
        come back to ask, so the default ends the process at once.
    """

    def __init__(
        self,
        source: BinaryIO,
        sink: BinaryIO,
        folder: Path,
        operations: Mapping[str, Operation],
        leave: Callable[[int], Any] = os._exit,
    ) -> None:
        self._source, self._sink, self._folder, self._operations = source, sink, folder, operations
        self._leave = leave
        self._writing = threading.Lock()
        self._requests: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._contexts: dict[int, Context] = {}

    def run(self) -> None:
        """Greet, then work until ``shutdown``."""
        self._send(hello())
        threading.Thread(target=self._read, name="medseg-worker-reader", daemon=True).start()
        while (message := self._requests.get()) is not None:
            self._answer(message)

    def _send(self, message: dict[str, Any]) -> None:
        line = encode(message)
        with self._writing:
            try:
                self._sink.write(line)
                self._sink.flush()
            except OSError:  # nobody listens any more; the end of input tells the reading thread
                pass

    def _read(self) -> None:
        for line in self._source:
            message = decode(line)
            if message is None:
                continue
            op, number = message.get("op"), message["id"]
            if op == "cancel":
                target = self._contexts.get(_payload(message).get("target", -1))
                if target:
                    target.cancel()
                self._send({"id": number, "event": "result", "result": {"found": target is not None}})
            elif op == "shutdown":
                for context in list(self._contexts.values()):
                    context.cancel()
                self._send({"id": number, "event": "result", "result": {}})
                self._requests.put(None)
                return
            else:
                self._contexts[number] = Context(self._send, number)
                self._requests.put(message)
        # The other process ended without a goodbye: what it left in the folder is nobody's now.
        shutil.rmtree(self._folder, ignore_errors=True)
        self._leave(0)

    def _answer(self, message: dict[str, Any]) -> None:
        number = message["id"]
        context = self._contexts[number]
        reply: dict[str, Any] = {"id": number}
        files: list[Path] = []
        try:
            operation = self._operations.get(str(message.get("op")))
            if operation is None:
                raise InputError(
                    f"the worker knows no operation {message.get('op')!r}",
                    mend=f"ask for one of {', '.join(sorted(self._operations))}",
                )
            if context.cancelled():
                raise Cancelled()
            result = operation(unpack(self._folder, _payload(message)), context)
            reply |= {"event": "result", "result": pack(self._folder, result, files)}
        except Exception as error:  # whatever it is, the other side must hear of it
            if not isinstance(error, Cancelled):
                traceback.print_exc(file=sys.stderr)
            reply |= {"event": "error", "error": error_to_message(error)}
            for file in files:  # of a result that did not fit on the disk
                file.unlink(missing_ok=True)
        finally:
            del self._contexts[number]
        # Sent when the maps of the request's arrays are gone, so that the other side can remove the files (Windows).
        self._send(reply)


def _payload(message: dict[str, Any]) -> dict[str, Any]:
    payload = message.get("payload")
    return payload if isinstance(payload, dict) else {}


def hello() -> dict[str, Any]:
    """The first message: who speaks, and which backends could be imported (none is, that would take seconds)."""
    backends = [name for name, module in BACKEND_MODULES.items() if importlib.util.find_spec(module)]
    return {
        "id": 0,
        "event": "hello",
        "protocol": PROTOCOL_VERSION,
        "engine": __version__,
        "backends": backends,
        "pid": os.getpid(),
        "python": platform.python_version(),
    }
