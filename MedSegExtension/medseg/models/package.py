"""A model package, folder or zip, read by name: nothing leads out of it; a zip is unpacked only as far as needed."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path, PurePosixPath

import numpy as np

from ..backends import Backend
from ..errors import InputError, UnsafeModelError
from .archive import check_archive, read_entry

#: Entries of a folder that are looked at to tell what it is.
MAX_LISTED = 10_000


class Package:
    """Files of a package by their posix name relative to its root.

    ``path`` is a folder or a zip archive; a zip whose entries all lie in one folder counts from that folder. Raises
    InputError where it cannot be read, UnsafeModelError where the archive was made to do harm.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._root = ""
        self._names: frozenset[str] | None = None
        if not self.path.is_dir():
            with check_archive(self.path) as archive:
                names = [name for name in archive.namelist() if not name.endswith("/")]
            tops = {name.partition("/")[0] for name in names}
            if len(tops) == 1 and all("/" in name for name in names):
                self._root = tops.pop() + "/"
            self._names = frozenset(name.removeprefix(self._root) for name in names)

    @property
    def is_folder(self) -> bool:
        return self._names is None

    def top(self) -> list[str]:
        """Names of the files and folders at the root, sorted; at most `MAX_LISTED` are looked at."""
        if self._names is not None:
            return sorted({name.partition("/")[0] for name in self._names})
        with os.scandir(self.path) as entries:
            return sorted(entry.name for entry in islice(entries, MAX_LISTED))

    def has(self, name: str) -> bool:
        """Whether there is a file ``name`` inside. Raises UnsafeModelError where the name leads out of a folder."""
        if self._names is not None:
            return str(PurePosixPath(name)) in self._names
        try:
            return self._inside(name).is_file()
        except (OSError, ValueError):
            return False

    def read(self, name: str, limit: int) -> bytes:
        """The content of a file of at most ``limit`` bytes. Raises InputError."""
        if self._names is not None:
            with check_archive(self.path) as archive:
                return read_entry(self.path, archive, self._entry(name), limit)
        file = self._inside(name)
        try:
            # A pipe without a writer would keep whoever opens it waiting for ever.
            if not stat.S_ISREG(file.stat().st_mode):
                raise InputError(f"{name!r} in the package is not an ordinary file", file=self.path,
                                 mend="get the package again")  # fmt: skip
            with file.open("rb") as stream:
                content = stream.read(limit + 1)
        except OSError as error:
            raise InputError(
                f"{name!r} in the package cannot be read ({error.strerror})",
                file=self.path,
                mend="check that the package is complete",
            ) from None
        if len(content) > limit:
            raise UnsafeModelError(
                f"{name!r} in the package is longer than {limit} bytes", file=self.path, mend="do not open this package"
            )
        return content

    @contextmanager
    def local(self, name: str) -> Iterator[Path]:
        """A real path of a file inside: the file itself, or a private copy of a zip's entry until the block ends.

        Beside the copy lie the entries of the same folder whose names begin with its own (ONNX external data).
        """
        if self._names is None:
            yield self._inside(name)
            return
        target = PurePosixPath(self._entry(name))
        with tempfile.TemporaryDirectory(prefix="medseg-package-", ignore_cleanup_errors=True) as folder:
            with check_archive(self.path) as archive:
                for entry in archive.infolist():
                    other = PurePosixPath(entry.filename)
                    if other.parent == target.parent and other.name.startswith(target.name) and not entry.is_dir():
                        self._extract(archive, entry, Path(folder) / other.name)
            yield Path(folder) / target.name

    def _extract(self, archive: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path) -> None:
        try:
            with archive.open(entry) as source, target.open("wb") as stream:
                shutil.copyfileobj(source, stream, 1 << 20)
        except OSError as error:
            raise InputError(
                f"there is no room to unpack the package ({error.strerror})",
                file=self.path,
                mend="free some space in the folder for temporary files",
            ) from None
        except Exception as error:  # zlib and zipfile raise many kinds for damaged data
            raise InputError(
                f"the archive is damaged at {entry.filename!r} ({error})",
                file=self.path,
                mend="copy or download it again",
            ) from None

    def _entry(self, name: str) -> str:
        plain = str(PurePosixPath(name))
        if self._names is None or plain not in self._names:
            raise InputError(f"the package has no file {name!r}", file=self.path, mend="check that it is complete")
        return self._root + plain

    def _inside(self, name: str) -> Path:
        """The path of ``name``. Raises UnsafeModelError where it, or a link in it, leads out of the folder."""
        root = self.path.resolve()
        file = (root / name.replace("\\", "/")).resolve()
        if not file.is_relative_to(root) or "\0" in name:
            raise UnsafeModelError(
                f"the package names the file {name[:80]!r}, which lies outside of it",
                file=self.path,
                mend="do not open this package",
            )
        return file


class UnpackedBackend:
    """A backend whose model file was unpacked for it; closing it removes the copy."""

    def __init__(self, backend: Backend, release: object) -> None:
        self._backend, self._release = backend, release
        self.name, self.device = backend.name, backend.device

    def run(self, batch: np.ndarray) -> np.ndarray:
        """As `Backend.run`."""
        return self._backend.run(batch)

    @property
    def module(self) -> object:
        """The torch module, where the backend has one."""
        return self._backend.module  # type: ignore[attr-defined]

    def close(self) -> None:
        """Close the backend and remove the copy."""
        self._backend.close()
        close = getattr(self._release, "close", None)
        if close is not None:
            close()
