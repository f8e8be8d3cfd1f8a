"""Images of the formats that are left to SimpleITK: NRRD, MetaImage, pictures and the rarer ones."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from .metaimage import check_metaimage
from .notes import itk_reason

# ITK's C++ warnings go to standard error, where a command line promises one line of ours.
sitk.ProcessObject.SetGlobalWarningDisplay(False)


def open_reader(path: Path, image_io: str = "") -> sitk.ImageFileReader:
    """A reader that has read the header of ``path``."""
    check_metaimage(path)
    reader = sitk.ImageFileReader()
    if image_io:
        reader.SetImageIO(image_io)
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise _refusal(path, error) from error
    return reader


def read_array(path: Path, reader: sitk.ImageFileReader) -> np.ndarray:
    """Voxels of a reader's file: (..., k, j, i), with a last axis of channels where there are several."""
    try:
        image = reader.Execute()
    except RuntimeError as error:
        raise _refusal(path, error) from error
    except MemoryError as error:
        raise InputError("the image does not fit into memory", file=path, mend="crop or resample it first") from error
    return sitk.GetArrayFromImage(image)


def _refusal(path: Path, error: Exception) -> InputError:
    text = str(error)
    mend = "copy or export it again"
    if "Unable to determine ImageIO reader" in text or "Could not create IO object" in text:
        return InputError(
            "is not an image of a format that can be read, or is damaged",
            file=path,
            mend="check what the file really is, or export it as .nii.gz or .nrrd",
        )
    if re.search(r"allocate|bad_alloc|out of memory|length_error", text, re.IGNORECASE):
        return InputError(
            "does not fit into memory, or its header names a wrong size", file=path, mend="crop or resample it first"
        )
    if "Unknown PixelType" in text:
        return InputError(
            "has a kind of pixel that is not supported (two channels, or grey with opacity)",
            file=path,
            mend="save it as a plain grey image",
        )
    if re.search(
        r"received|fread got|expected \d+ bytes|not read completely|Error while reading file|Premature|truncated",
        text,
        re.I,
    ):
        return InputError("the file is cut short or damaged", file=path, mend=mend)
    missing = re.search(
        r"(?:couldn't open|could not open|Cannot open).*?[\"']?([^\"'\n]+\.(?:raw|zraw|gz|bin))", text, re.I
    )
    if missing:
        return InputError(
            f"its voxel file {Path(missing.group(1)).name} is missing",
            file=path,
            mend="keep header and voxel file in one folder",
        )
    return InputError(f"cannot be read as an image ({itk_reason(error)})", file=path, mend=mend)
