"""``load_case``: a case with its voxels, or the reasons why it cannot be trained on."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from medseg.errors import InputError
from medseg.io import MedSegWarning, SpacingAssumedWarning

from .blocks import cut
from .case import Case, LoadedCase, Problem
from .checks import choose_channels, image_problems
from .geometry import fit_reference
from .label_values import map_labels

if TYPE_CHECKING:
    from ..config import Config


def load_case(case: Case, config: Config) -> tuple[LoadedCase | None, list[Problem]]:
    """Read a case and say what is wrong with it; None where it cannot be trained on."""
    problems: list[Problem] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", MedSegWarning)
        loaded = _load(case, config, problems)
    return loaded, [*problems, *_from_warnings(case, caught)]


def _load(case: Case, config: Config, problems: list[Problem]) -> LoadedCase | None:
    card = config.draft
    try:
        channels = case.reader.read_images(case.images, case.name)
    except InputError as error:
        problems.append(_unreadable(case.image, error))
        return None
    images, problem = choose_channels(case, channels, card.input.volumes, config.channels)
    if problem is not None:
        problems.append(problem)
        return None
    del channels  # those that nobody asked for need not stay in memory
    try:
        labels = case.reader.read_labels(case.labels, case.name)
    except InputError as error:
        problems.append(_unreadable(case.labels, error))
        return None
    images, labels = [cut(image, case.slab) for image in images], cut(labels, case.slab)
    problems += image_problems(case, images, card)
    labels, found = fit_reference(case, images[0], labels)
    problems += found
    mapped, found = map_labels(case.labels, labels.array, config)
    problems += found
    if any(p.fatal for p in problems):
        return None
    # A reference that agrees within a voxel's rounding takes the image's exact grid.
    return LoadedCase(case, tuple(images), images[0].with_array(mapped))


def _unreadable(file: Path, error: InputError) -> Problem:
    if "series:" in error.what:  # the engine asks for a choice that a folder of many cases cannot make
        return Problem(file, error.what, "keep one series in the folder of each case")
    return Problem(Path(error.file) if error.file else file, error.what, error.mend or "replace the file")


def _from_warnings(case: Case, caught: list[warnings.WarningMessage]) -> list[Problem]:
    """What the engine warned of, as lines of the check. Missing voxel sizes are told once for all cases (`cohort`)."""
    problems = []
    for warning in caught:
        if not issubclass(warning.category, MedSegWarning):
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
        elif not issubclass(warning.category, SpacingAssumedWarning):
            text = str(warning.message)
            file = next((f for f in (*case.images, case.labels) if text.startswith(f"{f}: ")), case.image)
            what, _, mend = text.removeprefix(f"{file}: ").rpartition("; ")
            problems.append(Problem(file, what or mend, mend if what else "look at the file", fatal=False))
    return problems
