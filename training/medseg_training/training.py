"""A training from its configuration to its evaluation: what ``medseg train`` does."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from medseg.errors import Cancelled, InputError
from medseg.metrics import summarise

from .checkpoint import copy_checkpoint, load_checkpoint
from .config import Config
from .data import LoadedCase, list_cases, load_case
from .device import choose_device, name_of, numerics
from .display import Display
from .distributed import World, join_world
from .interruption import gentle_stop
from .journal import open_journal
from .loading import Cases, TrainingData, load_training, stop_at
from .locking import only_one
from .rundir import RunDirectory
from .split import PatientSplit
from .trainer import Trainer
from .validation import CaseFigures, evaluate_cases, mean_over_patients


def train(config: Config, run_path: str | Path, *, fresh: bool | None = None, quiet: bool = False) -> dict[str, Any]:
    """Train, evaluate on validation and held-out patients, and return what ``--json`` prints.

    ``fresh`` true discards a former run in ``run_path``, false insists on one, None goes on where there is one.
    Started by torchrun, all processes train together and all return the same.
    Raises InputError for bad data or a run of other settings, Cancelled when asked to stop (the state is kept).
    """
    run = RunDirectory(run_path)
    if fresh is False and not run.begun:
        raise InputError("there is no run to go on with", file=run.path, mend="leave out --resume")
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    with contextlib.ExitStack() as stack:
        world = stack.enter_context(join_world(config.device != "cpu" and torch.cuda.is_available()))
        device = choose_device(config.device, world.local_rank)
        if device.type == "cuda":
            torch.cuda.set_device(device)
        stack.enter_context(numerics(device, deterministic=config.deterministic))
        if world.first:
            _open(run, config, fresh, stack)
        resuming = world.tell(run.begun)
        display = Display(run.log if world.first else None, quiet or not world.first)
        data = _load(config, run, device, world, display)
        if world.first:
            _write_down(run, config, data.split, data.prints, resuming)
        stop = stack.enter_context(gentle_stop())
        trainer = Trainer(
            config,
            config.draft,
            data.store,
            data.validation,
            run,
            display,
            stop,
            device=device,
            world=world,
            resident=data.resident,
        )
        if resuming:
            _take_up(trainer, run, world)
        if world.first:
            trainer.journal = stack.enter_context(open_journal(config, run, trainer.step, display))
        display.line(_first_line(trainer, data, resuming))
        try:
            with display.training():
                trainer.train()
            done = {"steps": trainer.step, "minutes": trainer.elapsed_s / 60, "cpu_minutes": trainer.cpu_s / 60}
            world.wait()
            evaluation = world.tell(_evaluate(trainer, run, data, display) if world.first else None)
        except Cancelled:
            display.line(f"stopped after step {trainer.step}; the same command goes on from there (run: {run.path})")
            raise
        return {"run": str(run.path), **done, "split_sha256": data.split.sha256, **evaluation}


def _open(run: RunDirectory, config: Config, fresh: bool | None, stack: contextlib.ExitStack) -> None:
    """Make the directory ready for this process alone."""
    if not fresh and run.begun:
        run.check_same(config)
    run.create()
    stack.enter_context(only_one(run.path / ".lock"))
    if fresh:
        run.clear()
        run.create()
    run.sweep()


def _load(config: Config, run: RunDirectory, device: torch.device, world: World, display: Display) -> TrainingData:
    """The first process reads first: what it writes to the cache is there for the others."""
    if world.first:
        data = load_training(config, run.cache, device, display)
        world.wait()
        return data
    world.wait()
    return load_training(config, run.cache, device, display)


def _take_up(trainer: Trainer, run: RunDirectory, world: World) -> None:
    trainer.load_state_dict(load_checkpoint(run.last))
    if not world.first:
        return
    run.trim_metrics(trainer.step, trainer.line if trainer.ended == trainer.step else None)
    if trainer.best_step == trainer.ended == trainer.step > 0:
        copy_checkpoint(run.last, run.best)  # where the kill came between the two


def load_all(config: Config, display: Display) -> list[LoadedCase]:
    """Read every case. Raises InputError with the first thing that is wrong, and says how much more there is."""
    cases, problems = list_cases(config)
    loaded = []
    for case in cases:
        one, more = load_case(case, config)
        problems += more
        if one is not None:
            loaded.append(one)
    stop_at(problems)
    return loaded


def _write_down(
    run: RunDirectory, config: Config, split: PatientSplit, prints: Sequence[dict[str, Any]], resuming: bool
) -> None:
    if resuming:
        if json.loads(run.split.read_text(encoding="utf-8"))["sha256"] != split.sha256:
            raise InputError(
                "the cases or their split have changed since the run was begun",
                file=run.split,
                mend="restore the data, or start again with --fresh",
            )
        if json.loads(run.data.read_text(encoding="utf-8")) != json.loads(json.dumps(prints)):
            raise InputError(
                "a file of the data has changed since the run was begun",
                file=run.data,
                mend="restore the data, or start again with --fresh",
            )
    # Absolute, so that export finds the cases from wherever it is called.
    located = config.model_copy(update={"data": [folder.resolve() for folder in config.data]})
    run.write_text(run.config, located.to_yaml())
    run.write_json(run.split, split.to_dict())
    run.write_json(run.data, prints)


def _first_line(trainer: Trainer, data: TrainingData, resuming: bool) -> str:
    million = sum(p.numel() for p in trainer.network.parameters()) / 1e6
    begin = f"going on from step {trainer.step}" if resuming else "training"
    height, width = trainer.store.shape
    split, processes = data.split, f", {trainer.world.size} processes" if trainer.world.size > 1 else ""
    threads = f", {torch.get_num_threads()} threads" if trainer.device.type == "cpu" else ""
    return (
        f"{begin}: {len(split.training)} cases ({len(trainer.store)} slices of {height}×{width}), "
        f"{len(split.validation)} validate, {len(split.hold_out)} held out; {data.why}; {million:.2f} M parameters, "
        f"{trainer.precision} on {name_of(trainer.device)}{threads}{processes}; run {trainer.run.path}"
    )


def _evaluate(trainer: Trainer, run: RunDirectory, data: TrainingData, display: Display) -> dict[str, Any]:
    """Validation and held-out patients with the network that is exported: the best epoch's, or the last one's."""
    chosen = "best" if run.best.is_file() else "last"
    trainer.load_weights(load_checkpoint(run.best if chosen == "best" else run.last))
    by = "validation patients" if chosen == "best" else "end of run"
    result: dict[str, Any] = {"checkpoint": chosen, "chosen_by": by}
    parts: dict[str, Cases] = {"validation": data.validation, "hold_out": data.hold_out}
    for part, cases in parts.items():
        if not len(cases):
            continue
        figures = evaluate_cases(
            trainer.deployed, trainer.card, cases, trainer.stop, device=trainer.device, preparers=trainer.preparers
        )
        result[part] = _report(figures)
        name = part.replace("_", "-")
        for case in figures:
            for label in trainer.card.output.labels:
                one = case.labels[label.value]
                display.line(
                    f"{name} {case.case}  {label.name}: Dice {one.dice:.4f}  clDice {one.cldice:.4f}  "
                    f"HD95 {one.hd95_mm:.1f} mm"
                )
        for label in trainer.card.output.labels:
            dice, cldice = (mean_over_patients(figures, n)[label.value] for n in ("dice", "cldice"))
            display.line(f"{name} mean over patients  {label.name}: Dice {dice:.4f}  clDice {cldice:.4f}")
    run.write_json(run.evaluation, result)
    return result


def _report(figures: Sequence[CaseFigures]) -> dict[str, Any]:
    """Means over patients, spread over cases with a bootstrap interval, and every case."""
    values = list(figures[0].labels)
    return {
        "mean_over_patients": {
            name: {str(v): None if math.isnan(m) else m for v, m in mean_over_patients(figures, name).items()}
            for name in ("dice", "cldice")
        },
        "summary": {str(v): summarise([f.labels[v] for f in figures]).as_dict() for v in values},
        "cases": [
            {"case": f.case, "patient": f.patient, "labels": {str(v): a.as_dict() for v, a in f.labels.items()}}
            for f in figures
        ],
    }
