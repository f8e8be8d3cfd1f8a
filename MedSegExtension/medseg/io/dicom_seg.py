"""DICOM Segmentation objects in, by highdicom: a label map on the grid of its own frames.

Frames without a label are usually left out of the file, so the grid may be a part of the image's.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError, MissingPackageError
from ..volume import Volume
from .geometry import split_affine
from .names import case_name, is_dicom
from .notes import warn
from .segfile import SegmentInfo, default_segment

#: Segmentation Storage and Label Map Segmentation Storage.
_CLASSES = (b"1.2.840.10008.5.1.4.1.1.66.4", b"1.2.840.10008.5.1.4.1.1.66.7")


def is_dicom_segmentation(path: Path) -> bool:
    """Whether a file is a DICOM Segmentation, by the SOP class in its meta header."""
    if not path.is_file() or not is_dicom(path):
        return False
    with path.open("rb") as stream:
        head = stream.read(2048)
    at = head.find(b"\x02\x00\x02\x00UI")
    length = int.from_bytes(head[at + 6 : at + 8], "little")
    return at >= 0 and head[at + 8 : at + 8 + length].strip(b"\0 ") in _CLASSES


def read_dicom_segmentation(path: Path) -> tuple[Volume, list[SegmentInfo]]:
    """Label map (a segment's value is its number) and the segments. Patient names and identifiers are not looked at.

    Raises
    ------
    InputError : damaged, frames on no regular grid, fractional segments.
    MissingPackageError : highdicom is not installed.
    """
    try:
        import highdicom as hd
    except ModuleNotFoundError as error:
        raise MissingPackageError(
            "highdicom is needed to read a DICOM segmentation and not installed",
            file=path,
            mend="pip install 'medseg[dicom]', or export it from Slicer as .seg.nrrd",
            packages=["highdicom"],
        ) from error
    try:
        whole = hd.seg.segread(path)
        if str(whole.SegmentationType) == "FRACTIONAL":
            raise InputError("holds fractions, not labels", file=path, mend="export it as a binary segmentation")
        array, affine = _array(whole, path)
        segments = [_segment(whole, int(number)) for number in whole.segment_numbers]
    except InputError:
        raise
    except Exception as error:  # pydicom and highdicom raise what they come across in a damaged file
        reason = (str(error).splitlines() or [type(error).__name__])[0][:160]
        raise InputError(
            f"cannot be read as a DICOM segmentation ({reason})", file=path, mend="export it again, or as .seg.nrrd"
        ) from error
    # highdicom counts its axes (slice, row, column).
    ijk_to_lps = affine[:, [2, 1, 0, 3]]
    spacing, direction = split_affine(ijk_to_lps, path)
    x, y, z = (float(o) for o in ijk_to_lps[:3, 3])
    dtype = np.uint8 if array.max(initial=0) <= 255 else np.uint16
    return Volume(array.astype(dtype), spacing, (x, y, z), direction, case_name(path), path), segments


def _array(whole: Any, path: Path) -> tuple[np.ndarray, np.ndarray]:
    try:
        volume = whole.get_volume(combine_segments=True)
        return np.asarray(volume.array), np.asarray(volume.affine)
    except RuntimeError as error:
        if "overlap" not in str(error).lower():
            raise
    volume = whole.get_volume(combine_segments=False)
    flat = np.zeros(volume.spatial_shape, np.uint16)
    overlapping = 0
    for n, number in enumerate(whole.segment_numbers):
        mask = volume.array[..., n] > 0
        overlapping += int(np.count_nonzero(flat[mask]))
        flat[mask] = number
    warn(f"segments overlapped in {overlapping} voxels and the later one stays there", path, "save them apart")
    return flat, np.asarray(volume.affine)


def _segment(whole: Any, number: int) -> SegmentInfo:
    made_up = default_segment(number)
    name = str(whole.get_segment_description(number).segment_label).strip()
    return SegmentInfo(number, name or made_up.name, made_up.color)
