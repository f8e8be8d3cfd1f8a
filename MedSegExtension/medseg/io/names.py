"""What files are called: suffixes, case names, natural order, and which files of a folder are cases."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from ..errors import InputError

#: Suffixes of two parts that belong together; longest match first.
DOUBLE_SUFFIXES = (".nii.gz", ".seg.nrrd", ".seg.nhdr", ".seg.mha", ".ome.tiff", ".ome.tif", ".img.gz", ".mnc.gz")
#: 3D formats with geometry in one file: SimpleITK's, and Amira's.
VOLUME_SUFFIXES = (
    ".nii",
    ".nii.gz",
    ".hdr",
    ".img",
    ".img.gz",
    ".nrrd",
    ".nhdr",
    ".mha",
    ".mhd",
    ".mnc",
    ".gipl",
    ".vtk",
    ".mrc",
    ".am",
)
#: Pictures without a patient geometry.
PICTURE_SUFFIXES = (".png", ".tif", ".tiff", ".jpg", ".jpeg", ".bmp")
DICOM_SUFFIXES = (".dcm", ".dicom", ".ima")


def suffix_of(path: str | Path) -> str:
    """The full suffix in lower case: ``.nii.gz``, ``.seg.nrrd``, ``.png``; empty when there is none."""
    name = Path(path).name.lower()
    for double in DOUBLE_SUFFIXES:
        if name.endswith(double) and len(name) > len(double):
            return double
    return Path(name).suffix


def case_name(path: str | Path) -> str:
    """File or folder name without the suffix of an image format: ``a.b.nii.gz`` gives ``a.b``, ``x.seg.nrrd`` ``x``.

    The name of a folder is kept whole, and so is a suffix that no image format has (``1.2.840.5`` stays).
    """
    path = Path(path)
    name = path.name or path.resolve().name
    suffix = suffix_of(name)
    known = (*DOUBLE_SUFFIXES, *VOLUME_SUFFIXES, *PICTURE_SUFFIXES, *DICOM_SUFFIXES)
    if path.is_dir() or suffix not in known:
        return name
    return name[: -len(suffix)]


def natural_key(path: str | Path) -> tuple:
    """Sort key that counts digits as numbers: ``slice2`` before ``slice10``."""
    name = Path(path).name
    parts = re.split(r"(\d+)", name.casefold())
    return (*((1, int(part), "") if part.isdecimal() else (0, 0, part) for part in parts), (2, 0, name))


def is_dicom(path: Path) -> bool:
    """Whether the file starts like DICOM: ``DICM`` after a preamble of 128 bytes, or a bare group 0002/0008 element."""
    try:
        with path.open("rb") as stream:
            head = stream.read(132)
    except OSError:
        return False
    return head[128:132] == b"DICM" or (
        len(head) == 132
        and head[:2] in (b"\x02\x00", b"\x08\x00")
        and head[3] == 0
        and head[4:6].isalpha()
        and head[4:6].isupper()
    )


def visible_files(folder: Path) -> list[Path]:
    """Regular files of a folder in natural order, without hidden ones (``.DS_Store``, unfinished writes)."""
    try:
        found = [entry for entry in folder.iterdir() if not entry.name.startswith(".") and entry.is_file()]
    except PermissionError as error:
        raise InputError("the folder may not be read", file=folder, mend="ask for read permission") from error
    return sorted(found, key=natural_key)


def walk_files(folder: Path) -> Iterator[Path]:
    """All files below a folder in natural order, without hidden files and folders."""
    for root, folders, files in os.walk(folder):
        folders[:] = sorted((name for name in folders if not name.startswith(".")), key=natural_key)
        for name in sorted(files, key=natural_key):
            if not name.startswith("."):
                yield Path(root) / name


def holds_dicom(folder: Path) -> bool:
    """Whether any file below ``folder`` is DICOM."""
    return any(is_dicom(file) for file in walk_files(folder))


def find_cases(folder: str | Path) -> list[Path]:
    """The cases of a folder, in natural order: volume files, pictures, and subfolders that hold DICOM files.

    A subfolder is one case when DICOM lies anywhere below it; other subfolders are passed over. DICOM files in
    ``folder`` itself are one case, ``folder``.

    Raises
    ------
    InputError : the folder is missing, is a file, or holds no case.
    """
    folder = Path(folder)
    if not folder.exists():
        raise InputError("there is no such folder", file=folder, mend="check the path")
    if not folder.is_dir():
        raise InputError("is a file, not a folder of cases", file=folder, mend="pass the folder")
    cases: list[Path] = []
    loose_dicom = False
    for entry in sorted((e for e in folder.iterdir() if not e.name.startswith(".")), key=natural_key):
        if entry.is_dir():
            if holds_dicom(entry):
                cases.append(entry)
        elif suffix_of(entry) in DICOM_SUFFIXES or (
            suffix_of(entry) not in (*VOLUME_SUFFIXES, *PICTURE_SUFFIXES, ".seg.nrrd") and is_dicom(entry)
        ):
            loose_dicom = True
        elif _is_case_file(entry):
            cases.append(entry)
    if loose_dicom:
        cases.append(folder)
    if not cases:
        raise InputError(
            "no image in this folder",
            file=folder,
            mend="put volumes (.nii.gz, .nrrd, .mha, pictures) or DICOM subfolders into it",
        )
    return cases


def _is_case_file(path: Path) -> bool:
    suffix = suffix_of(path)
    if suffix in (".img", ".img.gz") and any(
        (path.parent / (case_name(path) + end)).exists() for end in (".hdr", ".hdr.gz")
    ):
        return False  # the second half of a NIfTI or Analyze pair
    return suffix in (*VOLUME_SUFFIXES, *PICTURE_SUFFIXES, *DOUBLE_SUFFIXES)
