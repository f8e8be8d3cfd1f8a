"""Folders of cases without a description file: which image belongs to which mask."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from medseg.errors import InputError
from medseg.io import case_name
from medseg.io.names import is_dicom, natural_key

from .case import Case, Problem
from .naming import IMAGE_WORDS, MASK_WORDS, entries, listed, role_and_key, subfolders, words
from .readers import FileReader

if TYPE_CHECKING:
    from .settings import DataSettings

Found = tuple[list[Case], list[Problem]]


def part_folder(folder: Path, wanted: frozenset[str]) -> Path | None:
    """The subfolder called by one of the words (``images``, ``Masks``, ``ground_truth``), plural first."""
    fits = [sub for sub in subfolders(folder) if {w.casefold() for w in words(sub.name)} <= wanted]
    return fits[0] if len(fits) == 1 else next((sub for sub in fits if sub.name in ("images", "labels")), None)


def is_folders(folder: Path) -> bool:
    """``images/`` beside ``labels/`` (or ``masks/``, ``image/`` and ``label/`` …)."""
    return part_folder(folder, IMAGE_WORDS) is not None and part_folder(folder, MASK_WORDS) is not None


def is_case_folders(folder: Path) -> bool:
    """Subfolders that each hold an image and its mask."""
    return any({role for role, _ in _members(sub)} == {"image", "mask"} for sub in subfolders(folder))


def is_pairs(folder: Path) -> bool:
    """Images and masks side by side, told apart by their names."""
    return {role_and_key(path)[0] for path in _files(folder)} == {"image", "mask"}


def folders(folder: Path, settings: DataSettings) -> Found:
    """Cases of ``images/`` and ``labels/``: equal names, or equal but for a word that says mask or image."""
    images_in, labels_in = part_folder(folder, IMAGE_WORDS), part_folder(folder, MASK_WORDS)
    if images_in is None or labels_in is None:
        name = "images" if images_in is None else "labels"
        raise InputError(
            f"the data folder has no folder {name}",
            file=folder,
            mend="lay cases out as images/CASE.nii.gz and labels/CASE.nii.gz, or see docs/training-data.md",
        )
    labels = entries(labels_in, one_series=False)
    by_name = {case_name(path): path for path in labels}
    by_key = {role_and_key(path)[1]: path for path in labels}
    # DICOM files beside each other are the slices of one volume, unless each has a mask of its own (X-rays).
    images = entries(images_in, one_series=False)
    if not any(is_dicom(path) and case_name(path) in by_name.keys() | by_key.keys() for path in images):
        images = entries(images_in)
    reader = _reader(settings)
    cases, problems, used = [], [], set()
    for image in images:
        name = case_name(image)
        mask = by_name.get(name) or by_key.get(name) or by_key.get(role_and_key(image)[1])
        if mask is None:
            problems.append(_no_mask(image, f"put {name} into {labels_in} or remove the image"))
        elif mask in used:
            problems.append(Problem(image, f"its mask {mask.name} belongs to two images", "rename one of them"))
        else:
            used.add(mask)
            cases.append(Case(name, name, (image,), mask, reader))
    problems += [
        Problem(mask, "has no image", f"put {case_name(mask)} into {images_in} or remove it")
        for mask in labels
        if mask not in used
    ]
    return cases, problems


def pairs(folder: Path, settings: DataSettings) -> Found:
    """Cases of one flat folder: ``17.png`` and ``17_mask.png``, ``train-volume.tif`` and ``train-labels.tif``."""
    groups: dict[str, dict[str, list[Path]]] = defaultdict(lambda: {"image": [], "mask": []})
    for path in _files(folder):
        role, key = role_and_key(path)
        groups[key][role].append(path)
    cases: list[Case] = []
    problems: list[Problem] = []
    for key, group in groups.items():
        name = key or folder.name
        images, masks = group["image"], group["mask"]
        if len(images) == 1 and len(masks) == 1:
            cases.append(Case(name, name, (images[0],), masks[0], _reader(settings)))
        elif not masks:
            # Challenges ship their test images without labels beside the training files.
            test = "test" in {word.casefold() for word in words(name)}
            problems.append(_no_mask(images[0], f"add {name}_mask or remove the image", fatal=not test))
        elif not images:
            problems.append(Problem(masks[0], "has no image", f"add the image {name} or remove the mask"))
        else:
            files = listed(path.name for path in (*images, *masks))
            problems.append(Problem(folder, f"{files} all belong to {name}", "keep one image and one mask of each"))
    return cases, problems


def files(folder: Path, settings: DataSettings) -> Found:
    """Cases by the paths of the section ``files``."""
    asked = settings.files
    assert asked is not None
    texts, reader = (*asked.image, asked.labels), _reader(settings)
    if "{case}" not in asked.labels:
        paths = [folder / text for text in texts]
        missing = [path for path in paths if not path.exists()]
        if missing:
            raise InputError("there is no such file", file=missing[0], mend="correct the section files")
        name = case_name(paths[0])
        return [Case(name, name, tuple(paths[:-1]), paths[-1], reader)], []
    before, after = (len(part) for part in asked.labels.split("{case}"))
    cases, problems = [], []
    there = {}
    for found in folder.glob(asked.labels.replace("{case}", "*")):
        inside = found.relative_to(folder).as_posix()
        there[inside[before : len(inside) - after]] = found
    for name, found in sorted(there.items(), key=lambda one: natural_key(Path(one[0]))):
        images = tuple(folder / text.replace("{case}", name) for text in asked.image)
        missing = [path for path in images if not path.exists()]
        if missing:
            problems.append(Problem(found, f"its image {missing[0]} is missing", "add it or remove the reference"))
        else:
            cases.append(Case(name, name, images, found, reader))
    return cases, problems


def case_folders(folder: Path, settings: DataSettings, volumes: tuple[str, ...]) -> Found:
    """One folder per case. ``volumes`` are the card's input volumes: with several, the files are named after them."""
    cases, problems = [], []
    for sub in subfolders(folder):
        members = _members(sub)
        masks = [path for role, path in members if role == "mask"]
        images = [path for role, path in members if role == "image"]
        if not members:
            continue
        if not masks:
            problems.append(_no_mask(sub, "add CASE_mask, mask or a .seg.nrrd file, or remove the folder"))
        elif len(masks) > 1:
            names = listed(path.name for path in masks)
            problems.append(Problem(sub, f"holds {len(masks)} masks ({names})", "keep one label map with all labels"))
        elif not images:
            problems.append(Problem(masks[0], "has no image", "add the image or remove the folder"))
        else:
            chosen, problem = _choose(sub, images, volumes)
            if problem is not None:
                problems.append(problem)
            else:
                cases.append(Case(sub.name, sub.name, chosen, masks[0], _reader(settings)))
    return cases, problems


