"""Whether a file that was just written is whole: ITK's NIfTI writer ignores a full disk and reports success.

The compressed data is run through once, a piece at a time, so that nothing the size of the volume is held.
"""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import IO

from ..errors import InputError
from .inflate import inflated_length
from .names import suffix_of
from .nifti import read_header
from .tiff import read_pages


def is_whole(path: Path, voxel_bytes: int, pages: int) -> bool:
    """Whether the .nii, .nii.gz, .nrrd or .mha holds ``voxel_bytes`` of voxels, or the .tif ``pages`` pages."""
    suffix = suffix_of(path)
    try:
        if suffix in (".tif", ".tiff"):
            return len(read_pages(path)) == pages
        if suffix in (".nii", ".nii.gz"):
            header = read_header(path)
            if header is None:
                return False
            if suffix == ".nii":
                return path.stat().st_size >= header.offset + voxel_bytes
            with path.open("rb") as stream:
                return inflated_length(stream) >= header.offset + voxel_bytes
        with path.open("rb") as stream:
            _skip_header(stream, suffix)
            return inflated_length(stream) >= voxel_bytes
    except (InputError, OSError, EOFError, zlib.error, ValueError):
        return False


def _skip_header(stream: IO[bytes], suffix: str) -> None:
    """To the first byte of voxel data: after the blank line of an NRRD header, after the last field of a MetaImage."""
    while line := stream.readline(1 << 20):
        if (suffix.endswith(".nrrd") and line in (b"\n", b"\r\n")) or line.startswith(b"ElementDataFile"):
            return
    raise EOFError("no end of the header")
