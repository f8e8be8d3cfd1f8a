"""The errors a person sees. Each is one line: what is wrong, which file, how to mend it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

#: Characters of ``what`` that are shown: a damaged file must not fill the screen with what was found in it.
LONGEST = 900


def printable(text: str) -> str:
    """``text`` without codes that would move a terminal's cursor, change its colours or turn its writing round.

    Names found in files may hold such; each becomes U+FFFD. Line ends and tabs stay.
    """
    return text if text.isprintable() else "".join(c if c.isprintable() or c in "\n\t" else "\ufffd" for c in text)


class MedSegError(Exception):
    """Base of every error this package raises on purpose.

    Parameters
    ----------
    what : what is wrong, one sentence without a full stop.
    file : the file or folder it is about, if any.
    mend : how to mend it, one sentence without a full stop.
    """

    exit_status = 1

    def __init__(self, what: str, *, file: str | Path | None = None, mend: str | None = None) -> None:
        self.what = what
        self.file = None if file is None else str(file)
        self.mend = mend
        super().__init__(self.line())

    def line(self) -> str:
        """The whole message on one line: ``FILE: what; mend``. What is too long loses its middle."""
        what = self.what
        if len(what) > LONGEST:
            what = f"{what[: LONGEST // 2]} ... {what[-LONGEST // 4 :]}"
        text = f"{self.file}: {what}" if self.file else what
        if self.mend:
            text = f"{text}; {self.mend}"
        return printable(" ".join(text.split()))


class InputError(MedSegError):
    """Bad input: a file, an argument or a model that cannot be used as it is. Exit status 2."""

    exit_status = 2


class UnsafeModelError(InputError):
    """A model file that is refused because opening it could run code or exhaust the machine."""


class MissingPackageError(InputError):
    """An optional package is needed for what was asked. ``mend`` says what to install.

    packages : their names on the package index, all that the same work will need; empty where that is not known.
    """

    def __init__(
        self, what: str, *, file: str | Path | None = None, mend: str | None = None, packages: Sequence[str] = ()
    ) -> None:
        self.packages = tuple(packages)
        super().__init__(what, file=file, mend=mend)


class DeviceOutOfMemory(MedSegError):
    """A backend ran out of device memory; the inference loop answers with a smaller batch, then the CPU."""


class Cancelled(MedSegError):
    """The person asked to stop. Exit status 130."""

    exit_status = 130

    def __init__(self, what: str = "cancelled") -> None:
        super().__init__(what)


class WorkerDied(MedSegError):
    """The worker process ended without an answer; ``what`` says why and ``log`` holds its last output."""

    def __init__(self, what: str, *, mend: str | None = None, log: str = "") -> None:
        super().__init__(what, mend=mend)
        self.log = log