def _choose(sub: Path, images: list[Path], volumes: tuple[str, ...]) -> tuple[tuple[Path, ...], Problem | None]:
    """The files of the card's input volumes: the only one, or each by a word of its name."""
    if len(images) == 1:
        return (images[0],), None
    chosen = []
    for volume in volumes:
        wanted = [w.casefold() for w in words(volume)]
        fits = [path for path in images if set(wanted) <= {w.casefold() for w in words(case_name(path))}]
        if len(fits) != 1:
            what = (
                f"holds {len(images)} images ({listed(p.name for p in images)}), {len(fits)} of them called {volume!r}"
            )
            return (), Problem(sub, what, "name each file after one of card.input.volumes, or add the missing one")
        chosen.append(fits[0])
    return tuple(chosen), None


def _members(sub: Path) -> list[tuple[str, Path]]:
    """Role and path of what a case folder holds; the case's own name says nothing of the role."""
    found = []
    for path in entries(sub):
        if path == sub:  # DICOM files lie in it loosely
            found.append(("image", path))
            continue
        role, _ = role_and_key(path)
        found.append((role, path))
    return found


def _files(folder: Path) -> list[Path]:
    return [path for path in entries(folder, one_series=False) if path.is_file()]


def _reader(settings: DataSettings) -> FileReader:
    return FileReader(None if settings.spacing_mm is None else tuple(settings.spacing_mm))


def _no_mask(path: Path, mend: str, fatal: bool = True) -> Problem:
    return Problem(path, "has no reference segmentation", mend, fatal)
