"""Slices in a file that is mapped into memory: written once, whole or absent, found again by checksum."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Literal

import numpy as np
from medseg.errors import InputError
from medseg.io.atomic import disk_error

from .slices import SliceStore

#: Raised when what is written here, or how slices are prepared, changes.
FORMAT = 1
#: The large arrays and their kinds; each is a file of bare numbers.
KINDS: dict[str, type[np.generic]] = {"images": np.float16, "labels": np.uint8, "planes": np.float16}


class MappedWriter:
    """Writes ``folder/slices-KEY``: a file for each of `KINDS`, ``index.npz`` and ``about.json``.

    Everything goes to a hidden folder that is renamed when it is complete; until then nothing is there.
    """

    def __init__(self, folder: Path, key: str, shapes: Mapping[str, tuple[int, ...]]) -> None:
        self.final = folder / f"slices-{key}"
        self._folder = folder / f".medseg-{secrets.token_hex(4)}"
        self._shapes = {name: list(shape) for name, shape in shapes.items()}

    def __enter__(self) -> MappedWriter:
        try:
            self._folder.mkdir(parents=True)
            # Taken from the disk now: a hole in a mapped file that the disk has no room for would be a bus error.
            for name, kind in KINDS.items():
                with (self._folder / name).open("wb") as stream:
                    _allocate(stream.fileno(), int(np.prod(self._shapes[name])) * np.dtype(kind).itemsize)
        except OSError as error:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise disk_error(error, self._folder.parent) or error from None
        self.big = {name: _map(self._folder / name, kind, "r+", self._shapes[name]) for name, kind in KINDS.items()}
        return self

    def finish(self, index: dict[str, np.ndarray]) -> SliceStore:
        """Flush, rename, and open what was written."""
        for array in self.big.values():
            if isinstance(array, np.memmap):
                array.flush()
        try:
            np.savez(self._folder / "index.npz", allow_pickle=False, **index)
            about = {"format": FORMAT, "shapes": self._shapes}
            (self._folder / "about.json").write_text(json.dumps(about), encoding="utf-8")
            for file in self._folder.iterdir():
                descriptor = os.open(file, os.O_RDONLY)
                os.fsync(descriptor)
                os.close(descriptor)
            if not self.final.exists():  # another process may have made the same one meanwhile
                self._folder.rename(self.final)
        except OSError as error:
            raise disk_error(error, self._folder.parent) or error from None
        store = open_mapped(self.final)
        if store is None:
            raise InputError("a broken file of slices lies here", file=self.final, mend="remove it")
        return store

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)


def _allocate(descriptor: int, size: int) -> None:
    if size and hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
    else:
        os.ftruncate(descriptor, size)


def _map(path: Path, kind: type[np.generic], mode: Literal["r+", "c"], shape: Sequence[int]) -> np.ndarray:
    if 0 in shape:  # nothing can be mapped of an empty file
        return np.empty(shape, kind)
    return np.memmap(path, kind, mode, shape=tuple(shape))


def open_mapped(path: Path) -> SliceStore | None:
    """The store in the folder ``path``; None where there is none, or not all of it."""
    try:
        about = json.loads((path / "about.json").read_text(encoding="utf-8"))
        if about["format"] != FORMAT:
            return None
        shapes = about["shapes"]
        for name, kind in KINDS.items():
            if (path / name).stat().st_size != int(np.prod(shapes[name])) * np.dtype(kind).itemsize:
                return None
        with np.load(path / "index.npz", allow_pickle=False) as arrays:
            index = {name: arrays[name] for name in arrays.files}
    except (OSError, ValueError, KeyError):
        return None
    # Copy on write: torch wants arrays it may write to, and nothing reaches the file.
    return SliceStore.from_arrays({n: _map(path / n, kind, "c", shapes[n]) for n, kind in KINDS.items()}, index)


def sweep(folder: Path) -> None:
    """Remove what a killed process left half written in a run's own folder."""
    if folder.is_dir():
        for left in folder.glob(".medseg-*"):
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
            else:
                left.unlink(missing_ok=True)
