"""NIfTI-1 and NIfTI-2 voxels and header.

SimpleITK gives the geometry where it can, so that a volume lies here where it lies in Slicer. The voxels are read here:
ITK's NIfTI reader fills what a truncated or damaged file lacks with zeros and says nothing, and refuses headers whose
directions were rounded. Format: nifti1.h and nifti2.h of the NIfTI Data Format Working Group.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from .geometry import orthonormal, split_affine
from .notes import SpacingAssumedWarning, warn

_TYPES = {2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8"}
_COLOURS = {128: 3, 2304: 4}
_UNITS_TO_MM = {1: 1000.0, 2: 1.0, 3: 0.001}
_CHUNK = 1 << 24
#: Deflate cannot do better than 1032:1, so a header that asks for more than this lies or the file is cut short.
_MAX_RATIO = 1100


#: Spacing in mm, LPS origin, (3, 3) direction.
Geometry = tuple[tuple[float, float, float], tuple[float, float, float], np.ndarray]


@dataclass(frozen=True)
class NiftiHeader:
    """What is needed of a header: shape (i, j, k, t, ...), voxels, scaling and both transforms."""

    shape: tuple[int, ...]
    dtype: np.dtype
    components: int
    offset: int
    slope: float
    intercept: float
    pixdim: tuple[float, ...]
    to_mm: float
    qform: np.ndarray | None
    sform: np.ndarray | None
    data_file: Path


def read_header(path: Path) -> NiftiHeader | None:
    """The header, or None for an Analyze 7.5 file, which ITK reads by its own rules."""
    header_file, data_file = _pair(path)
    raw = _read_start(header_file, 540)
    order, version = _order_and_version(raw, path)
    if version == 1:
        magic = raw[344:348]
        if magic not in (b"n+1\0", b"ni1\0"):
            if path.name.lower().endswith((".hdr", ".img", ".img.gz")):
                return None
            raise InputError(
                "is not a NIfTI image", file=path, mend="check what the file really is, or export it again"
            )
        dim = struct.unpack_from(order + "8h", raw, 40)
        (code,) = struct.unpack_from(order + "h", raw, 70)
        pixdim = struct.unpack_from(order + "8f", raw, 76)
        offset, slope, intercept = struct.unpack_from(order + "3f", raw, 108)
        units = raw[123]
        qcode, scode = struct.unpack_from(order + "2h", raw, 252)
        quaternion = struct.unpack_from(order + "6f", raw, 256)
        rows = struct.unpack_from(order + "12f", raw, 280)
    else:
        if len(raw) < 540:
            raise InputError("the file is cut short in its header", file=path, mend="copy or export it again")
        magic = raw[4:8]
        (code,) = struct.unpack_from(order + "h", raw, 12)
        dim = struct.unpack_from(order + "8q", raw, 16)
        pixdim = struct.unpack_from(order + "8d", raw, 104)
        (offset,) = struct.unpack_from(order + "q", raw, 168)
        slope, intercept = struct.unpack_from(order + "2d", raw, 176)
        qcode, scode = struct.unpack_from(order + "2i", raw, 344)
        quaternion = struct.unpack_from(order + "6d", raw, 352)
        rows = struct.unpack_from(order + "12d", raw, 400)
        (units,) = struct.unpack_from(order + "i", raw, 500)
    rank = dim[0]
    if not 1 <= rank <= 7 or any(d < 0 for d in dim[1 : rank + 1]):
        raise InputError("the NIfTI header has no valid image size", file=path, mend="export the image again")
    if code in _COLOURS:
        dtype, components = np.dtype("u1"), _COLOURS[code]
    elif code in _TYPES:
        dtype, components = np.dtype(order + _TYPES[code]), 1
    else:
        raise InputError(
            f"the voxel type (NIfTI code {code}) is not supported",
            file=path,
            mend="save it as integers or floating point numbers",
        )
    single_file = magic[:2] == b"n+"
    return NiftiHeader(
        shape=tuple(max(int(d), 1) for d in dim[1 : rank + 1]),
        dtype=dtype,
        components=components,
        offset=max(int(offset), 352 if version == 1 else 544) if single_file else max(int(offset), 0),
        slope=float(slope),
        intercept=float(intercept),
        pixdim=tuple(float(p) for p in pixdim),
        to_mm=_UNITS_TO_MM.get(units & 7, 1.0),
        qform=_qform(quaternion, pixdim) if qcode > 0 else None,
        sform=np.vstack([np.reshape(rows, (3, 4)), [0, 0, 0, 1]]) if scode > 0 else None,
        data_file=header_file if single_file else data_file,
    )


def read_geometry(path: Path, header: NiftiHeader) -> Geometry:
    """Spacing in mm, LPS origin and (3, 3) direction: ITK's, or mended here where ITK refuses the header."""
    shape = (*header.shape, 1, 1)[:3]
    steps = np.array(header.pixdim[1:4])
    if header.sform is None and not np.all(np.isfinite(steps)):  # ITK would make up a voxel size
        raise InputError("the voxel size in the header is not a number", file=path, mend="export the image again")
    if header.sform is None and np.any(steps[: len(header.shape)] <= 0):
        warn("the header has no voxel size, 1 mm is assumed", path, "give the spacing in mm", SpacingAssumedWarning)
    given = [matrix for matrix in (header.sform, header.qform) if matrix is not None]
    if all(np.isfinite(matrix).all() for matrix in given):
        result = _itk_geometry(path) or _own_geometry(path, header)
    else:
        result = _own_geometry(path, header)
    _warn_of_disagreement(path, header, shape)
    return result


