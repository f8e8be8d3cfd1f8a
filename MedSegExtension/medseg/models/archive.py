"""Checks of a zip archive before anything is unpacked: bombs, paths that lead out of it, overlapping entries."""

from __future__ import annotations

import zipfile
from pathlib import Path, PurePosixPath

from ..errors import InputError, UnsafeModelError

MAX_ENTRIES = 50_000
#: All compressed entries together may unpack to this (weights are stored uncompressed).
MAX_INFLATED = 512 * 1024 * 1024
#: Python-like text compresses about tenfold; bombs a thousandfold.
MAX_RATIO = 200


def check_archive(path: Path) -> zipfile.ZipFile:
    """Open ``path`` and check its directory; the caller closes it.

    Raises
    ------
    InputError : the archive is damaged or encrypted.
    UnsafeModelError : an entry leads out of the archive, occurs twice, or would unpack to far more than it is.
    """
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, EOFError) as error:
        raise InputError(
            f"the archive is damaged or cut short ({error})", file=path, mend="copy or download it again"
        ) from None
    try:
        _check_entries(path, archive.infolist())
    except BaseException:
        archive.close()
        raise
    return archive


def _check_entries(path: Path, entries: list[zipfile.ZipInfo]) -> None:
    if len(entries) > MAX_ENTRIES:
        _unsafe(path, f"it has {len(entries)} entries")
    names = {entry.filename for entry in entries}
    if len(names) != len(entries):
        _unsafe(path, "an entry occurs twice, so that a check and the loader could read different ones")
    size = path.stat().st_size
    if sum(entry.compress_size for entry in entries) > size:
        _unsafe(path, "its entries overlap")
    inflated = 0
    for entry in entries:
        name = entry.filename
        parts = PurePosixPath(name).parts
        if name.startswith("/") or "\\" in name or ".." in parts or ":" in (parts[0] if parts else ":"):
            _unsafe(path, f"the entry {name[:80]!r} leads out of the archive")
        if "\0" in entry.orig_filename:  # where Python's reader ends a name, and others do not
            _unsafe(path, f"the entry {name[:80]!r} has a zero byte in its name")
        if (entry.external_attr >> 16) & 0o170000 == 0o120000:
            _unsafe(path, f"the entry {name[:80]!r} is a link")
        if entry.flag_bits & 1:
            raise InputError("the archive is encrypted", file=path, mend="save it without a password")
        if entry.compress_type == zipfile.ZIP_STORED:
            if entry.file_size != entry.compress_size:
                _unsafe(path, f"the entry {name[:80]!r} gives two sizes")
        elif entry.compress_type == zipfile.ZIP_DEFLATED:
            inflated += entry.file_size
            if entry.file_size > MAX_RATIO * max(entry.compress_size, 1) and entry.file_size > 1 << 20:
                _unsafe(path, f"the entry {name[:80]!r} would unpack to {entry.file_size} bytes")
        else:
            _unsafe(path, f"the entry {name[:80]!r} is compressed in a way model files do not use")
    if inflated > MAX_INFLATED:
        _unsafe(path, f"it would unpack to {inflated} bytes")


def read_entry(path: Path, archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    """The content of an entry of at most ``limit`` bytes. Raises InputError where it is damaged or longer."""
    info = archive.getinfo(name)
    if info.file_size > limit:
        raise UnsafeModelError(
            f"the entry {name!r} is {info.file_size} bytes long, {limit} are allowed",
            file=path,
            mend="do not open this file",
        )
    try:
        with archive.open(info) as stream:
            content = stream.read(limit + 1)
    except Exception as error:  # zlib and zipfile raise many kinds for damaged data
        raise InputError(
            f"the archive is damaged at {name!r} ({error})", file=path, mend="copy or download it again"
        ) from None
    if len(content) > limit:
        raise UnsafeModelError(
            f"the entry {name!r} unpacks to more than it says", file=path, mend="do not open this file"
        )
    return content


def _unsafe(path: Path, what: str) -> None:
    raise UnsafeModelError(f"the archive is refused: {what}", file=path, mend="get the file from its author again")
