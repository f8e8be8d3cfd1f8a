"""A training from its configuration to its evaluation: what ``medseg train`` does."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from medseg.errors import Cancelled, InputError
from medseg.metrics import summarise

from .cases import LoadedCase, fingerprint, list_cases, load_case
from .checkpoint import load_checkpoint
from .config import Config
from .display import Display
from .interruption import gentle_stop
from .rundir import RunDirectory
from .split import PatientSplit, split_patients
from .store import build_store
from .trainer import Trainer
from .validation import CaseFigures, evaluate_cases, mean_over_patients


def train(config: Config, run_path: str | Path, *, fresh: bool | None = None, quiet: bool = False) -> dict[str, Any]:
    """Train, evaluate on validation and held-out patients, and return what ``--json`` prints.

    ``fresh`` true discards a former run in ``run_path``, false insists on one, None goes on where there is one.
    Raises InputError for bad data or a run of other settings, Cancelled when asked to stop (the state is kept).
    """
    run = RunDirectory(run_path)
    if fresh is False and not run.begun:
        raise InputError("there is no run to go on with", file=run.path, mend="leave out --resume")
    if fresh:
        run.clear()
    resuming = run.begun
    if resuming:
        run.check_same(config)
    run.create()
    display = Display(run.log, quiet)
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    cases = load_all(config, display)
    split = split_patients([c.case for c in cases], config.split)
    _write_down(run, config, split, cases, resuming)
    by_part = {
        part: [c for c in cases if c.case.name in getattr(split, part)]
        for part in ("training", "validation", "hold_out")
    }
    store = build_store(by_part["training"], config.draft, config.seed)
    with gentle_stop() as stop:
        trainer = Trainer(config, config.draft, store, by_part["validation"], run, display, stop)
        if resuming:
            trainer.load_state_dict(load_checkpoint(run.last))
            run.trim_metrics(trainer.step)
        display.line(_first_line(trainer, split, resuming))
        try:
            with display.training():
                trainer.train()
            steps, minutes, cpu_minutes = trainer.step, trainer.elapsed_s / 60, trainer.cpu_s / 60
            evaluation = _evaluate(trainer, run, by_part, display)
        except Cancelled:
            display.line(f"stopped after step {trainer.step}; the same command goes on from there (run: {run.path})")
            raise
    return {
        "run": str(run.path),
        "steps": steps,
        "minutes": minutes,
        "cpu_minutes": cpu_minutes,
        "split_sha256": split.sha256,
        **evaluation,
    }


def load_all(config: Config, display: Display) -> list[LoadedCase]:
    """Read every case. Raises InputError with the first thing that is wrong, and says how much more there is."""
    cases, problems = list_cases(config)
    loaded = []
    for case in cases:
        one, more = load_case(case, config)
        problems += more
        if one is not None:
            loaded.append(one)
    fatal = [p for p in problems if p.fatal]
    for problem in problems:
        if not problem.fatal:
            display.line(problem.line())
    if fatal:
        others = f" ({len(fatal) - 1} more: medseg train CONFIG --check)" if len(fatal) > 1 else ""
        raise InputError(fatal[0].what, file=fatal[0].file, mend=fatal[0].mend + others)
    return loaded


def _write_down(
    run: RunDirectory, config: Config, split: PatientSplit, cases: Sequence[LoadedCase], resuming: bool
) -> None:
    data = [fingerprint(case, config) for case in cases]
    if resuming:
        if json.loads(run.split.read_text(encoding="utf-8"))["sha256"] != split.sha256:
            raise InputError(
                "the cases or their split have changed since the run was begun",
                file=run.split,
                mend="restore the data, or start again with --fresh",
            )
        if json.loads(run.data.read_text(encoding="utf-8")) != json.loads(json.dumps(data)):
            raise InputError(
                "a file of the data has changed since the run was begun",
                file=run.data,
                mend="restore the data, or start again with --fresh",
            )
    # Absolute, so that export finds the cases from wherever it is called.
    located = config.model_copy(update={"data": [folder.resolve() for folder in config.data]})
    run.write_text(run.config, located.to_yaml())
    run.write_json(run.split, split.to_dict())
    run.write_json(run.data, data)


def _first_line(trainer: Trainer, split: PatientSplit, resuming: bool) -> str:
    million = sum(p.numel() for p in trainer.network.parameters()) / 1e6
    begin = f"going on from step {trainer.step}" if resuming else "training"
    height, width = trainer.store.shape
    return (
        f"{begin}: {len(split.training)} cases ({len(trainer.store.images)} slices of {height}×{width}), "
        f"{len(split.validation)} validate, {len(split.hold_out)} held out; {million:.2f} M parameters, "
        f"{trainer.precision}, {torch.get_num_threads()} threads; run {trainer.run.path}"
    )


def _evaluate(
    trainer: Trainer, run: RunDirectory, by_part: dict[str, list[LoadedCase]], display: Display
) -> dict[str, Any]:
    """Validation and held-out patients with the network that is exported: the best epoch's, or the last one's."""
    chosen = "best" if run.best.is_file() else "last"
    trainer.load_state_dict(load_checkpoint(run.best if chosen == "best" else run.last))
    by = "validation patients" if chosen == "best" else "end of run"
    result: dict[str, Any] = {"checkpoint": chosen, "chosen_by": by}
    for part in ("validation", "hold_out"):
        if not by_part[part]:
            continue
        figures = evaluate_cases(trainer.deployed, trainer.card, by_part[part], trainer.stop)
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
