"""Images of the formats that are left to SimpleITK: NRRD, MetaImage, pictures and the rarer ones."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from .notes import itk_reason

# ITK's C++ warnings go to standard error, where a command line promises one line of ours.
sitk.ProcessObject.SetGlobalWarningDisplay(False)


def open_reader(path: Path, image_io: str = "") -> sitk.ImageFileReader:
    """A reader that has read the header of ``path``."""
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
    _check_metaimage(path)
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


def _check_metaimage(path: Path) -> None:
    """MetaImage's own complaints go to standard error and name no cause: look first whether all voxels are there."""
    if path.suffix.lower() not in (".mha", ".mhd"):
        return
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
        start = stream.tell()
    data = fields.get("elementdatafile", "")
    if not data:
        raise InputError("the MetaImage header names no voxel data", file=path, mend="export it again")
    if data.upper() == "LOCAL":
        held = path.stat().st_size - start
    elif data.upper().startswith("LIST") or "%" in data:
        return
    else:
        raw = path.parent / data
        if not raw.is_file():
            raise InputError(
                f"its voxel file {Path(data).name} is missing",
                file=path,
                mend="keep header and voxel file in one folder",
            )
        held = raw.stat().st_size
    needed = _metaimage_bytes(fields)
    if needed is not None and held < needed:
        raise InputError(
            "the file is cut short: it holds fewer voxels than its header says",
            file=path,
            mend="copy or export it again",
        )


def _metaimage_bytes(fields: dict[str, str]) -> int | None:
    sizes = {"CHAR": 1, "SHORT": 2, "INT": 4, "LONG": 4, "LONG_LONG": 8, "FLOAT": 4, "DOUBLE": 8}
    try:
        if fields.get("compresseddata", "false").lower() == "true":
            return int(fields["compresseddatasize"]) if "compresseddatasize" in fields else None
        voxels = int(np.prod([int(n) for n in fields["dimsize"].split()], dtype=object))
        kind = fields["elementtype"].upper().removeprefix("MET_").removesuffix("_ARRAY").replace("UCHAR", "CHAR")
        kind = kind.replace("USHORT", "SHORT").replace("UINT", "INT").replace("ULONG", "LONG")
        return voxels * sizes[kind] * int(fields.get("elementnumberofchannels", "1"))
    except (KeyError, ValueError):
        return None
