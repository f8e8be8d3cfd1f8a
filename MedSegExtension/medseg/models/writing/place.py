"""Where a written model goes: checks before minutes of work, and the move that is complete or not done at all."""

from __future__ import annotations

import os
import secrets
import shutil
from pathlib import Path

from ...errors import InputError
from ..detect import Format


def check_target(out: Path, kind: Format, overwrite: bool) -> None:
    """Raise InputError where ``out`` may not be written: no folder for it, there already, or something else."""
    final = Path(os.path.realpath(out))
    if not final.parent.is_dir():
        raise InputError(
            "the folder to write to does not exist", file=final.parent, mend="create it or correct the path"
        )
    if not final.exists():
        return
    if kind != "monai_bundle":
        if not final.is_file():
            raise InputError("is not an ordinary file", file=final, mend="give a file name")
        if not overwrite:
            raise InputError("the file exists already", file=final, mend="choose another name or allow overwriting")
        return
    bundle = final.is_dir() and (final / "configs" / "metadata.json").is_file()
    # Never a folder with other things in it.
    if not bundle and not (final.is_dir() and not any(final.iterdir())):
        raise InputError("exists already and is no MONAI bundle", file=final, mend="choose another name")
    if bundle and not overwrite:
        raise InputError("the bundle exists already", file=final, mend="choose another name or allow overwriting")


def move_into_place(made: Path, out: Path, kind: Format, overwrite: bool) -> None:
    """Move ``made`` (a file or a bundle's folder on the same disk) to ``out``. Raises InputError."""
    from ...io.atomic import atomic_path, disk_error

    check_target(out, kind, overwrite)
    if kind != "monai_bundle":
        with atomic_path(out, overwrite=overwrite) as temporary:
            made.replace(temporary)
        return
    final = Path(os.path.realpath(out))
    old = final.parent / f".medseg-{secrets.token_hex(4)}"
    try:
        if final.exists():
            final.rename(old)
        try:
            made.rename(final)
        except OSError:
            if old.exists():
                old.rename(final)
            raise
    except OSError as error:
        translated = disk_error(error, final.parent)
        if translated is None:
            raise
        raise translated from error
    finally:
        shutil.rmtree(old, ignore_errors=True)
