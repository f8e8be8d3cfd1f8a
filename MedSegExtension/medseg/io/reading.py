"""``read_volume``: any image a person has, as one ``Volume``."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, overload

import numpy as np

from ..errors import InputError
from ..volume import Volume
from .amira import read_amira
from .dicom import read_dicom
from .geometry import orthonormal
from .itk import open_reader, read_array
from .names import DICOM_SUFFIXES, PICTURE_SUFFIXES, case_name, holds_dicom, is_dicom, suffix_of
from .nifti import NiftiHeader, read_geometry, read_header, read_voxels
from .pictures import note_assumed_spacing, read_folder_of_pictures, read_picture, to_grey

#: What NIfTI files are called, Analyze pairs included.
NIFTI_SUFFIXES = (".nii", ".nii.gz", ".hdr", ".img", ".img.gz")


@overload
def read_volume(
    path: str | Path,
    *,
    series: str | None = ...,
    spacing: Sequence[float] | None = ...,
    colour: Literal["refuse"] = ...,
) -> Volume: ...
@overload
def read_volume(
    path: str | Path, *, series: str | None = ..., spacing: Sequence[float] | None = ..., colour: Literal["channels"]
) -> list[Volume]: ...


def read_volume(
    path: str | Path,
    *,
    series: str | None = None,
    spacing: Sequence[float] | None = None,
    colour: Literal["refuse", "channels"] = "refuse",
) -> Volume | list[Volume]:
    """Read a volume: NIfTI, NRRD, MetaImage, AmiraMesh, DICOM (file or folder), TIFF stack, picture, folder of slices.

    The voxel type of the file is kept; NaN and infinite voxels are kept too (see ``check_finite``). The name is the
    name of the file or folder without its suffix, and ``series-<number>`` for DICOM: never a patient's.

    Parameters
    ----------
    path : file or folder.
    series : for a folder of DICOM: series UID, an unambiguous beginning of one, or a series number.
    spacing : mm along i, j and k (one, two or three numbers; the last is repeated); replaces the one of the file.
    colour : ``refuse`` gives one grey volume, from colour only where its channels are equal; ``channels`` gives a list
        of volumes, one for each colour channel (one for a grey image).

    Raises
    ------
    InputError : a missing, empty, truncated or damaged file, no image, colour, 4D, several series, an irregular series,
        a header that places the voxels on no regular grid.

    Warns
    -----
    MedSegWarning : what a person should know about the input, such as a voxel size that had to be assumed.
    """
    path = Path(path)
    check_exists(path)
    array, frame, measured = _read_any(path, series)
    if spacing is not None:
        frame = dataclasses.replace(frame, spacing=_spacing(spacing))
    elif not measured:
        note_assumed_spacing(path)
    if colour == "channels":
        channels = [array] if array.ndim == 3 else [np.ascontiguousarray(c) for c in np.moveaxis(_opaque(array), -1, 0)]
        return [dataclasses.replace(frame, array=channel) for channel in channels]
    if array.ndim == 4:
        array = to_grey(array, path)
    return dataclasses.replace(frame, array=array)


def check_finite(volume: Volume) -> None:
    """Refuse a volume with NaN or infinite voxels.

    Raises
    ------
    InputError : with their number and how to mend them.
    """
    if volume.array.dtype.kind not in "fc":
        return
    # A slice at a time: a mask of a whole volume would be a copy for nothing.
    bad = sum(int(piece.size - np.isfinite(piece).sum()) for piece in volume.array)
    if bad:
        plural = "voxel is" if bad == 1 else "voxels are"
        raise InputError(
            f"{bad} of {volume.array.size} {plural} NaN or infinite",
            file=volume.source or volume.name,
            mend="replace them, for example by 0, and save the image again",
        )


def check_exists(path: Path) -> None:
    """Refuse a path where nothing stands, an empty file, a device, and what may not be read."""
    try:
        if not path.exists():
            raise InputError("there is no such file or folder", file=path, mend="check the path")
        if path.is_dir():
            next(path.iterdir(), None)
            return
        if not path.is_file():
            raise InputError("is neither a file nor a folder", file=path, mend="give an image file")
        if path.stat().st_size == 0:
            raise InputError("the file is empty", file=path, mend="copy or export it again")
        with path.open("rb"):
            pass
    except PermissionError as error:
        raise InputError("may not be read", file=path, mend="ask for read permission") from error
    except OSError as error:
        raise InputError(
            f"cannot be opened ({error.strerror})", file=path, mend="check the path and the disk"
        ) from error


#: Voxels (k, j, i) or (k, j, i, channels), geometry and name, and whether the voxel size is the file's own.
_Read = tuple[np.ndarray, Volume, bool]


def _read_any(path: Path, series: str | None) -> _Read:
    suffix = suffix_of(path)
    if path.is_dir():
        if holds_dicom(path):
            return *read_dicom(path, series), True
        return _picture(path, *read_folder_of_pictures(path))
    if is_dicom(path) or suffix in DICOM_SUFFIXES:
        return *read_dicom(path), True
    if suffix in (*PICTURE_SUFFIXES, ".ome.tif", ".ome.tiff"):
        return _picture(path, *read_picture(path))
    if suffix in NIFTI_SUFFIXES and (header := read_header(path)) is not None:
        return _nifti(path, header)
    if suffix == ".am":
        return *read_amira(path)[:2], True
    return _itk(path)


def _nifti(path: Path, header: NiftiHeader) -> _Read:
    _check_rank(path, header.shape)
    geometry = read_geometry(path, header)
    array = read_voxels(path, header)
    array = array.reshape(array.shape[-4:] if header.components > 1 else array.shape[-3:])
    return array, _frame(path, array.shape[:3], *geometry), True


def _itk(path: Path) -> _Read:
    reader = open_reader(path)
    size, rank, components = reader.GetSize(), reader.GetDimension(), reader.GetNumberOfComponents()
    _check_rank(path, size)
    shape = tuple(reversed((*size, 1, 1)[:3]))
    array = read_array(path, reader)
    array = array.reshape((*shape, components) if components > 1 else shape)
    matrix = np.eye(max(3, rank))
    matrix[:rank, :rank] = np.reshape(reader.GetDirection(), (rank, rank))
    spacing = (*reader.GetSpacing(), 1.0, 1.0)[:3]
    origin = (*reader.GetOrigin(), 0.0, 0.0)[:3]
    return array, _frame(path, shape, spacing, origin, orthonormal(matrix[:3, :3], path)), True


def _check_rank(path: Path, size: Sequence[int]) -> None:
    """Refuse before anything large is read. NIfTI keeps vectors on its fifth axis, time on its fourth."""
    times, vectors = math.prod(size[3:4]), math.prod(size[4:])
    if times > 1:
        raise InputError(
            f"is a 4D image of {times} time points or volumes", file=path, mend="save one of them as a 3D image"
        )
    if vectors > 1:
        raise InputError(
            f"holds vectors of {vectors} numbers, one grey channel is needed", file=path, mend="save a scalar image"
        )


def _picture(path: Path, array: np.ndarray, spacing: tuple[float, float, float] | None) -> _Read:
    frame = _frame(path, array.shape[:3], spacing or (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), np.eye(3))
    return array, frame, spacing is not None


def _frame(
    path: Path, shape: Sequence[int], spacing: Sequence[float], origin: Sequence[float], direction: np.ndarray
) -> Volume:
    """A volume without memory of its own that carries the geometry until the voxels are known to be usable."""
    empty = np.broadcast_to(np.zeros((), np.uint8), tuple(shape))
    return Volume(
        empty, (spacing[0], spacing[1], spacing[2]), (origin[0], origin[1], origin[2]), direction, case_name(path), path
    )


def _spacing(values: Sequence[float]) -> tuple[float, float, float]:
    numbers = [float(value) for value in values]
    if not 1 <= len(numbers) <= 3:
        raise InputError(f"the spacing has {len(numbers)} numbers", mend="give one, two or three numbers in mm")
    i, j, k = (numbers + [numbers[-1]] * 2)[:3]
    return i, j, k


def _opaque(array: np.ndarray) -> np.ndarray:
    """Without the opacity channel of grey+alpha and RGBA pictures."""
    return array[..., :-1] if array.shape[-1] in (2, 4) and array.dtype.kind == "u" else array
