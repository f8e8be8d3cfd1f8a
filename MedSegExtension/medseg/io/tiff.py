"""The directory of a TIFF file, to see what libtiff passes over: missing pages, pages of several sizes, the z spacing.

libtiff, and ITK with it, opens a truncated TIFF as a shorter stack without a word. Format: TIFF 6.0 and BigTIFF.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ..errors import InputError

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_LETTERS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q"}
_MM = {
    "mm": 1.0,
    "cm": 10.0,
    "m": 1000.0,
    "um": 1e-3,
    "µm": 1e-3,
    "\\u00b5m": 1e-3,
    "micron": 1e-3,
    "microns": 1e-3,
    "nm": 1e-6,
    "inch": 25.4,
}
_MAX_PAGES = 100_000


@dataclass(frozen=True)
class Page:
    """One image of a TIFF file."""

    width: int
    height: int
    photometric: int
    samples: int
    bits: int
    is_float: bool
    subfile: int
    end: int
    description: str


def read_pages(path: Path) -> list[Page]:
    """All full-size pages.

    Raises
    ------
    InputError : not a TIFF file, cut short, or pages of several sizes.
    """
    length = path.stat().st_size
    pages: list[Page] = []
    with path.open("rb") as stream:
        head = stream.read(16)
        order = {b"II": "<", b"MM": ">"}.get(head[:2])
        if order is None or len(head) < 8 or struct.unpack(order + "H", head[2:4])[0] not in (42, 43):
            raise InputError("is not a TIFF image, or is damaged", file=path, mend="export it again")
        big = struct.unpack(order + "H", head[2:4])[0] == 43
        offset = struct.unpack_from(order + ("Q" if big else "I"), head, 8 if big else 4)[0]
        seen: set[int] = set()
        while offset and len(pages) < _MAX_PAGES:
            if offset in seen:
                raise InputError("the TIFF directory is circular", file=path, mend="export it again")
            seen.add(offset)
            try:
                page, offset = _page(stream, order, big, offset, length)
            except (struct.error, ValueError, IndexError, OverflowError) as error:
                raise _cut_short(path) from error
            if page.end > length:
                raise _cut_short(path)
            if page.subfile not in (1, 4):  # a thumbnail or a transparency mask
                pages.append(page)
    if not pages:
        raise InputError("the TIFF file holds no page", file=path, mend="export it again")
    sizes = sorted({(p.width, p.height) for p in pages})
    if len(sizes) > 1:
        listed = ", ".join(f"{w}×{h}" for w, h in sizes[:4])
        raise InputError(
            f"the pages of the TIFF file have {len(sizes)} sizes ({listed})",
            file=path,
            mend="save a stack of pages of one size",
        )
    # ITK makes room for pages like the first one, and counts mixed subfile types otherwise than it reads them.
    if len({(p.bits, p.samples, p.photometric, p.is_float, p.subfile) for p in pages}) > 1 or pages[0].subfile not in (
        0,
        2,
    ):
        raise InputError(
            "the pages of the TIFF file have different kinds of pixels", file=path, mend="save a stack of one kind"
        )
    return pages


def imagej_step(page: Page) -> float | None:
    """Distance of slices in mm as ImageJ writes it into the description, where its unit is a length."""
    if not page.description.startswith("ImageJ="):
        return None
    fields = dict(line.split("=", 1) for line in page.description.splitlines() if "=" in line)
    scale = _MM.get(fields.get("unit", "").strip().lower())
    try:
        return abs(float(fields["spacing"])) * scale or None if scale else None
    except (KeyError, ValueError):
        return None


def imagej_counts(page: Page) -> tuple[int, int]:
    """Channels and time points of an ImageJ hyperstack (1, 1 where the description says nothing)."""

    def count(key: str) -> int:
        found = re.search(rf"^{key}=(\d+)", page.description, re.M) if page.description.startswith("ImageJ=") else None
        return int(found.group(1)) if found else 1

    return count("channels"), count("frames")


def _page(stream: IO[bytes], order: str, big: bool, offset: int, length: int) -> tuple[Page, int]:
    if offset >= length:
        raise struct.error("directory outside the file")
    stream.seek(offset)
    width_of_count, entry_size, letter = (8, 20, "Q") if big else (2, 12, "I")
    (count,) = struct.unpack(order + ("Q" if big else "H"), stream.read(width_of_count))
    if count > 4096:
        raise struct.error("impossible directory")
    table = stream.read(count * entry_size)
    (following,) = struct.unpack(order + letter, stream.read(8 if big else 4))
    entries = {}
    for n in range(count):
        tag, kind = struct.unpack_from(order + "HH", table, n * entry_size)
        (number,) = struct.unpack_from(order + letter, table, n * entry_size + 4)
        entries[tag] = (kind, number, table[n * entry_size + (12 if big else 8) : (n + 1) * entry_size])

    def raw(tag: int) -> tuple[int, int, bytes]:
        if tag not in entries:
            return 0, 0, b""
        kind, number, inline = entries[tag]
        size = _SIZES.get(kind, 1) * number
        if size <= len(inline):
            return kind, number, inline[:size]
        (start,) = struct.unpack(order + letter, inline)
        if start + size > length:
            raise struct.error("value outside the file")
        stream.seek(start)
        data = stream.read(size)
        return kind, number, data

    def numbers(tag: int, default: tuple[int, ...] = ()) -> tuple[int, ...]:
        kind, number, data = raw(tag)
        return struct.unpack(f"{order}{number}{_LETTERS[kind]}", data) if kind in _LETTERS else default

    starts = numbers(273) or numbers(324)
    lengths = numbers(279) or numbers(325)
    if len(starts) == len(lengths) and starts:
        end = max(s + n for s, n in zip(starts, lengths, strict=True))
    else:
        end = max(starts, default=offset)
    width, height = numbers(256, (0,)), numbers(257, (0,))
    page = Page(
        width=width[0],
        height=height[0],
        photometric=numbers(262, (1,))[0],
        samples=numbers(277, (1,))[0],
        bits=max(numbers(258, (1,))),
        is_float=numbers(339, (1,))[0] == 3,
        subfile=numbers(254, (0,))[0],
        end=end,
        description=raw(270)[2].rstrip(b"\0").decode("utf-8", "replace"),
    )
    return page, following


def _cut_short(path: Path) -> InputError:
    return InputError("the TIFF file is cut short or damaged", file=path, mend="copy or export it again")
