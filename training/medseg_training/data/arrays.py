"""Cases of ``.npy``, ``.npz`` and HDF5 files, as the section ``arrays`` of the configuration maps them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from medseg.errors import InputError
from medseg.io.names import natural_key

from .array_files import SUFFIXES, ArrayPlace, array_keys, array_shape
from .case import Case, Problem
from .naming import listed
from .readers import ArrayReader

if TYPE_CHECKING:
    from .layouts import Found
    from .settings import DataSettings

_CASE = "{case}"


def arrays(folder: Path, settings: DataSettings) -> Found:
    """Every case that the patterns find. Raises InputError where they find none."""
    mapping = settings.arrays
    assert mapping is not None
    images, labels = _places(folder, mapping.image), _places(folder, mapping.labels)
    spacings = _places(folder, mapping.spacing) if mapping.spacing else {}
    if not images:
        raise InputError(
            f"nothing fits arrays.image {mapping.image!r}",
            file=folder,
            mend=f"correct it; here are {listed(f.name for f in folder.iterdir()) or 'no files'}",
        )
    cases: list[Case] = []
    problems: list[Problem] = []
    for name in sorted(images.keys() | labels.keys(), key=natural_key):
        if name not in labels:
            mend = f"add what {mapping.labels!r} should find, or remove the image"
            problems.append(Problem(images[name].file, f"{name or 'the array'} has no reference segmentation", mend))
        elif name not in images:
            mend = f"add what {mapping.image!r} should find, or remove it"
            problems.append(Problem(labels[name].file, f"{name or 'the array'} has no image", mend))
        else:
            reader = ArrayReader(
                images[name],
                labels[name],
                mapping.axes,
                mapping.axes_of_labels,
                tuple(settings.spacing_mm or (1.0,)),
                spacings.get(name) or spacings.get(""),
            )
            found, more = _along_n(name or folder.resolve().name, reader)
            cases += found
            problems += more
    return cases, problems


def _along_n(name: str, reader: ArrayReader) -> Found:
    """The case itself, or a case for each place along the axis n."""
    files = (reader.image.file, reader.labels.file)
    if "n" not in reader.axes:
        return [Case(name, name, files[:1], files[1], reader)], []
    at, label_at = reader.axes.index("n"), reader.label_axes.index("n")
    shape, label_shape = (array_shape(p.file, p.key) for p in (reader.image, reader.labels))
    for axes, its, place in ((reader.axes, shape, reader.image), (reader.label_axes, label_shape, reader.labels)):
        if len(its) != len(axes):
            what = f"{place.text} has {len(its)} axes {its}, the configuration names {len(axes)} ({axes})"
            return [], [Problem(place.file, what, "correct arrays.axes or arrays.label_axes")]
    if shape[at] != label_shape[label_at]:
        what = f"holds {label_shape[label_at]} references for {shape[at]} images"
        return [], [Problem(files[1], what, "save as many of one as of the other, in the same order")]
    width = len(str(max(0, shape[at] - 1)))
    cases = []
    for n in range(shape[at]):
        one = ArrayReader(
            ArrayPlace(files[0], reader.image.key, at, n),
            ArrayPlace(files[1], reader.labels.key, label_at, n),
            reader.axes,
            reader.label_axes,
            reader.spacing_mm,
            reader.spacing,
        )
        cases.append(Case(f"{name}_{n:0{width}}", f"{name}_{n:0{width}}", files[:1], files[1], one))
    return cases, []


def _places(folder: Path, pattern: str) -> dict[str, ArrayPlace]:
    """Case name → place for a pattern ``FILE[:KEY]``; without ``{case}`` the name is empty."""
    file_pattern, _, key = pattern.partition(":")
    if not file_pattern.lower().endswith(SUFFIXES):
        raise InputError(
            f"{pattern!r} names no array file", mend=f"write FILE or FILE:KEY with FILE one of {', '.join(SUFFIXES)}"
        )
    # Backslashes too: the configuration may have been written on Windows.
    file_pattern = file_pattern.replace("\\", "/")
    files: dict[str | None, Path] = {}
    if _CASE in file_pattern:
        rule = re.compile("([^/]+)".join(re.escape(part) for part in file_pattern.split(_CASE)))
        for file in folder.glob(file_pattern.replace(_CASE, "*")):
            if file.is_file() and (found := rule.fullmatch(file.relative_to(folder).as_posix())):
                files[found[1]] = file
    elif (folder / file_pattern).is_file():
        files[None] = folder / file_pattern
    places = {}
    for name, file in files.items():
        if _CASE in key:
            rule = re.compile("([^/]+)".join(re.escape(part) for part in key.strip("/").split(_CASE)))
            for there in array_keys(file):
                found = rule.fullmatch(there)
                if found and (name is None or found[1] == name):
                    places[found[1]] = ArrayPlace(file, there)
        else:
            places[name or ""] = ArrayPlace(file, key or None)
    return places
