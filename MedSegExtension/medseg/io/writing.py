"""Volumes and label maps into files, complete or not at all."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from ..volume import Volume
from .atomic import atomic_path, disk_error, has_room
from .names import suffix_of
from .notes import itk_reason, redirected
from .verify import is_whole

#: Formats of one file that keep the whole geometry.
WRITABLE = (".nii.gz", ".nii", ".nrrd", ".mha")
#: Written for other programs; they keep the in-plane spacing at best.
WRITABLE_STACKS = (".tif", ".tiff")


def write_volume(volume: Volume, path: str | Path, *, overwrite: bool = True) -> None:
    """Write voxels and geometry as ``.nii.gz``, ``.nii``, ``.nrrd`` or ``.mha``, or voxels alone as a ``.tif`` stack.

    The file appears when it is complete; what stood there before stays until then.

    Raises
    ------
    InputError : a format that cannot hold the volume, a folder that is missing, read-only or full, an existing file
        with ``overwrite`` false.
    """
    path = Path(path)
    suffix = suffix_of(path)
    if suffix not in (*WRITABLE, *WRITABLE_STACKS):
        raise InputError(
            f"volumes are not written as '{suffix or path.name}'",
            file=path,
            mend="choose " + ", ".join((*WRITABLE[:-1], WRITABLE[-1])) + " or .tif",
        )
    write_image(to_image(volume.array, volume, path), path, overwrite=overwrite)


def write_labels(labels: Volume, path: str | Path, *, overwrite: bool = True) -> None:
    """Write an integer label map; bool becomes uint8, wider integers the smallest unsigned type that holds them.

    Raises
    ------
    InputError : as ``write_volume``; and label values that are no whole numbers from 0 to 65535.
    """
    write_volume(labels.with_array(compact_labels(labels.array, labels.source)), path, overwrite=overwrite)


def compact_labels(array: np.ndarray, file: str | Path | None = None) -> np.ndarray:
    """The label map as uint8, or uint16 above 255; the same array when it already is.

    Raises
    ------
    InputError : values that are not whole numbers from 0 to 65535.
    """
    if array.dtype == bool:
        return array.astype(np.uint8)
    low, high = array.min(), array.max()
    if array.dtype.kind not in "iu" and not (np.isfinite([low, high]).all() and np.array_equal(array, np.rint(array))):
        raise InputError(
            "the label map has values that are not whole numbers",
            file=file,
            mend="save the label map as integers, without interpolation",
        )
    if low < 0 or high > np.iinfo(np.uint16).max:
        raise InputError(
            f"the label values run from {low:g} to {high:g}, 0 to 65535 are possible",
            file=file,
            mend="renumber the labels",
        )
    return array.astype(np.uint8 if high <= 255 else np.uint16, copy=False)


def to_image(array: np.ndarray, grid: Volume, path: Path) -> sitk.Image:
    """A SimpleITK image of (k, j, i) voxels on the geometry of ``grid``."""
    if array.dtype == bool:
        array = array.astype(np.uint8)
    elif array.dtype == np.float16:
        array = array.astype(np.float32)
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    if array.dtype == np.float64 and suffix_of(path) in WRITABLE_STACKS:
        raise InputError("a TIFF stack holds no 64-bit voxels", file=path, mend="convert the volume to float32")
    try:
        image = sitk.GetImageFromArray(np.ascontiguousarray(array))
    except (TypeError, KeyError) as error:
        raise InputError(
            f"voxels of type {array.dtype} cannot be written", file=path, mend="convert them to integers or float32"
        ) from error
    image.SetSpacing(grid.spacing)
    image.SetOrigin(grid.origin)
    image.SetDirection(tuple(float(d) for d in grid.direction.ravel()))
    return image


def write_image(
    image: sitk.Image, path: Path, *, overwrite: bool = True, metadata: Mapping[str, str] | None = None
) -> None:
    """Write a SimpleITK image to ``path`` through a temporary file, and see that all of it reached the disk."""
    for key, value in (metadata or {}).items():
        image.SetMetaData(key, value)
    size = image.GetNumberOfPixels() * image.GetNumberOfComponentsPerPixel() * image.GetSizeOfPixelComponent()
    with atomic_path(path, overwrite=overwrite) as temporary:
        # Where the disk may not suffice, the C libraries below ITK would each add lines of their own to ours.
        scarce = shutil.disk_usage(temporary.parent).free < size + (1 << 20)
        try:
            with redirected(2) if scarce else contextlib.nullcontext():
                sitk.WriteImage(image, str(temporary), useCompression=True)
        except RuntimeError as error:
            raise _failure(error, temporary, path) from error
        if not is_whole(temporary, size, pages=image.GetSize()[-1]):
            raise _failure(RuntimeError("the file is incomplete"), temporary, path)


def _failure(error: Exception, temporary: Path, path: Path) -> InputError:
    # ITK does not say why a write failed: ask the folder, while the unfinished file still takes its space.
    cause = has_room(temporary.parent)
    told = disk_error(cause, temporary.parent) if cause is not None else None
    return told or InputError(
        f"could not be written ({itk_reason(error)})", file=path, mend="choose another format or folder"
    )
