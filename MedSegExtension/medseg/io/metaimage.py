"""Whether all voxels of a MetaImage are there, before ITK opens it.

MetaIO complains on standard error, names no cause, and writes beyond its memory where compressed data is damaged or
longer than the header says. Format: the MetaIO documentation of Kitware.
"""

from __future__ import annotations

import math
import zlib
from pathlib import Path

from ..errors import InputError
from .inflate import inflated_length

_SIZES = {"CHAR": 1, "SHORT": 2, "INT": 4, "LONG": 4, "LONG_LONG": 8, "FLOAT": 4, "DOUBLE": 8}


def check_metaimage(path: Path) -> None:
    """Refuse a ``.mha`` or ``.mhd`` whose voxels are missing, too few or damaged; other files pass.

    Raises
    ------
    InputError
    """
    if path.suffix.lower() not in (".mha", ".mhd"):
        return
    fields, start = _header(path)
    data = fields.get("elementdatafile", "")
    if "dimsize" not in fields or "elementtype" not in fields or not data or not data.isprintable():
        raise InputError(
            "is not a MetaImage, or its header is damaged",
            file=path,
            mend="check what the file really is, or export it again",
        )
    if data.upper() == "LOCAL":
        _check_voxels(path, path, start, fields)
    elif not data.upper().startswith("LIST") and "%" not in data:  # those name one file for each slice
        voxels = path.parent / data
        if not voxels.is_file():
            raise InputError(
                f"its voxel file {Path(data).name} is missing",
                file=path,
                mend="keep header and voxel file in one folder",
            )
        _check_voxels(path, voxels, 0, fields)


def _header(path: Path) -> tuple[dict[str, str], int]:
    """Fields by their names in lower case, and where the line of the last one ends."""
    fields: dict[str, str] = {}
    with path.open("rb") as stream:
        for _ in range(200):
            line = stream.readline(4096)
            key, equals, value = line.decode("utf-8", "replace").partition("=")
            if not equals:
                break
            fields[key.strip().lower()] = value.strip()
            if key.strip().lower() == "elementdatafile":
                break
        return fields, stream.tell()


def _check_voxels(path: Path, voxels: Path, start: int, fields: dict[str, str]) -> None:
    needed = _voxel_bytes(fields)
    if needed is None:
        raise InputError("the MetaImage header names no valid size or voxel type", file=path, mend="export it again")
    if fields.get("compresseddata", "").lower() != "true":
        if voxels.stat().st_size - start < needed:
            raise InputError(
                "the file is cut short: it holds fewer voxels than its header says",
                file=path,
                mend="copy or export it again",
            )
        return
    try:
        with voxels.open("rb") as stream:
            stream.seek(start)
            whole = inflated_length(stream, limit=needed) == needed
    except (EOFError, zlib.error):
        whole = False
    if not whole:
        raise InputError("the compressed data is damaged or cut short", file=path, mend="copy or export it again")


def _voxel_bytes(fields: dict[str, str]) -> int | None:
    try:
        sizes = [int(number) for number in fields["dimsize"].split()]
        kind = fields["elementtype"].upper().removeprefix("MET_").removesuffix("_ARRAY")
        kind = kind.removeprefix("U") if kind.removeprefix("U") in _SIZES else kind
        channels = int(fields.get("elementnumberofchannels", "1"))
        if len(sizes) != int(fields.get("ndims", len(sizes))) or min(*sizes, channels, 1) < 1:
            return None
        return math.prod(sizes) * _SIZES[kind] * channels
    except (KeyError, ValueError):
        return None