def read_voxels(path: Path, header: NiftiHeader) -> np.ndarray:
    """Voxels as (k, j, i), or (k, j, i, channels) for colour, scaled as the header says. The file is read to its end.

    Raises
    ------
    InputError : fewer voxels than the header promises, or the compressed data is damaged (checksum).
    """
    count = int(np.prod(header.shape, dtype=object)) * header.components
    size = count * header.dtype.itemsize
    file = header.data_file
    stored = file.stat().st_size
    compressed = _is_gzip(file)
    available = stored * _MAX_RATIO if compressed else stored - header.offset
    if size > available:
        raise _cut_short(path)
    try:
        array = np.empty(count, header.dtype)
    except MemoryError as error:
        raise InputError(
            f"the image needs {size / 2**30:.1f} GiB of memory", file=path, mend="crop or resample it first"
        ) from error
    with _open(file) as stream:
        _fill(stream, array, header.offset, path)
    shape = tuple(reversed((*header.shape, 1, 1)[: max(3, len(header.shape))]))
    array = array.reshape((*shape, header.components) if header.components > 1 else shape)
    array = array.astype(header.dtype.newbyteorder("="), copy=False)
    slope, intercept = header.slope, header.intercept
    if header.components == 1 and np.isfinite([slope, intercept]).all() and slope != 0 and (slope, intercept) != (1, 0):
        wide = header.dtype.itemsize > (4 if header.dtype.kind == "f" else 2)
        array = array.astype(np.float64 if wide else np.float32)
        array *= slope
        array += intercept
    return array


def _itk_geometry(path: Path) -> Geometry | None:
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError:
        return None
    n = reader.GetDimension()
    if n < 3:  # of a 2D image ITK drops the place in space
        return None
    direction = np.reshape(reader.GetDirection(), (n, n))[:3, :3]
    return _three(reader.GetSpacing()), _three(reader.GetOrigin()), orthonormal(direction, path)


def _three(values: Sequence[float]) -> tuple[float, float, float]:
    return float(values[0]), float(values[1]), float(values[2])


def _pair(path: Path) -> tuple[Path, Path]:
    """Header and voxel file of a ``.hdr``/``.img`` pair; the same file twice otherwise."""
    name = path.name
    for end, other in ((".hdr", ".img"), (".img", ".hdr"), (".img.gz", ".hdr")):
        if name.lower().endswith(end):
            stem = name[: -len(end)]
            choices = [other, other.upper(), other + ".gz"]
            partner = next((path.with_name(stem + c) for c in choices if path.with_name(stem + c).exists()), None)
            if partner is None:
                raise InputError(
                    f"its other half {stem + other} is missing",
                    file=path,
                    mend="keep the .hdr and the .img file in one folder",
                )
            return (path, partner) if end == ".hdr" else (partner, path)
    return path, path


