"""``list_cases``: the cases of every data folder, whose they are, and what is wrong before anything is read."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from medseg.errors import InputError

from . import described, layouts
from .arrays import arrays
from .blocks import cut_into_blocks
from .case import Case, Problem
from .naming import listed, subfolders
from .patients import assign_patients

if TYPE_CHECKING:
    from ..config import Config
    from .settings import DataSettings


def list_cases(config: Config) -> tuple[list[Case], list[Problem]]:
    """The cases of every data folder, each with its patient; what is wrong with single files comes back as problems.

    Raises InputError where a folder is missing or its layout is not known.
    """
    cases: list[Case] = []
    problems: list[Problem] = []
    volumes = config.draft.input.volumes
    for folder in config.data:
        found, more = _list_folder(folder, config, volumes)
        cases += found
        if found and config.source_labels is None and config.arrays is None:
            more = [*more, *described.name_problems(folder, config.draft.output.labels)]
        problems += more
    cases, more = _unique(cases)
    problems += more
    cases, more = assign_patients(cases, config)
    problems += more
    if config.blocks is not None:
        cases, more = cut_into_blocks(cases, config.blocks)
        problems += more
    if not cases and not any(p.fatal for p in problems):
        raise InputError("holds no case", file=config.data[0], mend="see docs/training-data.md for the layouts")
    return cases, [*problems, *_split_problems(cases, config), *_alike(cases)]


def layout_of(folder: Path, settings: DataSettings) -> str:
    """Which layout a folder has, by content. Raises InputError with what was found instead."""
    if not folder.is_dir():
        what = "is a file, not a folder of cases" if folder.exists() else "there is no such folder"
        raise InputError(what, file=folder, mend="correct `data`; --set data=FOLDER works too")
    if settings.layout != "auto":
        return settings.layout
    if settings.arrays is not None:
        return "arrays"
    if settings.files is not None:
        return "files"
    kind = described.describes(folder)
    if kind is not None:
        return kind
    # images/ alone counts too: the message about the missing labels/ is worth more than the list of layouts.
    if layouts.is_folders(folder) or (folder / "images").is_dir() or (folder / "labels").is_dir():
        return "folders"
    if layouts.is_case_folders(folder):
        return "case_folders"
    if layouts.is_pairs(folder):
        return "pairs"
    inside = listed([s.name + "/" for s in subfolders(folder)] + [f.name for f in folder.iterdir() if f.is_file()], 5)
    raise InputError(
        f"is no known layout of cases (it holds {inside or 'nothing'})",
        file=folder,
        mend="lay cases out as images/CASE.nii.gz and labels/CASE.nii.gz, or see docs/training-data.md",
    )


def _list_folder(folder: Path, settings: DataSettings, volumes: tuple[str, ...]) -> tuple[list[Case], list[Problem]]:
    kind = layout_of(folder, settings)
    if kind == "arrays":
        return arrays(folder, settings)
    if kind == "files":
        return layouts.files(folder, settings)
    if kind == "decathlon":
        return described.decathlon(folder, settings)
    if kind == "nnunet":
        return described.nnunet(folder, settings)
    if kind == "case_folders":
        return layouts.case_folders(folder, settings, volumes)
    return layouts.pairs(folder, settings) if kind == "pairs" else layouts.folders(folder, settings)


def _unique(cases: Sequence[Case]) -> tuple[list[Case], list[Problem]]:
    seen: dict[str, Case] = {}
    problems = []
    for case in cases:
        if case.name in seen:
            what = f"two cases are called {case.name} (also {seen[case.name].image})"
            problems.append(Problem(case.image, what, "rename one"))
        else:
            seen[case.name] = case
    return list(seen.values()), problems


def _split_problems(cases: list[Case], config: Config) -> list[Problem]:
    patients = {case.patient for case in cases}
    return [
        Problem(
            config.data[0],
            f"no case belongs to patient {name!r} of split.{key}",
            f"correct it; patients here: {listed(patients, 20)}",
        )
        for key in ("hold_out", "validate_on")
        for name in getattr(config.split, key)
        if name not in patients
    ]


def _alike(cases: Sequence[Case]) -> list[Problem]:
    """Patients whose names differ only in letters' case, separators or leading zeros: most likely one person."""
    spellings: dict[tuple, dict[str, Case]] = defaultdict(dict)
    for case in cases:
        parts = re.findall(r"\d+|[^\W\d_]+", case.patient)
        key = tuple(str(int(p)) if p.isdecimal() else p.casefold() for p in parts)
        spellings[key or (case.patient,)].setdefault(case.patient, case)
    return [
        Problem(
            next(iter(same.values())).image,
            f"the patients {listed(same)} look like one under several names, and could come into different folds",
            "spell them alike, or name them clearly apart in a patients file",
        )
        for same in spellings.values()
        if len(same) > 1
    ]
