"""What one DICOM file says about its slice. Patient names and identifiers are never read out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from .itk import open_reader

#: SOP classes that are DICOM but no images: DICOMDIR, structured reports, presentation states, RT objects, documents.
_NOT_IMAGES = (
    "1.2.840.10008.1.3.10",
    "1.2.840.10008.5.1.4.1.1.88.",
    "1.2.840.10008.5.1.4.1.1.11.",
    "1.2.840.10008.5.1.4.1.1.481.",
    "1.2.840.10008.5.1.4.1.1.104.",
    "1.2.840.10008.5.1.4.1.1.66",
    "1.2.840.10008.5.1.4.1.1.9.",
    "1.2.840.10008.5.1.4.34.",
)

#: Python's names for DICOM's character sets (PS3.3 C.12.1.1.2); ISO 2022 names are looked up by their number.
_CODECS = {
    "100": "latin-1",
    "101": "iso8859-2",
    "109": "iso8859-3",
    "110": "iso8859-4",
    "144": "iso8859-5",
    "127": "iso8859-6",
    "126": "iso8859-7",
    "138": "iso8859-8",
    "148": "iso8859-9",
    "203": "iso8859-15",
    "13": "shift_jis",
    "166": "iso8859-11",
    "87": "iso2022_jp",
    "159": "iso2022_jp_2",
    "149": "euc_kr",
    "58": "gb2312",
    "192": "utf-8",
    "GB18030": "gb18030",
    "GBK": "gbk",
}


@dataclass(frozen=True, eq=False)
class SliceHeader:
    """What one DICOM file says about its slice; positions and orientations are None where it says nothing."""

    file: Path
    uid: str
    number: int | None
    description: str
    modality: str
    instance: int | None
    position: np.ndarray | None
    orientation: np.ndarray | None
    columns: int
    rows: int
    frames: int
    pixel_spacing: tuple[float, ...]
    has_spacing: bool
    between: float | None
    thickness: float | None
    photometric: str
    channels: int
    dtype: np.dtype


def is_no_image(file: Path) -> bool:
    """Whether a DICOM file holds something else than an image.

    By the media storage SOP class in its meta header (0002,0002), which is always explicit little endian.
    """
    with file.open("rb") as stream:
        head = stream.read(2048)
    at = head.find(b"\x02\x00\x02\x00UI")
    if at < 0:
        return False
    length = int.from_bytes(head[at + 6 : at + 8], "little")
    return head[at + 8 : at + 8 + length].decode("ascii", "replace").strip("\0 ").startswith(_NOT_IMAGES)


def read_header(file: Path) -> SliceHeader:
    """The header of one DICOM image file; ``InputError`` where it holds none.

    Patient names and identifiers are not looked at.
    """
    try:
        reader = open_reader(file, "GDCMImageIO")
    except InputError as error:
        raise InputError("is no DICOM image, or is damaged or cut short", file=file, mend="export it again") from error
    tags = set(reader.GetMetaDataKeys())

    def text(tag: str) -> str:
        return reader.GetMetaData(tag).strip("\0 \r\n") if tag in tags else ""

    def numbers(tag: str, count: int) -> np.ndarray | None:
        try:
            values = np.array([float(part) for part in text(tag).split("\\")])
        except ValueError:
            return None
        return values if values.shape == (count,) and np.isfinite(values).all() else None

    def whole(tag: str) -> int | None:
        try:
            return int(float(text(tag)))
        except (ValueError, OverflowError):
            return None

    size = reader.GetSize()
    return SliceHeader(
        file=file,
        uid=text("0020|000e"),
        number=whole("0020|0011"),
        description=_decoded(text("0008|103e"), text("0008|0005")),
        modality=text("0008|0060"),
        instance=whole("0020|0013"),
        position=numbers("0020|0032", 3),
        orientation=numbers("0020|0037", 6),
        columns=int(size[0]),
        rows=int(size[1]),
        frames=int(size[2]) if len(size) > 2 else 1,
        pixel_spacing=tuple(reader.GetSpacing()[:2]),
        has_spacing=bool(tags & {"0028|0030", "0018|1164", "0018|2010", "0018|6011"}),
        between=_positive(numbers("0018|0088", 1)),
        thickness=_positive(numbers("0018|0050", 1)),
        photometric=text("0028|0004"),
        channels=reader.GetNumberOfComponents(),
        dtype=_numpy_type(reader.GetPixelID()),
    )


def _positive(value: np.ndarray | None) -> float | None:
    return None if value is None or value[0] == 0 else abs(float(value[0]))


def _numpy_type(pixel_id: int) -> np.dtype:
    """The numpy type of a SimpleITK pixel type (of one channel for vectors)."""
    return sitk.GetArrayViewFromImage(sitk.Image([1, 1], pixel_id)).dtype


def _decoded(text: str, character_set: str) -> str:
    """Text as the file's character set means it. SimpleITK takes all for UTF-8 and escapes what is not."""
    raw = text.encode("utf-8", "surrogateescape")
    # "ISO_IR 101" and "ISO 2022 IR 101" are named by their number; the last of several holds what is not ASCII.
    names = [part.split()[-1] for part in character_set.split("\\") if part.strip()]
    for codec in [_CODECS[name] for name in reversed(names) if name in _CODECS] + ["utf-8"]:
        try:
            return raw.decode(codec)
        except UnicodeDecodeError:
            continue
    return raw.decode("latin-1")
