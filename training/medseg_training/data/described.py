"""Data sets with a ``dataset.json``: nnU-Net (version 2, and 1) and the Medical Segmentation Decathlon.

nnU-Net's documentation/dataset_format.md and the Decathlon's dataset.json are the sources. The raw folder is
read, ``imagesTs`` is left alone.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medseg.errors import InputError
from medseg.io import case_name
from medseg.io.names import natural_key, suffix_of, visible_files

from .case import Case, Problem
from .naming import is_image_file, listed, words
from .readers import FileReader

if TYPE_CHECKING:
    from medseg.card import Label

    from .layouts import Found
    from .settings import DataSettings

_CHANNEL = re.compile(r"(.+)_(\d{4})$")


def describes(folder: Path) -> str | None:
    """``decathlon`` where ``dataset.json`` lists its cases, ``nnunet`` for other kinds and ``imagesTr``, or None."""
    if (folder / "dataset.json").is_file():
        data = read_description(folder)
        first = next(iter(data.get("training") or []), None)
        if isinstance(first, Mapping) and (folder / str(first.get("image", ""))).exists():
            return "decathlon"
        return "nnunet"
    return "nnunet" if (folder / "imagesTr").is_dir() and (folder / "labelsTr").is_dir() else None


def read_description(folder: Path) -> dict[str, Any]:
    """``dataset.json``. Raises InputError where it is not a JSON object."""
    file = folder / "dataset.json"
    if not file.is_file():
        return {}
    try:
        data = json.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"is not valid JSON ({error})", file=file, mend="correct it") from None
    if not isinstance(data, dict):
        raise InputError("holds no JSON object", file=file, mend="correct it")
    return data


def decathlon(folder: Path, settings: DataSettings) -> Found:
    """The cases that ``training`` lists; 4D images hold the channels that ``modality`` names."""
    data, file = read_description(folder), folder / "dataset.json"
    listing = data.get("training")
    if not isinstance(listing, list):
        raise InputError("has no list 'training'", file=file, mend="set layout: nnunet, or add the list")
    reader = _reader(settings, data)
    cases, problems = [], []
    for number, entry in enumerate(listing):
        if not isinstance(entry, Mapping) or not {"image", "label"} <= set(entry):
            problems.append(Problem(file, f"entry {number} of 'training' has no image and label", "correct it"))
            continue
        image, label = folder / str(entry["image"]), folder / str(entry["label"])
        missing = [path for path in (image, label) if not path.exists()]
        if missing:
            problems.append(Problem(missing[0], "is listed in dataset.json and not there", "restore it"))
        else:
            cases.append(Case(case_name(image), case_name(image), (image,), label, reader))
    return cases, problems + _counted(file, data, len(listing))


def nnunet(folder: Path, settings: DataSettings) -> Found:
    """``imagesTr/CASE_0000.EXT`` for each channel and ``labelsTr/CASE.EXT``, or what ``dataset`` lists."""
    data, file = read_description(folder), folder / "dataset.json"
    reader = _reader(settings, data)
    if isinstance(data.get("dataset"), Mapping):
        return _listed_by_name(folder, data["dataset"], reader)
    channels = len(reader.channel_names)
    ending = str(data.get("file_ending") or "")
    images: dict[str, dict[int, Path]] = defaultdict(dict)
    problems = []
    for path in _files(folder / "imagesTr", ending):
        found = _CHANNEL.match(case_name(path))
        if found is None:
            problems.append(Problem(path, "has no channel number", "call it CASE_0000, CASE_0001 …"))
        else:
            images[found[1]][int(found[2])] = path
    labels = {case_name(path): path for path in _files(folder / "labelsTr", ending)}
    expected = channels or max((len(c) for c in images.values()), default=0)
    cases = []
    for name in sorted(images.keys() | labels.keys(), key=natural_key):
        here = images.get(name, {})
        # A colour picture holds its channels in one file.
        whole = set(here) == {0} or set(here) == set(range(expected))
        if name not in labels:
            problems.append(
                Problem(here[min(here)], "has no reference segmentation", f"add {folder / 'labelsTr' / name}")
            )
        elif not here:
            problems.append(Problem(labels[name], "has no image", f"add {folder / 'imagesTr' / name}_0000"))
        elif not whole or (set(here) == {0} and expected > 1 and suffix_of(here[0]) not in (".png", ".bmp", ".tif")):
            gaps = listed(f"{n:04}" for n in set(range(expected)) - set(here)) or "some of 0000 …"
            problems.append(Problem(here[min(here)], f"the case lacks channel {gaps}", "add it or remove the case"))
        else:
            cases.append(Case(name, name, tuple(here[n] for n in sorted(here)), labels[name], reader))
    return cases, problems + _counted(file, data, len(labels))


def label_names(folder: Path) -> dict[int, str]:
    """What ``dataset.json`` calls the label values; empty where it says nothing. Regions of several values are not."""
    labels = read_description(folder).get("labels")
    names: dict[int, str] = {}
    for key, value in labels.items() if isinstance(labels, Mapping) else ():
        if isinstance(value, int):  # nnU-Net 2: name → value
            names[value] = str(key)
        elif isinstance(value, str) and str(key).isdecimal():  # Decathlon: value → name
            names[int(key)] = value
    return names


def name_problems(folder: Path, labels: Sequence[Label]) -> list[Problem]:
    """Where ``dataset.json`` and the card call one value by two names: one of them means another structure."""
    names, file = label_names(folder), folder / "dataset.json"
    return [
        Problem(
            file,
            f"calls label {label.value} {names[label.value]!r}, the card {label.name!r}",
            "correct the card, or write source_labels where both mean the same",
            fatal=False,
        )
        for label in labels
        if label.value in names and words(names[label.value].casefold()) != words(label.name.casefold())
    ]


def _listed_by_name(folder: Path, listing: Mapping[str, Any], reader: FileReader) -> Found:
    cases, problems = [], []
    for name, entry in listing.items():
        images = tuple(folder / str(path) for path in entry.get("images", ())) if isinstance(entry, Mapping) else ()
        if not images or "label" not in entry:
            problems.append(Problem(folder / "dataset.json", f"'dataset' gives {name} no images and label", "add them"))
            continue
        label = folder / str(entry["label"])
        missing = [path for path in (*images, label) if not path.exists()]
        if missing:
            problems.append(Problem(missing[0], "is listed in dataset.json and not there", "restore it"))
        else:
            cases.append(Case(str(name), str(name), images, label, reader))
    return cases, problems


def _reader(settings: DataSettings, data: Mapping[str, Any]) -> FileReader:
    names = data.get("channel_names") or data.get("modality") or {}
    if isinstance(names, Mapping):
        names = [names[key] for key in sorted(names, key=lambda k: int(k) if str(k).isdecimal() else 0)]
    spacing = None if settings.spacing_mm is None else tuple(settings.spacing_mm)
    return FileReader(spacing, tuple(str(name) for name in names))


def _files(folder: Path, ending: str) -> list[Path]:
    if not folder.is_dir():
        raise InputError("there is no such folder", file=folder, mend="lay the data out as nnU-Net's raw folders are")
    return [
        file
        for file in visible_files(folder)
        if is_image_file(file) and (not ending or file.name.lower().endswith(ending.lower()))
    ]


def _counted(file: Path, data: Mapping[str, Any], found: int) -> list[Problem]:
    promised = data.get("numTraining")
    if isinstance(promised, int) and promised != found:
        return [
            Problem(
                file, f"promises {promised} training cases, {found} are here", "see whether some are missing", False
            )
        ]
    return []
