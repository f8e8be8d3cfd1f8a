"""Which file is an image and which is its mask, by the words in their names.

A name is cut into words at ``_ - .`` and spaces. A first or last word that says image or mask is a role and not part of
the case: ``train-volume.tif`` and ``train-labels.tif`` are the image and the mask of ``train``, ``17.png`` and
``17_mask.png`` those of ``17``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from medseg.io import case_name
from medseg.io.dicom_seg import is_dicom_segmentation
from medseg.io.names import (
    DICOM_SUFFIXES,
    DOUBLE_SUFFIXES,
    PICTURE_SUFFIXES,
    VOLUME_SUFFIXES,
    holds_dicom,
    is_dicom,
    natural_key,
    suffix_of,
    visible_files,
)

IMAGE_WORDS = frozenset(("image", "images", "img", "imgs", "volume", "volumes", "vol", "scan", "scans", "raw", "dicom"))
MASK_WORDS = frozenset(("mask", "masks", "label", "labels", "lbl", "seg", "segs", "segmentation", "segmentations")) | {
    *("gt", "ground", "truth", "groundtruth", "annotation", "annotations", "manual")
}
#: Formats that hold segmentations and nothing else.
MASK_SUFFIXES = (".seg.nrrd", ".seg.nhdr", ".seg.mha", ".labels")
IMAGE_SUFFIXES = (*VOLUME_SUFFIXES, *PICTURE_SUFFIXES, *DOUBLE_SUFFIXES, ".am")


def words(name: str) -> list[str]:
    """``BraTS20_001-t1`` → ``["BraTS20", "001", "t1"]``."""
    return [word for word in re.split(r"[-_. ]+", name) if word]


def role_and_key(path: Path) -> tuple[str, str]:
    """``("mask" | "image", what is left of the name without roles)``; the latter may be empty."""
    name = case_name(path)
    parts = words(name)
    roles = []
    while parts and parts[-1].casefold() in IMAGE_WORDS | MASK_WORDS:
        roles.append(parts.pop().casefold())
    while parts and parts[0].casefold() in IMAGE_WORDS | MASK_WORDS:
        roles.append(parts.pop(0).casefold())
    mask = suffix_of(path) in MASK_SUFFIXES or any(role in MASK_WORDS for role in roles) or is_dicom_segmentation(path)
    return ("mask" if mask else "image"), "_".join(parts) if roles else name


def is_image_file(path: Path) -> bool:
    """Whether the name, or the content where it has no known suffix, is that of an image."""
    suffix = suffix_of(path)
    if suffix in (".img", ".img.gz") and (path.parent / (case_name(path) + ".hdr")).exists():
        return False  # the second half of a pair
    return suffix in (*IMAGE_SUFFIXES, *MASK_SUFFIXES, *DICOM_SUFFIXES) or (not suffix and is_dicom(path))


def entries(folder: Path, one_series: bool = True) -> list[Path]:
    """Image files, DICOM folders and folders of picture slices of a folder, in natural order.

    DICOM images that lie in the folder itself are one volume, the folder, or with ``one_series`` false a volume each.
    """
    found = [file for file in visible_files(folder) if is_image_file(file)]
    if one_series:
        loose = [file for file in found if is_dicom(file) and not is_dicom_segmentation(file)]
        found = [file for file in found if file not in loose] + ([folder] if loose else [])
    found += [sub for sub in subfolders(folder) if holds_dicom(sub) or is_picture_folder(sub)]
    return sorted(found, key=natural_key)


def subfolders(folder: Path) -> list[Path]:
    """Visible folders in natural order."""
    return sorted((e for e in folder.iterdir() if e.is_dir() and not e.name.startswith(".")), key=natural_key)


def is_picture_folder(folder: Path) -> bool:
    """Whether a folder holds picture files and no volumes: the slices of one volume."""
    files = [file for file in visible_files(folder) if is_image_file(file)]
    return bool(files) and all(suffix_of(file) in PICTURE_SUFFIXES for file in files)


def listed(names: Iterable[str], most: int = 6) -> str:
    """``a, b, c …`` for messages."""
    every = sorted(names)
    return ", ".join(every[:most]) + (" …" if len(every) > most else "")
