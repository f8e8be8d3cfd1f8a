"""AmiraMesh lattices (``.am``): label fields drawn in Amira or Avizo, and images saved by them.

Read by ourselves because no kept library does: ahds, the one on the package index, has no wheel and stopped at
Python 3.7. Format: the reference guide of Amira ("AmiraMesh format"), and files: ASCII and binary, plain, HxByteRLE
(bytes run by run) and HxZip (zlib). The lattice's bounding box goes through the centres of its outermost voxels.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..volume import Volume
from .geometry import split_affine
from .names import case_name
from .segfile import SegmentInfo, default_segment

_TYPES = {"byte": "u1", "short": "i2", "ushort": "u2", "int": "i4", "float": "f4", "double": "f8"}
_UNITS_TO_MM = {"m": 1000.0, "cm": 10.0, "mm": 1.0, "µm": 1e-3, "um": 1e-3, "micron": 1e-3, "nm": 1e-6, "pm": 1e-9}
#: Where the text of the header must have ended; the history of a file can make it long.
_MAX_HEADER = 16 * 2**20
#: Bytes that one byte of each encoding can become at most.
_MAX_RATIO = {"": 1, "HxByteRLE": 64, "HxZip": 1100}
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"


@dataclass(frozen=True)
class _Header:
    text: str
    ascii: bool
    shape: tuple[int, int, int]
    dtype: np.dtype
    section: int
    encoding: str
    stored: int
    start: int


def read_amira(path: Path) -> tuple[np.ndarray, Volume, list[SegmentInfo]]:
    """Voxels (k, j, i), a volume of one-byte zeros that carries the geometry, and the materials as segments.

    A voxel's value is the place of its material in the header, the first (``Exterior``) being 0. Coordinates are taken
    for LPS in mm where the file names no unit.

    Raises
    ------
    InputError : not an AmiraMesh, no uniform lattice of scalars, damaged, or larger than its file can hold.
    """
    header = _read_header(path)
    array = _read_voxels(path, header)
    spacing, origin, direction = _geometry(path, header)
    frame = Volume(
        np.broadcast_to(np.zeros((), np.uint8), array.shape), spacing, origin, direction, case_name(path), path
    )
    return array, frame, _materials(header.text)


def _read_header(path: Path) -> _Header:
    with path.open("rb") as stream:
        raw = stream.read(_MAX_HEADER)
    first = raw[:200].split(b"\n", 1)[0].decode("latin-1").strip()
    kind = re.match(r"#\s*(?:AmiraMesh|Avizo)\b.*?\b(ASCII|BINARY(?:-LITTLE-ENDIAN)?)", first, re.IGNORECASE)
    if kind is None:
        raise _refused(path, "is not an AmiraMesh file, or is damaged", "save it in Amira as AmiraMesh (.am)")
    # The first section mark on a line of its own ends the header.
    mark = re.search(rb"^@(\d+)[ \t]*\r?\n", raw, re.MULTILINE)
    if mark is None:
        raise _refused(path, "the AmiraMesh header has no end", "copy or export it again")
    text = raw[: mark.start()].decode("utf-8", "replace")
    size = re.search(r"^\s*define\s+Lattice\s+(\d+)\s+(\d+)\s+(\d+)\s*$", text, re.MULTILINE)
    field = re.search(
        r"^\s*Lattice\s*\{\s*(\w+)(?:\[(\d+)\])?\s+\w+\s*\}\s*=?\s*@(\d+)(?:\(\s*(\w+)\s*(?:,\s*(\d+)\s*)?\))?",
        text,
        re.MULTILINE,
    )
    if size is None or field is None:
        raise _refused(path, "holds no 3D lattice (a surface or a graph?)", "save the label field itself from Amira")
    coordinates = re.search(r'CoordType\s+"(\w+)"', text)
    if coordinates is not None and coordinates[1] != "uniform":
        raise _refused(path, f"has {coordinates[1]} coordinates", "resample it onto a uniform lattice in Amira")
    if field[1] not in _TYPES or int(field[2] or 1) != 1:
        many = f" of {field[2]} numbers" if field[2] else ""
        raise _refused(path, f"its voxels are {field[1]}{many}", "save a label field or a scalar image")
    encoding = field[4] or ""
    if encoding not in _MAX_RATIO:
        raise _refused(path, f"its encoding {encoding} is not known", "save it without compression")
    # "BINARY" alone was written on workstations that put the high byte first.
    dtype = np.dtype(("<" if kind[1].upper().endswith("LITTLE-ENDIAN") else ">") + _TYPES[field[1]])
    if encoding == "HxByteRLE" and dtype.itemsize > 1:
        # Programs disagree on whether runs are of bytes or of numbers here, and both readings decode.
        raise _refused(path, f"is run-length encoded {field[1]}", "save it without compression, or as byte labels")
    i, j, k = (int(n) for n in size.groups())
    ascii_ = kind[1].upper() == "ASCII"
    stored = int(field[5]) if field[5] else 0
    header = _Header(text, ascii_, (k, j, i), dtype, int(field[3]), encoding, stored, mark.end())
    if int(mark[1]) != header.section:
        raise _refused(path, "its lattice is not the first section of data", "save the lattice by itself")
    return header


def _read_voxels(path: Path, header: _Header) -> np.ndarray:
    k, j, i = header.shape
    count = i * j * k
    if count == 0:
        raise _refused(path, "the lattice has no voxels", "save it again")
    available = path.stat().st_size - header.start
    # Before room is made: what the file can hold at most. A number in text takes two characters.
    most = available // 2 + 1 if header.ascii else available * _MAX_RATIO[header.encoding] // header.dtype.itemsize
    if count > most:
        raise _refused(path, f"is cut short, or its size {i}×{j}×{k} is wrong", "copy or export it again")
    with path.open("rb") as stream:
        stream.seek(header.start)
        data = stream.read(header.stored or -1)
    try:
        if header.ascii:
            text = data.split(b"\n@", 1)[0].decode("ascii")
            flat = np.array(text.split()[:count], dtype=np.float64).astype(header.dtype.newbyteorder("="))
        else:
            size = count * header.dtype.itemsize
            flat = np.frombuffer(_decode(data, header.encoding, size), header.dtype, count)
    except (ValueError, OverflowError, zlib.error) as error:
        raise _refused(path, f"is damaged or cut short ({str(error)[:80]})", "copy or export it again") from None
    if flat.size != count:
        raise _refused(path, f"holds {flat.size} of {count} voxels", "copy or export it again")
    return np.array(flat.reshape(header.shape), dtype=header.dtype.newbyteorder("="))


def _decode(data: bytes, encoding: str, size: int) -> bytes:
    """``size`` bytes out of the stored ones. Raises ValueError or zlib.error where they are fewer or more."""
    if encoding == "":
        plain = data[:size]
    elif encoding == "HxZip":
        inflate = zlib.decompressobj()
        plain = inflate.decompress(data, size + 1)
    else:
        plain = _runs(data, size)
    if len(plain) != size:
        raise ValueError(f"{len(plain)} bytes instead of {size}")
    return plain


def _runs(data: bytes, size: int) -> bytes:
    """A byte up to 127 says how often the next one stands; one above, less 128, how many bytes follow as they are."""
    pieces, length, at, end = [], 0, 0, len(data)
    while at + 1 < end and length < size:
        control = data[at]
        if control > 127:
            count = control & 127
            piece = data[at + 1 : at + 1 + count]
            at += 1 + count
        else:
            count = control
            piece = data[at + 1 : at + 2] * count
            at += 2
        if count == 0 or len(piece) != count:
            raise ValueError("a run of the wrong length")
        pieces.append(piece)
        length += count
    return b"".join(pieces)


def _geometry(path: Path, header: _Header) -> tuple[tuple[float, float, float], tuple[float, float, float], np.ndarray]:
    unit = re.search(r'Coordinates\s+"([^"]+)"', header.text)
    scale = _UNITS_TO_MM.get(unit[1].strip(), 1.0) if unit else 1.0
    found = re.search(r"BoundingBox\s+((?:" + _NUMBER + r"[\s,]+){5}" + _NUMBER + ")", header.text)
    affine = np.eye(4)
    if found is not None:
        box = np.array(re.findall(_NUMBER, found[1]), dtype=float).reshape(3, 2)
        steps = np.maximum(1, np.array(header.shape[::-1]) - 1)
        spacing = (box[:, 1] - box[:, 0]) / steps
        # A lattice of one slice may have a box without depth.
        spacing[(spacing == 0) & (np.array(header.shape[::-1]) == 1)] = np.max(np.abs(spacing)) or 1.0
        affine[:3, :3] = np.diag(spacing)
        affine[:3, 3] = box[:, 0]
    matrix = re.search(r"TransformationMatrix\s+((?:" + _NUMBER + r"[\s,]+){15}" + _NUMBER + ")", header.text)
    if matrix is not None:  # Open Inventor writes it for row vectors
        affine = np.array(re.findall(_NUMBER, matrix[1]), dtype=float).reshape(4, 4).T @ affine
    spacing_mm, direction = split_affine(affine, path)
    i, j, k = (float(s) * scale for s in spacing_mm)
    x, y, z = (float(o) * scale for o in affine[:3, 3])
    return (i, j, k), (x, y, z), direction


def _materials(text: str) -> list[SegmentInfo]:
    """The materials beside the first, which is the outside, with their names and colours."""
    start = re.search(r"\bMaterials\s*\{", text)
    if start is None:
        return []
    segments: list[SegmentInfo] = []
    at, index = start.end(), 0
    while (found := re.compile(r'\s*"?([^\s{}"]+)"?\s*\{').match(text, at)) is not None:
        end = _closing(text, found.end())
        body = text[found.end() : end]
        color = re.search(rf"(?<!&)\bColor\s+({_NUMBER})\s+({_NUMBER})\s+({_NUMBER})", body)
        if index > 0:
            made_up = default_segment(index)
            r, g, b = (min(max(float(c), 0.0), 1.0) for c in color.groups()) if color else made_up.color
            segments.append(SegmentInfo(index, found[1], (r, g, b)))
        index += 1
        at = end + 1
        comma = re.compile(r"\s*,").match(text, at)
        at = comma.end() if comma else at
    return segments


def _closing(text: str, at: int) -> int:
    """Where the brace closes that was opened before ``at``; the end of the text where it never does."""
    depth = 1
    for found in re.compile(r'"[^"]*"|[{}]').finditer(text, at):
        depth += {"{": 1, "}": -1}.get(found[0], 0)
        if depth == 0:
            return found.start()
    return len(text)


def _refused(path: Path, what: str, mend: str) -> InputError:
    return InputError(what, file=path, mend=mend)
