"""A temporary folder for one worker that nobody else may read, and that does not outlive it for long."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

PREFIX = "medseg-worker-"
LOCK = "lock"

#: A folder without a lock is only stale when it is older than it takes to make the lock.
UNLOCKED_GRACE_S = 60.0


class PrivateFolder:
    """A folder (mode 0700) that is locked while its owner lives; `sweep` removes those of owners that died.

    The lock is the operating system's: it goes with the process, however that ended, and unlike a process id it is
    never taken over by a stranger.
    """

    def __init__(self, root: str | Path | None = None) -> None:
        root = Path(root) if root else Path(tempfile.gettempdir())
        sweep(root)
        self.path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=root))
        self._lock = os.open(self.path / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        _lock(self._lock)

    def close(self) -> None:
        """Remove the folder and all in it."""
        if self._lock >= 0:
            os.close(self._lock)  # Windows cannot remove a file that is open
            self._lock = -1
        shutil.rmtree(self.path, ignore_errors=True)


def sweep(root: str | Path) -> list[Path]:
    """Remove our folders under ``root`` whose owners are gone, and return which."""
    removed = []
    for path in Path(root).glob(PREFIX + "*"):
        with contextlib.suppress(OSError):
            if _is_stale(path):
                shutil.rmtree(path, ignore_errors=True)
                removed.append(path)
    return removed


def _is_stale(path: Path) -> bool:
    status = path.lstat()
    if not path.is_dir() or path.is_symlink():
        return False
    if hasattr(os, "getuid") and status.st_uid != os.getuid():  # another user's, whatever it is called
        return False
    try:
        descriptor = os.open(path / LOCK, os.O_RDWR)
    except FileNotFoundError:
        return time.time() - status.st_mtime > UNLOCKED_GRACE_S
    try:
        return _lock(descriptor)
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    """Take the lock without waiting; False where another process holds it."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
