"""Whether a model file is still the one that was checked, when a framework's reader has read it by its name."""

from __future__ import annotations

from pathlib import Path

from ..errors import UnsafeModelError

#: What the system tells of a file: which it is, how long, and when its content and its entry were last changed.
Seen = dict[Path, tuple[int, ...]]


def seen(*files: Path) -> Seen:
    """The files among ``files`` as they are now; folders and what is not there are left out."""
    found: Seen = {}
    for file in files:
        try:
            told = file.stat()
        except OSError:
            continue
        if file.is_file():
            found[file] = (told.st_dev, told.st_ino, told.st_size, told.st_mtime_ns, told.st_ctime_ns)
    return found


def check_unchanged(before: Seen) -> None:
    """Raise UnsafeModelError where one of the files is another one by now."""
    for file, told in before.items():
        if seen(file).get(file) != told:
            raise UnsafeModelError(
                "the file changed while it was opened: what was checked is not what was loaded",
                file=file,
                mend="open it again when nobody writes to it",
            )
