"""Cross-validations that differ in one thing: the same patients, folds, seeds and steps, and one report of them all.

``variants`` of a configuration names them, and what each has instead: an augmentation each is the laboratory's table.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml
from medseg.cli.common import errors
from medseg.errors import InputError, MedSegError

from ..config import Config, parse_config
from .place import Place, only_one


def crossvalidate_variants(
    config: Config,
    path: str | Path,
    *,
    jobs: int | None = None,
    devices: str | None = None,
    fresh: bool | None = None,
    quiet: bool = False,
) -> dict[str, Any]:
    """Cross-validate every variant in a folder of its own below ``path``, one after the other, then compare them.

    Arguments as of `crossvalidate`. What is finished is not done again. Writes ``report.html`` and ``comparison.json``,
    but no ensembles (`medseg export` of a variant's folder does, unless patients are held out of all folds).
    Raises InputError for bad data, other folds or settings than before, or where a variant failed (the others go on).
    """
    from .run import crossvalidate

    root, configs = Path(path), config.each_variant()
    places = {name: Place(root / name) for name in configs}
    _refuse_others(root, places, config, fresh)
    say: Callable[[str], None] = (lambda text: None) if quiet else lambda text: errors.print(text, markup=False)
    failed: dict[str, MedSegError] = {}
    with only_one(root / ".lock"):
        if fresh:
            for place in places.values():
                place.clear()
        _same_folds(places, config)
        for number, (name, each) in enumerate(configs.items(), start=1):
            if _done(places[name], each):
                say(f"variant {number} of {len(configs)}, {name}: done before")
                continue
            say(f"variant {number} of {len(configs)}, {name}")
            try:
                crossvalidate(each, places[name].path, jobs=jobs, devices=devices, quiet=quiet, ensemble=False)
            except InputError as error:
                failed[name] = error
                say(f"{name} failed: {error.what}")
        if failed:
            name, first = next(iter(failed.items()))
            raise InputError(
                f"{len(failed)} of {len(configs)} variants failed, first {name}: {first.what}",
                file=first.file or places[name].path,
                mend="mend it; the same command goes on, and what is done is kept",
            )
        return _compare(root, places, say)


def _refuse_others(root: Path, places: Mapping[str, Place], config: Config, fresh: bool | None) -> None:
    if Place(root).begun:
        raise InputError("a cross-validation without variants lies here", file=root, mend="choose another --run")
    if fresh is False and not any(place.begun for place in places.values()):
        raise InputError("there is nothing to go on with", file=root, mend="leave out --resume")
    Place(root).create()


def _same_folds(places: Mapping[str, Place], config: Config) -> None:
    """Raise InputError where a variant was begun with other folds or settings: before anything is trained."""
    from .plan import make_plan
    from .run import same_as_before

    plan = make_plan(config)
    for (name, place), each in zip(places.items(), config.each_variant().values(), strict=True):
        if place.begun:
            try:
                same_as_before(each, plan, place)
            except InputError as error:
                raise InputError(f"{name}: {error.what}", file=error.file, mend=error.mend) from None


def _done(place: Place, config: Config) -> bool:
    """Whether its results are there and follow from these settings."""
    from .run import FREE_TO_CHANGE

    if not place.results.is_file():
        return False
    before = parse_config(yaml.safe_load(place.config.read_text(encoding="utf-8")), place.config)
    # How folds are decided may change after the training, and is then decided again.
    passed_over = set(FREE_TO_CHANGE) - {"crossval"}
    was, now = (each.model_dump(mode="json", exclude=passed_over) for each in (before, config))
    return was == now


def _compare(root: Path, places: Mapping[str, Place], say: Callable[[str], None]) -> dict[str, Any]:
    from ..report.report import write_report
    from .finish import finite
    from .run import write_text

    report = write_report([place.path for place in places.values()], root / "report.html", progress=say)
    result = finite({"run": str(root), "variants": list(places), "report": report})
    write_text(root / "comparison.json", json.dumps(result, indent=1) + "\n")
    return result
