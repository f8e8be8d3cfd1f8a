"""Warnings of this package, and ITK's long error texts cut down to one line."""

from __future__ import annotations

import contextlib
import os
import re
import warnings
from collections.abc import Iterator
from pathlib import Path

from ..errors import InputError


class MedSegWarning(UserWarning):
    """Something a person should know about an input that could still be used."""


class SpacingAssumedWarning(MedSegWarning):
    """A picture format without a voxel size in mm was read; 1 mm was assumed."""


def warn(
    what: str, file: str | Path | None, mend: str | None = None, kind: type[MedSegWarning] = MedSegWarning
) -> None:
    """Issue a warning that reads like the package's errors: ``FILE: what; mend``."""
    warnings.warn(InputError(what, file=file, mend=mend).line(), kind, stacklevel=3)


def itk_reason(error: Exception) -> str:
    """The one telling line of an ITK or SimpleITK exception, without addresses and source paths."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [
        line
        for line in lines
        if not line.startswith("Exception thrown") and not re.match(r"^\S+\.(cxx|hxx|h):\d+:", line)
    ]
    # The last line of a chain of causes is the cause itself.
    text = telling[-1] if telling else (lines[-1] if lines else type(error).__name__)
    text = re.sub(r"^(sitk::ERROR:|ITK ERROR:|Reason:)\s*", "", text)
    text = re.sub(r"\w+\(0x[0-9a-fA-F]+\):\s*", "", text)
    return text.rstrip(". ")[:200]


@contextlib.contextmanager
def redirected(descriptor: int, target: int | None = None) -> Iterator[None]:
    """Send what C libraries print on a descriptor to ``target``, or nowhere; for the whole process, so be short."""
    try:
        kept = os.dup(descriptor)
        there = os.open(os.devnull, os.O_WRONLY) if target is None else os.dup(target)
    except OSError:  # closed, as in a windowed application: there is nothing to redirect
        yield
        return
    try:
        os.dup2(there, descriptor)
        yield
    finally:
        os.dup2(kept, descriptor)
        os.close(kept)
        os.close(there)
