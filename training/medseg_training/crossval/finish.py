"""After the last fold: choose, judge, export, and meet the held-out patients once."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from medseg.card import ModelCard
from medseg.errors import InputError
from medseg.metrics import Summary, evaluate_labels
from medseg.models import open_model
from medseg.models.detect import Format
from medseg.pipeline import segment

from ..config import Config, parse_config
from ..data import list_cases, load_case
from ..export import parity_slices
from ..export_files import ExportedFile, targets_of, write_files
from ..validation import CaseFigures
from .choose import Chosen, choose_nested
from .display import Folds
from .ensemble import build_ensemble, ensemble_card
from .outcome import MAIN, figures_of, summaries, write_table
from .place import Place
from .plan import Plan
from .run import write_text
from .scores import Judged, load_scores


def finish(config: Config, plan: Plan, place: Place, display: Folds, *, ensemble: bool = True) -> dict[str, Any]:
    """Everything that needs all folds; returns what ``--json`` prints and ``results.json`` holds.

    Without ``ensemble`` its files are written only where held-out patients are to be judged by it.
    """
    cases = read_judged(plan, place)
    chosen = choose_nested(cases, config.draft, config.crossval)
    figures = figures_of(cases, chosen.nested, config.draft)
    summary = summaries(figures, config.draft)
    folds = {case.case: case.fold for case in cases}
    write_table(place.table, figures, folds, config.draft)
    _tell(figures, folds, summary, chosen, config.draft, display)
    files: list[ExportedFile] = []
    if ensemble or plan.hold_out:
        files, _ = export_ensemble(config, plan, place, chosen, summary, targets_of(place.ensemble))
        megabytes = files[0].bytes / 1e6
        display.line(
            f"ensemble: {place.ensemble}, {megabytes:.1f} MB; it costs {len(plan.folds)} times the time of one model"
        )
    result = {
        "run": str(place.path),
        "folds": len(plan.folds),
        "split_sha256": plan.sha256,
        "figures": "out of fold; threshold and post-processing of each fold chosen on the other folds",
        "choice": {
            "final": chosen.final.as_dict(),
            "nested": {str(k): c.as_dict() for k, c in chosen.nested.items()},
            "score_as_given": chosen.given_score,
            "score_of_final_on_itself": chosen.final_score,
        },
        "summary": {str(v): s.as_dict() for v, s in summary.items()},
        "cases": [_case(case, folds[case.case]) for case in figures],
        "ensemble": {"members": len(plan.folds), "files": [file.as_dict() for file in files]},
    }
    held = judge_hold_out(config, plan, place, display)
    if held:
        result["hold_out"] = {
            "summary": {str(v): s.as_dict() for v, s in summaries(held, config.draft).items()},
            "cases": [_case(case, None) for case in held],
        }
    write_text(place.results, json.dumps(finite(result), indent=1) + "\n")
    return result


def read_judged(plan: Plan, place: Place) -> list[Judged]:
    """Out-of-fold probabilities of every case."""
    return [
        load_scores(place.fold(number).scores(case), case, plan.patients[case], number)
        for number in range(len(plan.folds))
        for case in plan.cases(number)
    ]


def export_ensemble(
    config: Config,
    plan: Plan,
    place: Place,
    chosen: Chosen,
    summary: dict[int, Summary],
    targets: Mapping[Format, Path],
) -> tuple[list[ExportedFile], ModelCard]:
    """Write the ensemble in the formats of ``targets``."""
    network, member = build_ensemble(place, len(plan.folds))
    card = ensemble_card(member, network, config, plan, place, chosen, summary)
    return write_files(network, card, targets, parity_slices(config, card)), card


def export_crossval(path: str | Path, targets: Mapping[Format, Path]) -> tuple[list[ExportedFile], ModelCard]:
    """Write the ensemble of a finished cross-validation again, under another name or in other formats."""
    place = Place(path)
    config = parse_config(yaml.safe_load(place.config.read_text(encoding="utf-8")), place.config)
    stored = json.loads(place.folds.read_text(encoding="utf-8"))
    plan = Plan(
        tuple(tuple(fold) for fold in stored["folds"]),
        stored["patients"],
        tuple(stored["hold_out"]),
        stored["seed"],
        stored["strata"],
    )
    waiting = [n for n in range(len(plan.folds)) if not place.fold(n).finished]
    if waiting:
        raise InputError(
            f"fold {waiting[0]} is not done", file=place.path, mend="run medseg crossval to its end, then export"
        )
    cases = read_judged(plan, place)
    chosen = choose_nested(cases, config.draft, config.crossval)
    summary = summaries(figures_of(cases, chosen.nested, config.draft), config.draft)
    return export_ensemble(config, plan, place, chosen, summary, targets)


def judge_hold_out(config: Config, plan: Plan, place: Place, display: Folds) -> list[CaseFigures]:
    """Figures of the ensemble on patients that were in no fold, through the exported file."""
    if not plan.hold_out:
        return []
    found = []
    values = [label.value for label in config.draft.output.labels]
    with open_model(place.ensemble, backend="onnxruntime", device="cpu") as model:
        for case in list_cases(config)[0]:
            if case.patient not in plan.hold_out:
                continue
            loaded, problems = load_case(case, config)
            if loaded is None:
                fatal = next(p for p in problems if p.fatal)
                raise InputError(fatal.what, file=fatal.file, mend=fatal.mend)
            labels = segment(list(loaded.images), model).labels.array
            i, j, k = loaded.image.spacing
            agreement = evaluate_labels(labels, loaded.labels.array, (k, j, i), values)
            found.append(CaseFigures(case.name, case.patient, agreement))
            for label in config.draft.output.labels:
                one = agreement[label.value]
                display.line(f"held out {case.name}  {label.name}: Dice {one.dice:.4f}  clDice {one.cldice:.4f}")
    return found


def _tell(
    figures: Sequence[CaseFigures],
    folds: dict[str, int],
    summary: dict[int, Summary],
    chosen: Chosen,
    card: ModelCard,
    display: Folds,
) -> None:
    for case in figures:
        for label in card.output.labels:
            one = case.labels[label.value]
            if not one.counted:
                continue
            display.line(
                f"fold {folds[case.case]}  {case.case}  {label.name}: Dice {one.dice:.4f}  clDice {one.cldice:.4f}  "
                f"NSD {one.nsd_1mm:.4f}  HD95 {one.hd95_mm:.1f} mm"
            )
    for label in card.output.labels:
        spread = summary[label.value]
        parts = []
        for name in MAIN[:4]:
            figure = spread[name]
            interval = "" if math.isnan(figure.low) else f" ({figure.low:.3f} to {figure.high:.3f})"
            parts.append(f"{name} {figure.mean:.3f}{interval}")
        display.line(f"out of fold, {spread.counted} patients, {label.name}: {', '.join(parts)}")
    display.line(f"for the card, chosen on all folds: {chosen.final.words()}")


def _case(case: CaseFigures, fold: int | None) -> dict[str, Any]:
    labels = {str(value): agreement.as_dict() for value, agreement in case.labels.items()}
    return {"case": case.case, "patient": case.patient, "fold": fold, "labels": labels}


def finite(data: Any) -> Any:
    """JSON knows no NaN: null instead."""
    if isinstance(data, dict):
        return {key: finite(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [finite(value) for value in data]
    if isinstance(data, float) and not math.isfinite(data):
        return None
    return str(data) if isinstance(data, Path) else data
