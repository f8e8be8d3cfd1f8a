"""Arrays and volumes through files of the private folder; everything else stays in the JSON line.

`pack` replaces each numpy array and each `Volume` in a tree of dicts and lists by a description of a file, `unpack`
does the reverse. Volumes travel without name and source: no patient's name leaves the process that read it.
"""

from __future__ import annotations

import errno
import math
import uuid
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import MedSegError
from ..volume import Volume

ARRAY_KEY = "$array"
VOLUME_KEY = "$volume"

#: dtype kinds that travel: bool, integers, floats. Never objects, which numpy would have to unpickle.
KINDS = "biuf"


def pack(folder: Path, value: Any, files: list[Path] | None = None) -> Any:
    """``value`` with arrays and volumes written into ``folder``; the files' paths are appended to ``files``.

    Raises MedSegError when the folder cannot be written.
    """
    if isinstance(value, Volume):
        return {
            VOLUME_KEY: {
                "array": pack(folder, value.array, files),
                "spacing": list(value.spacing),
                "origin": list(value.origin),
                "direction": value.direction.ravel().tolist(),
                "modality": value.modality,
            }
        }
    if isinstance(value, np.ndarray) and value.ndim:
        return {ARRAY_KEY: _write(folder, value, files)}
    if isinstance(value, dict):
        return {key: pack(folder, item, files) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [pack(folder, item, files) for item in value]
    return value


def unpack(folder: Path, value: Any, *, take: bool = False) -> Any:
    """What `pack` made ``value`` from.

    Arrays are read-only maps of their files, or, with ``take``, copies in memory, the files being removed.
    Raises MedSegError where a file does not fit its description.
    """
    if isinstance(value, dict):
        if set(value) == {ARRAY_KEY}:
            return _read(folder, value[ARRAY_KEY], take)
        if set(value) == {VOLUME_KEY}:
            data = value[VOLUME_KEY]
            return Volume(
                unpack(folder, data["array"], take=take),
                tuple(data["spacing"]),
                tuple(data["origin"]),
                np.asarray(data["direction"], dtype=float).reshape(3, 3),
                modality=data.get("modality"),
            )
        return {key: unpack(folder, item, take=take) for key, item in value.items()}
    if isinstance(value, list):
        return [unpack(folder, item, take=take) for item in value]
    return value


def _write(folder: Path, array: np.ndarray, files: list[Path] | None) -> dict[str, Any]:
    if array.dtype.kind not in KINDS:
        raise MedSegError(f"an array of {array.dtype} cannot be handed to the worker")
    path = folder / f"{uuid.uuid4().hex}.array"
    if files is not None:
        files.append(path)
    contiguous = np.ascontiguousarray(array)
    try:
        with path.open("wb") as file:
            file.write(contiguous.reshape(-1).view(np.uint8).data)
    except OSError as error:
        path.unlink(missing_ok=True)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise MedSegError(
                "the disk of the temporary folder is full",
                file=folder.parent,
                mend=f"free {array.nbytes / 2**20:.0f} MiB there",
            ) from None
        raise MedSegError(
            f"the temporary folder cannot be written ({error.strerror})",
            file=folder.parent,
            mend="correct its permissions, or set TMPDIR to another folder",
        ) from None
    return {"file": path.name, "dtype": array.dtype.str, "shape": list(array.shape)}


def _read(folder: Path, data: dict[str, Any], take: bool) -> np.ndarray:
    name, shape, dtype = data["file"], tuple(int(n) for n in data["shape"]), np.dtype(data["dtype"])
    if dtype.kind not in KINDS or Path(name).name != name:
        raise MedSegError("a message describes an array that this side does not take")
    path = folder / name
    try:
        size = path.stat().st_size
        if size != math.prod(shape) * dtype.itemsize:
            raise MedSegError(
                f"an exchanged array holds {size} bytes, not {math.prod(shape) * dtype.itemsize}",
                mend="free space in the temporary folder",
            )
        if size == 0:
            array: np.ndarray = np.zeros(shape, dtype)
        elif take:
            array = np.fromfile(path, dtype).reshape(shape)
        else:
            array = np.memmap(path, dtype, mode="r", shape=shape)
    except OSError as error:
        raise MedSegError(
            f"an exchanged array cannot be read ({error.strerror})",
            mend="leave the temporary folder alone while the worker runs",
        ) from None
    if take:
        path.unlink(missing_ok=True)
    return array
