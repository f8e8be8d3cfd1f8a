"""What goes over the wire: one JSON object a line, UTF-8, with an ``id`` in each.

To the worker: ``{"id": 3, "op": "segment", "payload": {...}}``; ops are ``probe``, ``inspect``, ``load``,
``convert``, ``segment``, ``cancel`` (payload ``{"target": 3}``) and ``shutdown``. From the worker:
``{"id": 0, "event": "hello", ...}`` once, then for each request any number of ``progress`` and one ``result`` or
``error``.
"""

from __future__ import annotations

import json
import math
import os
from typing import Any

from .. import errors
from ..errors import Cancelled, MedSegError, MissingPackageError, WorkerDied
from ..packages import distribution

PROTOCOL_VERSION = 1


def encode(message: dict[str, Any]) -> bytes:
    """``message`` as one line; NaN and infinities become null, numpy scalars plain numbers."""
    return json.dumps(plain(message), allow_nan=False, separators=(",", ":")).encode("ascii") + b"\n"


def decode(line: bytes) -> dict[str, Any] | None:
    """The message on ``line``, or None where the line is no message of ours (a library printed it)."""
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return message if isinstance(message, dict) and isinstance(message.get("id"), int) else None


def plain(data: Any) -> Any:
    """``data`` with everything JSON does not know turned into what it knows."""
    if isinstance(data, dict):
        return {str(key): plain(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [plain(value) for value in data]
    if hasattr(data, "item") and getattr(data, "ndim", None) == 0:  # numpy scalars
        data = data.item()
    if isinstance(data, float):
        return data if math.isfinite(data) else None
    if isinstance(data, os.PathLike):
        return os.fspath(data)
    if data is None or isinstance(data, (bool, int, str)):
        return data
    return str(data)


def error_to_message(error: BaseException) -> dict[str, Any]:
    """An exception as ``{kind, what, file, mend}``, with ``packages`` where some are missing."""
    if isinstance(error, MedSegError):
        data: dict[str, Any] = {"kind": type(error).__name__, "what": error.what, "file": error.file}
        data["mend"] = error.mend
        if isinstance(error, MissingPackageError):
            data["packages"] = list(error.packages)
        return data
    if isinstance(error, MemoryError):
        return {
            "kind": "MedSegError",
            "what": "memory ran out",
            "file": None,
            "mend": "close other programs, or use a smaller volume or a smaller model",
        }
    if isinstance(error, ModuleNotFoundError) and error.name and error.name.partition(".")[0] != "medseg":
        package = distribution(error.name)
        return {
            "kind": "MissingPackageError",
            "what": f"the Python package {package} is not installed",
            "file": None,
            "mend": f"pip install {package}",
            "packages": [package],
        }
    text = " ".join(str(error).split()) or "no message"
    return {
        "kind": "MedSegError",
        "what": f"failure of our own: {type(error).__name__}: {text}",
        "file": None,
        "mend": "report it with the log of the worker",
    }


def error_from_message(data: dict[str, Any]) -> MedSegError:
    """The exception that `error_to_message` described; a kind this side does not know becomes `MedSegError`."""
    kind = getattr(errors, str(data.get("kind")), MedSegError)
    if not (isinstance(kind, type) and issubclass(kind, MedSegError)):
        kind = MedSegError
    what = str(data.get("what") or "the worker gave no reason")
    if kind is Cancelled:
        return Cancelled(what)
    if kind is WorkerDied:
        return WorkerDied(what, mend=data.get("mend"))
    if kind is MissingPackageError:
        packages = [str(name) for name in data.get("packages") or ()]
        return MissingPackageError(what, file=data.get("file"), mend=data.get("mend"), packages=packages)
    return kind(what, file=data.get("file"), mend=data.get("mend"))
