"""A file appears under its final name only when it is complete."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from ..errors import InputError
from .names import suffix_of

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_CLOSED = (errno.EACCES, errno.EPERM, errno.EROFS)


@contextlib.contextmanager
def atomic_path(final: str | Path, *, overwrite: bool = True) -> Iterator[Path]:
    """Give a temporary path beside ``final``; rename it to ``final`` when the block ends well, remove it otherwise.

    The temporary path has the full suffix of ``final`` (writers choose the format by it), is hidden, and does not exist
    yet. On success it is flushed to the disk and renamed, which is atomic within one folder. A symbolic link is
    followed: its target is replaced, the link stays.

    Raises
    ------
    InputError : the folder is missing, read-only or full; ``final`` is a folder or a device; ``final`` exists and
        ``overwrite`` is false.
    FileNotFoundError : the block wrote nothing.
    """
    final = Path(os.path.realpath(final))
    folder = final.parent
    try:
        _check_target(final, overwrite)
    except OSError as error:
        raise InputError(
            f"cannot be a file name here ({error.strerror})",
            file=final.name[:80],
            mend="choose a shorter or plainer name",
        ) from error
    temporary = folder / f".medseg-{secrets.token_hex(4)}{suffix_of(final)}"
    try:
        _probe(folder, temporary)
        yield temporary
        _flush(temporary)
        if not overwrite and final.exists():  # written by somebody else meanwhile
            _check_target(final, overwrite)
        temporary.replace(final)
        _flush_folder(folder)
    except OSError as error:
        _remove(temporary)
        translated = disk_error(error, folder)
        if translated is None:
            raise
        raise translated from error
    except BaseException:
        _remove(temporary)
        raise


def disk_error(error: OSError, folder: Path) -> InputError | None:
    """The line for a full disk or a folder that may not be written; None for any other error."""
    if error.errno in _FULL:
        return InputError(
            "the disk is full, nothing was written", file=folder, mend="free some space or write to another folder"
        )
    if error.errno in _CLOSED:
        return InputError(
            "the folder may not be written to", file=folder, mend="choose another folder or ask for write permission"
        )
    return None


def has_room(folder: Path, size: int = 1 << 16) -> OSError | None:
    """Write and remove ``size`` bytes in ``folder``: the error the system answers with, or None when it works.

    For libraries that fail without saying why.
    """
    probe = folder / f".medseg-{secrets.token_hex(4)}"
    try:
        with probe.open("wb") as stream:
            stream.write(b"\xa5" * size)
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        return error
    finally:
        _remove(probe)
    return None


def _check_target(final: Path, overwrite: bool) -> None:
    if not final.parent.is_dir():
        raise InputError(
            "the folder to write to does not exist", file=final.parent, mend="create it or correct the path"
        )
    if final.is_dir():
        raise InputError("is a folder, a file was to be written", file=final, mend="give a file name")
    if final.exists() and not final.is_file():
        raise InputError("is not an ordinary file", file=final, mend="give the name of a file in a folder")
    if final.exists() and not overwrite:
        raise InputError("the file exists already", file=final, mend="choose another name or allow overwriting")


def _probe(folder: Path, temporary: Path) -> None:
    """Fail early, before minutes of work: can a file be made here at all?"""
    with temporary.open("xb"):
        pass
    temporary.unlink()


def _flush(path: Path) -> None:
    with path.open("rb+") as stream:
        os.fsync(stream.fileno())


def _flush_folder(folder: Path) -> None:
    # The rename itself reaches the disk with its folder; not every system lets a folder be opened.
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)
