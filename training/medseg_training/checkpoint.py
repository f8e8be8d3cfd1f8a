"""Checkpoints that are either whole or absent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from medseg.errors import InputError
from medseg.io import atomic_path


def save_checkpoint(state: dict[str, Any], path: str | Path) -> None:
    """Write tensors and plain values to ``path``: to a temporary file, flushed to the disk, then renamed."""
    with atomic_path(Path(path)) as temporary:
        torch.save(state, temporary)


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
