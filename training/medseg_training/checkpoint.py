"""Checkpoints that are either whole or absent."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
from pathlib import Path
from typing import Any

import torch
from medseg.errors import InputError
from medseg.io import atomic_path

#: Raised when what a checkpoint holds changes in a way that an older run cannot be taken up.
FORMAT = 2


def save_checkpoint(state: dict[str, Any], path: str | Path) -> None:
    """Write tensors and plain values to ``path``: to a temporary file, flushed to the disk, then renamed.

    Raises InputError where the disk is full or the folder is gone; what was there before is still there then.
    """
    # Through memory: torch's own writer hides why a write has failed.
    buffer = io.BytesIO()
    torch.save(state, buffer)
    with atomic_path(Path(path)) as temporary:
        temporary.write_bytes(buffer.getbuffer())


def copy_checkpoint(source: Path, target: Path) -> None:
    """Give the file a second name, at once whole; a copy where the file system has no links.

    ``source`` itself is only ever replaced, never written to, so what ``target`` names does not change with it.
    """
    if target.exists() and target.samefile(source):
        return  # a rename onto another name of the same file does nothing, and the temporary one would stay
    with atomic_path(target) as temporary:
        try:
            os.link(source, temporary)
        except OSError:
            with contextlib.suppress(OSError):
                temporary.unlink()
            shutil.copyfile(source, temporary)


def load_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read a checkpoint without running anything in it. Raises InputError where it is missing or broken."""
    path = Path(path)
    if not path.is_file():
        raise InputError("there is no checkpoint here", file=path, mend="give the directory of a run that has begun")
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises RuntimeError, UnpicklingError, EOFError ...
        raise InputError(
            f"the checkpoint cannot be read ({type(error).__name__})",
            file=path,
            mend="start again with --fresh, or restore the file from a copy",
        ) from None
