"""One process at a time works in the directory of a run."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path

from medseg.errors import InputError


@contextlib.contextmanager
def only_one(path: Path) -> Iterator[None]:
    """Hold a lock on the file ``path``; the system lets go of it however the process ends.

    Raises InputError where another process holds it. File systems without locks are trusted.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    with path.open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EACCES):
                raise InputError(
                    "another process is training here", file=path.parent, mend="wait for it, or choose another --run"
                ) from None
        yield
