"""DICOM: which series a folder holds, and one series as a volume with a regular grid, or the reason why not.

Only what is needed for the grid is taken from the headers; patient names and identifiers are never read out.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..volume import Volume
from .dicom_header import SliceHeader, is_no_image, read_header
from .itk import open_reader, read_array
from .names import is_dicom, walk_files
from .notes import warn
from .series_grid import series_grid


@dataclass(frozen=True)
class SeriesInfo:
    """One DICOM series of a folder. Holds no patient data."""

    uid: str
    number: int | None
    description: str
    modality: str
    slice_count: int  # frames, for multi-frame files

    def line(self) -> str:
        """``number 4, UID 1.2.3, 'T2 HASTE cor', MR, 40 slices``."""
        number = "without number" if self.number is None else f"number {self.number}"
        plural = "" if self.slice_count == 1 else "s"
        return (
            f"{number}, UID {self.uid}, '{self.description}', {self.modality or '?'}, {self.slice_count} slice{plural}"
        )


def list_series(folder: str | Path) -> list[SeriesInfo]:
    """The DICOM image series below ``folder``, by series number.

    Raises
    ------
    InputError : no such folder, or no DICOM image in it.
    """
    groups, damaged = _scan(Path(folder))
    for file in damaged:
        warn("this DICOM file is damaged and was left out", file, "export it again")
    return _infos(groups)


def read_dicom(path: Path, series: str | None = None) -> tuple[np.ndarray, Volume]:
    """One DICOM file, or one series of a folder.

    Parameters
    ----------
    path : a file or a folder (searched with its subfolders).
    series : series instance UID, an unambiguous beginning of it, or a series number.

    Returns
    -------
    array : (k, j, i) voxels, or (k, j, i, channels) for colour.
    frame : a volume of one-byte zeros that carries geometry, name and modality.
    """
    if path.is_file():
        if is_no_image(path):
            raise InputError(
                "is a DICOM file without an image (a directory, report, presentation or segmentation)",
                file=path,
                mend="choose an image file, or the folder of the series",
            )
        header = read_header(path)
        return _assemble(path, [header])
    groups, damaged = _scan(path)
    infos = _infos(groups)
    chosen = _choose(path, infos, series)
    if damaged and len(infos) == 1:
        raise InputError("this DICOM file is damaged or cut short", file=damaged[0], mend="export the series again")
    for file in damaged:
        warn("this DICOM file is damaged and was left out", file, "export it again")
    return _assemble(path, groups[chosen.uid])


def _scan(folder: Path) -> tuple[dict[str, list[SliceHeader]], list[Path]]:
    if not folder.is_dir():
        raise InputError("there is no such folder", file=folder, mend="check the path")
    groups: dict[str, list[SliceHeader]] = {}
    damaged: list[Path] = []
    for file in walk_files(folder):
        if not is_dicom(file) or is_no_image(file):
            continue
        try:
            header = read_header(file)
        except InputError:
            damaged.append(file)
            continue
        groups.setdefault(header.uid, []).append(header)
    if not groups:
        if damaged:
            raise InputError("this DICOM file is damaged or cut short", file=damaged[0], mend="export the series again")
        raise InputError(
            "no DICOM image in this folder", file=folder, mend="choose the folder that holds the image files"
        )
    return groups, damaged


def _infos(groups: dict[str, list[SliceHeader]]) -> list[SeriesInfo]:
    infos = [
        SeriesInfo(
            uid,
            headers[0].number,
            headers[0].description,
            headers[0].modality,
            sum(header.frames for header in headers),
        )
        for uid, headers in groups.items()
    ]
    return sorted(infos, key=lambda info: (info.number is None, info.number or 0, info.uid))


def _choose(path: Path, infos: list[SeriesInfo], series: str | None) -> SeriesInfo:
    listing = "; ".join(f"[{info.line()}]" for info in infos)
    if series is None:
        if len(infos) == 1:
            return infos[0]
        raise InputError(
            f"the folder holds {len(infos)} series: {listing}", file=path, mend="choose one by its number or UID"
        )
    wanted = str(series).strip()
    for matches in (
        [i for i in infos if i.uid == wanted],
        [i for i in infos if wanted.isdecimal() and i.number == int(wanted)],
        [i for i in infos if wanted and i.uid.startswith(wanted)],
    ):
        if len(matches) == 1:
            return matches[0]
        if matches:
            raise InputError(
                f"series {wanted} is ambiguous: {'; '.join(f'[{i.line()}]' for i in matches)}",
                file=path,
                mend="choose one by its whole UID",
            )
    raise InputError(
        f"the folder holds no series {wanted}, but {listing}",
        file=path,
        mend="choose one of these by its number or UID",
    )


def _assemble(path: Path, headers: list[SliceHeader]) -> tuple[np.ndarray, Volume]:
    headers, spacing, origin, direction = series_grid(path, headers)
    first = headers[0]
    shape: tuple[int, ...] = (len(headers), first.rows, first.columns)
    if first.channels > 1:
        shape = (*shape, first.channels)
    # Rescale slopes may differ from slice to slice (PET), and with them the type GDCM answers with.
    try:
        array = np.empty(shape, np.result_type(*{header.dtype for header in headers}))
    except MemoryError as error:
        raise InputError("the series does not fit into memory", file=path, mend="crop it first") from error
    for k, header in enumerate(headers):
        try:
            array[k] = read_array(header.file, open_reader(header.file, "GDCMImageIO")).reshape(shape[1:])
        except (InputError, ValueError) as error:
            raise InputError(
                "the pixels of this DICOM file cannot be read (damaged, cut short or of an unsupported compression)",
                file=header.file,
                mend="export the series again, uncompressed",
            ) from error
    if first.photometric == "MONOCHROME1":
        # GDCM does this by itself, and Slicer shows what GDCM gives.
        warn("the image is stored with bright and dark exchanged (MONOCHROME1); its values were inverted", path)
    name = "series-unnumbered" if first.number is None else f"series-{first.number}"
    frame = np.broadcast_to(np.zeros((), np.uint8), shape[:3])
    return array, Volume(frame, spacing, origin, direction, name, path, first.modality or None)
