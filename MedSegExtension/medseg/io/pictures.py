"""Pictures: a single 2D image as a one-slice volume, a multi-page TIFF, a folder of slices."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np

from ..errors import InputError
from .itk import open_reader, read_array
from .names import DOUBLE_SUFFIXES, PICTURE_SUFFIXES, VOLUME_SUFFIXES, suffix_of, visible_files
from .notes import SpacingAssumedWarning, redirected, warn
from .tiff import imagej_counts, imagej_step, read_pages

Spacing = tuple[float, float, float]


def read_picture(path: Path) -> tuple[np.ndarray, Spacing | None]:
    """One picture file.

    Returns
    -------
    array : (k, j, i) voxels, or (k, j, i, channels) for colour; k = 1 except for a multi-page TIFF.
    spacing : (i, j, k) in mm where an ImageJ TIFF says so, else None.
    """
    spacing = None
    pages = None
    if suffix_of(path).endswith((".tif", ".tiff")):
        pages = read_pages(path)
        channels, times = imagej_counts(pages[0])
        if times > 1:
            raise InputError(f"the stack has {times} time points", file=path, mend="save one time point as a stack")
        if channels > 1 and len(pages) > 1:
            raise InputError(
                f"the stack has {channels} channels one after the other",
                file=path,
                mend="split the channels and save one of them as a stack",
            )
    elif suffix_of(path) in (".jpg", ".jpeg"):
        _check_jpeg(path)
    elif suffix_of(path) == ".bmp":
        _check_bmp(path)
    # ITK prints libjpeg's complaints on standard output, where others expect results.
    with redirected(1, 2) if suffix_of(path) in (".jpg", ".jpeg") else contextlib.nullcontext():
        reader = open_reader(path)
        array = read_array(path, reader)
    components = reader.GetNumberOfComponents()
    plain = array.ndim - (1 if components > 1 else 0)
    if plain == 2:
        array = array[np.newaxis]
    if pages is not None:
        if array.shape[0] != len(pages):
            raise InputError(
                f"only {array.shape[0]} of the {len(pages)} pages of the TIFF file can be read",
                file=path,
                mend="save it again as a plain grey stack",
            )
        # ITK sends layouts it does not know (tiles, for one) through libtiff's 8-bit RGBA and says nothing.
        if array.dtype.itemsize * 8 < pages[0].bits or (pages[0].is_float and array.dtype.kind != "f"):
            raise InputError(
                f"its layout of {pages[0].bits} bits cannot be read without loss",
                file=path,
                mend="save it as a plain stack of strips, not tiles",
            )
        step = imagej_step(pages[0])
        if step is not None:
            across, down = reader.GetSpacing()[:2]
            spacing = (across, down, step)
    return array, spacing


def read_folder_of_pictures(folder: Path) -> tuple[np.ndarray, Spacing | None]:
    """A folder of PNG, TIFF, JPEG or BMP slices, stacked in natural order of their names along k.

    Raises
    ------
    InputError : no picture, pictures of several sizes or kinds, multi-page files.
    """
    files = [file for file in visible_files(folder) if suffix_of(file) in PICTURE_SUFFIXES]
    if not files:
        volumes = [
            file.name for file in visible_files(folder) if suffix_of(file) in (*VOLUME_SUFFIXES, *DOUBLE_SUFFIXES)
        ]
        if volumes:
            raise InputError(
                f"is a folder of {len(volumes)} volume file(s) ({', '.join(volumes[:3])}), one volume is needed",
                file=folder,
                mend="choose one of the files",
            )
        raise InputError(
            "no image in this folder", file=folder, mend="choose a folder of DICOM files or of numbered slices"
        )
    kinds = sorted({_kind(file) for file in files})
    if len(kinds) > 1:
        raise InputError(
            f"the folder mixes pictures of several formats ({', '.join(kinds)})",
            file=folder,
            mend="keep the slices of one stack in the folder",
        )
    stack: np.ndarray | None = None
    for n, file in enumerate(files):
        array, _ = read_picture(file)
        if array.shape[0] > 1:
            raise InputError(
                f"is a stack of {array.shape[0]} pages in a folder of slices",
                file=file,
                mend="open it by itself, or keep single slices in the folder",
            )
        if array.ndim == 4 and (stack is None or stack.ndim == 3):
            array = to_grey(array, file)  # some writers save a blank slice as grey and the next one as RGB
        if stack is None:
            stack = np.empty((len(files), *array.shape[1:]), array.dtype)
        if array.shape[1:3] != stack.shape[1:3]:
            raise InputError(
                f"the pictures have different sizes ({stack.shape[2]}×{stack.shape[1]} in {files[0].name}, "
                f"{array.shape[2]}×{array.shape[1]} in {file.name})",
                file=folder,
                mend="keep slices of one size in the folder",
            )
        if array.dtype != stack.dtype:
            raise InputError(
                f"the pictures have different voxel types ({stack.dtype} in {files[0].name}, {array.dtype} in "
                f"{file.name})",
                file=folder,
                mend="save all slices with the same number of bits",
            )
        if array.ndim != stack.ndim or array.shape[3:] != stack.shape[3:]:
            raise InputError(
                "the folder mixes grey and colour pictures", file=folder, mend="save all slices as grey images"
            )
        stack[n] = array[0]
    assert stack is not None
    return stack, None


def to_grey(array: np.ndarray, path: Path) -> np.ndarray:
    """(k, j, i, channels) to (k, j, i) where all colour channels are equal; a fourth or second one is opacity.

    Raises
    ------
    InputError : real colour, or vectors.
    """
    channels = array.shape[-1]
    colours = channels - 1 if channels in (2, 4) and array.dtype.kind == "u" else channels
    grey = array[..., 0]
    for n in range(1, colours):
        if not np.array_equal(grey, array[..., n]):
            kind = (
                "a colour image"
                if array.dtype.kind == "u" and channels in (3, 4)
                else f"an image of {channels} channels"
            )
            raise InputError(
                f"is {kind}, one grey channel is needed",
                file=path,
                mend="save it as a grey image, or choose a model with as many channels",
            )
    if colours < channels and np.ptp(array[..., -1]) > 0:
        warn("the opacity channel of the picture is ignored", path)
    return np.ascontiguousarray(grey)


def note_assumed_spacing(path: Path) -> None:
    """Tell that a picture has no voxel size, so that no millimetre measured on it is believed."""
    warn(
        "the picture has no voxel size, 1 mm is assumed and measurements are in pixels",
        path,
        "give the spacing in mm",
        SpacingAssumedWarning,
    )


def _kind(path: Path) -> str:
    return {".tiff": ".tif", ".jpeg": ".jpg", ".ome.tif": ".tif", ".ome.tiff": ".tif"}.get(
        suffix_of(path), suffix_of(path)
    )


def _check_jpeg(path: Path) -> None:
    """libjpeg paints what a truncated file lacks in grey and does not complain; the end mark tells."""
    with path.open("rb") as stream:
        start = stream.read(2)
        stream.seek(0, 2)
        stream.seek(-min(stream.tell(), 1 << 16), 2)
        tail = stream.read()
    if start == b"\xff\xd8" and b"\xff\xd9" not in tail:
        raise InputError("the file is cut short", file=path, mend="copy or export it again")


def _check_bmp(path: Path) -> None:
    """ITK fills what a truncated BMP lacks; its header holds the length of the file."""
    with path.open("rb") as stream:
        head = stream.read(14)
    if head[:2] == b"BM" and path.stat().st_size < int.from_bytes(head[2:6], "little"):
        raise InputError("the file is cut short", file=path, mend="copy or export it again")
