"""A look at HDF5's global heaps, where texts of variable length lie, before the HDF5 library goes through them.

Found by fuzzing: the library walks a heap object by object and adds each one's size to its place. A free object of size
0 keeps it there for ever, and one larger than its heap takes it out of memory it may read; nothing in this process can
stop either. Format: HDF5 File Format Specification 3.0, III.E "Disk Format: Level 1E - Global Heap".
"""

from __future__ import annotations

import mmap
from pathlib import Path

_SIGNATURE = b"GCOL\x01\0\0\0"
_HEADER = 16


class HeapError(ValueError):
    """A heap whose objects do not fill it."""


def check_heaps(source: Path | bytes) -> None:
    """Raise HeapError where a global heap in the file (or its bytes) holds an object that does not fit into it."""
    if isinstance(source, bytes):
        _check(source)
        return
    if not source.stat().st_size:
        return
    with source.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
        _check(content)


def _check(content: bytes | mmap.mmap) -> None:
    place = content.find(_SIGNATURE)
    while place >= 0:
        size = int.from_bytes(content[place + 8 : place + _HEADER], "little")
        # A heap that reaches beyond the file is one that the library refuses; in weights the signature is chance.
        if size <= len(content) - place:
            _walk(content, place + _HEADER, place + size)
        place = content.find(_SIGNATURE, place + 1)


def _walk(content: bytes | mmap.mmap, place: int, end: int) -> None:
    while place + _HEADER <= end:
        index = int.from_bytes(content[place : place + 2], "little")
        size = int.from_bytes(content[place + 8 : place + _HEADER], "little")
        # Free space counts its own header, an object does not and is filled up to a multiple of eight.
        step = size if index == 0 else _HEADER + -(-size // 8) * 8
        if step < _HEADER or place + step > end:
            raise HeapError("an object in a heap of texts does not fit into it")
        place += step
