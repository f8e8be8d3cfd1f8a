"""A cross-validation from its configuration to one model file: what ``medseg crossval`` does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from medseg.errors import InputError
from medseg.io import atomic_path

from ..config import Config, Split, parse_config
from .devices import Slot, make_slots, parse_devices, threads_for
from .display import Folds
from .place import FoldPlace, Place, only_one
from .plan import Plan, make_plan
from .pool import run_folds
from .settings import CrossValidation

#: What may differ when a cross-validation is taken up again: it changes how fast, or is decided after the training.
FREE_TO_CHANGE = ("run", "threads", "device", "compile", "storage", "cache", "mlflow", "crossval", "data")


def crossvalidate(
    config: Config,
    path: str | Path,
    *,
    jobs: int | None = None,
    devices: str | None = None,
    fresh: bool | None = None,
    quiet: bool = False,
    ensemble: bool = True,
) -> dict[str, Any]:
    """Train all folds, judge every patient by the model that had not seen it, and write the ensemble.

    Parameters
    ----------
    config, path : what to do, and the directory for it.
    jobs, devices : folds at once, and where: ``cpu``, or ``cuda:0,cuda:1``; one on each device where None.
    ensemble : write the ensemble's files; `medseg export` does so later too.
    fresh : true discards what is in the directory, false insists on something being there, None goes on where it can.

    Returns what ``--json`` prints. Raises InputError for bad data, other settings than before, or where a fold failed;
    KeyboardInterrupt and Cancelled end all folds and keep their states.
    """
    place = Place(path)
    if fresh is False and not place.begun:
        raise InputError("there is nothing to go on with", file=place.path, mend="leave out --resume")
    place.create()
    with only_one(place.lock):
        if fresh:
            place.clear()
        plan = _take_up(config, place)
        slots = make_slots(parse_devices(devices, config.device), jobs)
        threads = threads_for(config.threads, config.deterministic, len(slots))
        places = [place.fold(n) for n in range(len(plan.folds))]
        display = Folds(places, [len(fold) for fold in plan.folds], config.budget, place.log, quiet)
        done = sum(p.finished for p in places)
        where = ", ".join(dict.fromkeys(slot.label for slot in slots))
        display.line(
            f"{len(places)} folds of {sum(map(len, plan.folds))} patients, {done} done before; {len(slots)} at once on "
            f"{where}, {threads} thread{'s' * (threads > 1)} each; {place.path}"
        )

        def prepare(fold: FoldPlace, slot: Slot) -> None:
            prepare_fold(fold, config, plan, slot.device, threads)

        with display.showing():
            failures = run_folds(places, slots, prepare, display.look)
        if failures:
            first = min(failures, key=lambda f: f.number)
            names = ", ".join(str(f.number) for f in sorted(failures, key=lambda f: f.number))
            which = f"fold {names} of {len(places)} failed" if len(failures) == 1 else f"folds {names} failed"
            raise InputError(
                f"{which}: {first.reason}",
                file=place.fold(first.number).console,
                mend="mend it; the same command goes on, and what is done is kept",
            )
        from .finish import finish

        return finish(config, plan, place, display, ensemble=ensemble)


def _take_up(config: Config, place: Place) -> Plan:
    """The plan, written down or found the same as before. Raises InputError where it is not."""
    plan = make_plan(config)
    located = config.model_copy(update={"data": [folder.resolve() for folder in config.data]})
    if place.begun:
        same_as_before(config, plan, place)
    write_text(place.config, located.to_yaml())
    write_text(place.folds, json.dumps(plan.to_dict(), indent=1) + "\n")
    return plan


def same_as_before(config: Config, plan: Plan, place: Place) -> None:
    """Raise InputError where what was begun in ``place`` has other folds or settings."""
    before = json.loads(place.folds.read_text(encoding="utf-8"))
    if before["sha256"] != plan.sha256:
        raise InputError(
            "the cases or their folds have changed since this was begun",
            file=place.folds,
            mend="restore data and split, choose another --run, or start again with --fresh",
        )
    import yaml

    old = parse_config(yaml.safe_load(place.config.read_text(encoding="utf-8")), place.config)
    was, now = old.model_dump(mode="json"), config.model_dump(mode="json")
    changed = [key for key in now if key not in FREE_TO_CHANGE and now[key] != was[key]]
    if changed:
        raise InputError(
            f"this was begun with other settings ({', '.join(changed)})",
            file=place.path,
            mend="go on with the old settings, choose another --run, or start again with --fresh",
        )


def prepare_fold(fold: FoldPlace, config: Config, plan: Plan, device: str, threads: int) -> None:
    """Write the configuration of one fold: its patients are held out, so that nothing in its training sees them."""
    held = [*plan.folds[fold.number], *plan.hold_out]
    changes = {
        "data": [folder.resolve() for folder in config.data],
        # An inner share of the training patients may choose the epoch; the fold's own never do.
        "split": Split(hold_out=held, validation=config.split.validation, seed=config.split.seed),
        "crossval": CrossValidation(),
        "device": device,
        "threads": threads,
        "run": None,
    }
    fold.path.mkdir(parents=True, exist_ok=True)
    write_text(fold.config, config.model_copy(update=changes).to_yaml())
    write_text(fold.judged, json.dumps(plan.cases(fold.number)) + "\n")


def write_text(path: Path, text: str) -> None:
    """Whole or absent."""
    with atomic_path(path) as temporary:
        Path(temporary).write_text(text, encoding="utf-8")
