"""Zip archives that PyTorch's own reader opens after us: nothing in which the two could read different files.

Python's zipfile finds the archive's directory from its end and forgives bytes before the archive; miniz, inside
PyTorch, takes the directory's place as it is written, and finds names whatever their case. So a file could show us one
archive and PyTorch another. Files as PyTorch writes them leave no such room, and others are refused.
"""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

from ..errors import UnsafeModelError

_END, _END64, _LOCATOR = 22, 56, 20
#: In the old records of a zip64 archive: look into the new ones.
_ELSEWHERE = (0xFFFF, 0xFFFFFFFF)


def check_one_reading(path: Path, archive: zipfile.ZipFile) -> None:
    """Raise UnsafeModelError where another reader could find other entries than ``archive`` has."""
    _check_directory(path, archive)
    names = [entry.filename for entry in archive.infolist()]
    if len({name.lower() for name in names}) != len(names):
        _refuse(path, "two of its entries differ in upper and lower case alone")
    for name in names:
        leaf = name.partition("/")[2]
        # What is read as code or as a pickle is searched for by these parts of its name.
        for part in ("code/", "constants/", "data/"):
            if leaf.lower().startswith(part) and not leaf.startswith(part):
                _refuse(path, f"its entry {name[-80:]!r} could be taken for another in lower case")
        for ending in (".py", ".pkl", ".debug_pkl"):
            if leaf.lower().endswith(ending) and not leaf.endswith(ending):
                _refuse(path, f"its entry {name[-80:]!r} could be taken for another in lower case")


def _check_directory(path: Path, archive: zipfile.ZipFile) -> None:
    size = path.stat().st_size
    with path.open("rb") as stream:
        stream.seek(max(0, size - _END - _LOCATOR - _END64))
        tail = stream.read()
    end = tail[-_END:]
    if end[:4] != b"PK\x05\x06" or end[20:22] != b"\0\0":
        _refuse(path, "bytes follow its directory")
    disk, first, here, count, length, begin = struct.unpack("<4H2L", end[4:20])
    stop = size - _END
    locator = tail[-_END - _LOCATOR : -_END]
    if locator[:4] == b"PK\x06\x07":
        record = tail[: -_END - _LOCATOR]
        stop -= _LOCATOR + _END64
        if locator[4:] != struct.pack("<LQL", 0, stop, 1) or record[:4] != b"PK\x06\x06" or len(record) != _END64:
            _refuse(path, "its directory does not stand where it says")
        here64, count64, length64, begin64 = struct.unpack("<4Q", record[24:])
        if struct.unpack("<QHHLL", record[4:24])[0] != _END64 - 12:
            _refuse(path, "its directory does not stand where it says")
        for old, new in ((here, here64), (count, count64), (length, length64), (begin, begin64)):
            if old != new and old not in _ELSEWHERE:
                _refuse(path, "it has two directories")
        here, count, length, begin = here64, count64, length64, begin64
    if disk or first or here != count or count != len(archive.infolist()):
        _refuse(path, "its directory has another number of entries than it says")
    # Nothing stands before the archive or between its directory and its end.
    if begin + length != stop or archive.start_dir != begin:
        _refuse(path, "its directory does not stand where it says")


def _refuse(path: Path, what: str) -> None:
    raise UnsafeModelError(
        f"the archive is refused: {what}, so that a check and the loader could read different ones",
        file=path,
        mend="save it again with torch.jit.save",
    )