def _is_gzip(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(2) == b"\x1f\x8b"


def _open(path: Path) -> IO[bytes]:
    # By content, not by name: a plain NIfTI that was renamed to .nii.gz opens in ITK too.
    return cast("IO[bytes]", gzip.open(path, "rb") if _is_gzip(path) else path.open("rb"))


def _read_start(path: Path, length: int) -> bytes:
    try:
        with _open(path) as stream:
            return stream.read(length)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise _damaged(path) from error


def _order_and_version(raw: bytes, path: Path) -> tuple[str, int]:
    if len(raw) >= 348:
        for order in "<>":
            (length,) = struct.unpack_from(order + "i", raw, 0)
            if length in (348, 540):
                return order, 1 if length == 348 else 2
    raise InputError("is not a NIfTI image", file=path, mend="check what the file really is, or export it again")


def _fill(stream: IO[bytes], array: np.ndarray, offset: int, path: Path) -> None:
    view = array.view(np.uint8).data
    try:
        stream.seek(offset)
        done = 0
        while done < len(view):
            got = stream.readinto(view[done : done + _CHUNK])  # type: ignore[attr-defined]
            if not got:
                raise _cut_short(path)
            done += got
    except EOFError as error:
        raise _cut_short(path) from error
    except (zlib.error, gzip.BadGzipFile) as error:
        raise _damaged(path) from error
    try:
        # The checksum stands at the end of the compressed data; of a file that goes on and on it is not waited for.
        for _ in range(16):
            if not stream.read(_CHUNK):
                break
    except EOFError as error:
        raise _cut_short(path) from error
    except zlib.error as error:
        raise _damaged(path) from error
    except gzip.BadGzipFile as error:
        if "Not a gzipped file" not in str(error):  # that one means bytes after the end, which harm nothing
            raise _damaged(path) from error


def _cut_short(path: Path) -> InputError:
    return InputError(
        "the file is cut short: it holds fewer voxels than its header says", file=path, mend="copy or export it again"
    )


def _damaged(path: Path) -> InputError:
    return InputError("the compressed data is damaged or cut short", file=path, mend="copy or export it again")


def _qform(quaternion: tuple[float, ...], pixdim: tuple[float, ...]) -> np.ndarray:
    """(4, 4) voxel-to-RAS matrix of the quaternion (b, c, d) and offset, after nifti1.h, method 2."""
    b, c, d, x, y, z = quaternion
    square = b * b + c * c + d * d
    if square > 1.0 - 1e-7:
        b, c, d = np.array([b, c, d]) / np.sqrt(square)
        a = 0.0
    else:
        a = np.sqrt(1.0 - square)
    rotation = np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )
    factor = -1.0 if pixdim[0] < 0 else 1.0
    steps = [p if p > 0 else 1.0 for p in pixdim[1:4]]
    matrix = np.eye(4)
    matrix[:3, :3] = rotation * (np.array(steps) * [1, 1, factor])
    matrix[:3, 3] = x, y, z
    return matrix


def _own_geometry(path: Path, header: NiftiHeader) -> Geometry:
    plain = np.diag([*(abs(p) if p else 1.0 for p in header.pixdim[1:4]), 1.0])
    matrices = [m for m in (header.sform, header.qform) if m is not None] or [plain]
    refusal: InputError | None = None
    for matrix in matrices:
        lps = np.diag([-1.0, -1.0, 1.0]) @ matrix[:3] * header.to_mm
        try:
            spacing, direction = split_affine(lps, path)
        except InputError as error:
            refusal = refusal or error
            continue
        if not np.isfinite(lps).all():
            continue
        if matrix is not matrices[0]:
            warn("its sform is broken, the qform is used", path, "check where the result lies")
        return spacing, (float(lps[0, 3]), float(lps[1, 3]), float(lps[2, 3])), direction
    raise refusal or InputError("the transform in the header is not finite", file=path, mend="export the image again")


def _warn_of_disagreement(path: Path, header: NiftiHeader, shape: tuple[int, ...]) -> None:
    if header.sform is None or not np.isfinite(header.sform).all():
        return
    columns = np.linalg.norm(header.sform[:3, :3], axis=0)
    steps = np.abs(header.pixdim[1:4])
    differ = (np.abs(columns - steps) > 0.01 * columns)[: len(header.shape)]
    if np.all(np.isfinite(steps)) and np.any(differ):
        listed = " and ".join("×".join(f"{n * header.to_mm:.3g}" for n in numbers) for numbers in (steps, columns))
        warn(
            f"the NIfTI header names two voxel sizes, {listed} mm; the first is used, as in Slicer",
            path,
            "compare with the scanner's images",
        )
    if header.qform is None:
        return
    corners = np.array(
        [[x, y, z, 1] for x in (0, shape[0] - 1) for y in (0, shape[1] - 1) for z in (0, shape[2] - 1)]
    ).T
    apart = np.abs((header.sform - header.qform) @ corners).max() * header.to_mm
    if apart > max(0.5 * steps.max() * header.to_mm, 0.1):
        warn(
            f"sform and qform of the NIfTI header place the image up to {apart:.1f} mm apart",
            path,
            "compare with the scanner's images",
        )
