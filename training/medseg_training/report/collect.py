"""What runs left behind, read into one shape: a single run, or a folder of folds taken as one."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medseg.card import PostProcessing
from medseg.errors import InputError

from ..crossval.choose import Choice
from ..crossval.place import Place
from ..rundir import RunDirectory

#: Names of the parts of a split, as people say them.
PARTS = {"validation": "validation", "hold_out": "held out"}


@dataclass(frozen=True)
class CaseRow:
    """Figures of one case: ``figures[label value][name]``, NaN where there is none."""

    case: str
    patient: str
    part: str
    run: Path
    figures: dict[int, dict[str, float]]


@dataclass(frozen=True)
class Training:
    """One line of a comparison: a run, or the folds of a cross-validation together.

    Attributes
    ----------
    name : of the directory, as people know it.
    runs : directories of runs; several are folds.
    labels : names by label value.
    curves : for each run the lines of its metrics.jsonl.
    rows : cases that were judged; a case judged twice in the same part stands once.
    chosen_by : what chose the checkpoint that was judged.
    folds_sha256 : of who is in which fold, where this is a cross-validation.
    choices : for each run how its probabilities became labels, where that was chosen and is not what the card says.
    """

    name: str
    runs: tuple[Path, ...]
    labels: dict[int, str]
    curves: dict[str, list[dict[str, Any]]]
    rows: list[CaseRow]
    chosen_by: str
    notes: list[str] = field(default_factory=list)
    folds_sha256: str = ""
    choices: dict[Path, Choice] = field(default_factory=dict)

    def part(self, name: str) -> list[CaseRow]:
        """Cases of a part of the split."""
        return [row for row in self.rows if row.part == name]

    def by_patient(self, part: str, label: int, figure: str) -> dict[str, float]:
        """Mean over a patient's cases; patients without a figure are left out."""
        values: dict[str, list[float]] = {}
        for row in self.part(part):
            value = row.figures[label][figure]
            if not math.isnan(value):
                values.setdefault(row.patient, []).append(value)
        return {patient: sum(each) / len(each) for patient, each in sorted(values.items())}


def read_training(path: str | Path) -> Training:
    """Read a run directory, or a folder whose subfolders are runs (the folds of a cross-validation).

    Of a cross-validation, each patient by the fold that had not seen it, decided as that fold's results say. Raises
    InputError where there is no finished run.
    """
    path = Path(path)
    runs = _runs(path)
    place = Place(path)
    if place.begun:
        return _cross_validation(place, runs)
    rows: list[CaseRow] = []
    curves, labels, chosen, notes = {}, {}, set(), []
    for run in runs:
        directory = RunDirectory(run)
        config = directory.read_config()
        labels = {label.value: label.name for label in config.draft.output.labels}
        curves[run.name] = _lines(directory.metrics)
        if not directory.evaluation.is_file():
            notes.append(f"{run.name} has not ended yet; its curves are shown, its cases are not")
            continue
        evaluation = json.loads(directory.evaluation.read_text(encoding="utf-8"))
        chosen.add(evaluation["chosen_by"])
        rows += [
            CaseRow(case["case"], case["patient"], part, run, _figures(case["labels"]))
            for part in PARTS
            for case in evaluation.get(part, {}).get("cases", ())
        ]
    rows, again = _once(rows)
    if again:
        notes.append(
            f"{again} held-out cases were judged by every fold; the figures here are those of the first fold "
            "(the ensemble's stand in the cross-validation's own summary)"
        )
    return Training(
        path.name or path.resolve().name, tuple(runs), labels, curves, rows, ", ".join(sorted(chosen)), notes
    )


def expand(paths: Sequence[str | Path]) -> list[Path]:
    """Folders of several cross-validations (variants of one configuration) as one path each, in their order."""
    found: list[Path] = []
    for path in map(Path, paths):
        inside = sorted(file.parent for file in path.glob("*/folds.json")) if not Place(path).begun else []
        told = path / "comparison.json"
        if inside and told.is_file():
            order = json.loads(told.read_text(encoding="utf-8"))["variants"]
            inside.sort(key=lambda folder: order.index(folder.name) if folder.name in order else len(order))
        found += inside or [path]
    return found


def _cross_validation(place: Place, runs: Sequence[Path]) -> Training:
    """The folds together: only patients of the folds count, not those that every fold was kept from."""
    plan = json.loads(place.folds.read_text(encoding="utf-8"))
    parts = [
        read_training(place.fold(number).path)
        for number in range(len(plan["folds"]))
        if place.fold(number).path in runs
    ]
    rows = [row for number, one in enumerate(parts) for row in one.rows if row.patient in plan["folds"][number]]
    notes = [note for one in parts for note in one.notes]
    choices: dict[Path, Choice] = {}
    if place.results.is_file():
        results = json.loads(place.results.read_text(encoding="utf-8"))
        rows = [
            CaseRow(case["case"], case["patient"], "hold_out", place.fold(case["fold"]).path, _figures(case["labels"]))
            for case in results["cases"]
        ]
        for number, chosen in results["choice"]["nested"].items():
            threshold = chosen.pop("threshold")
            choices[place.fold(int(number)).path] = Choice(threshold, PostProcessing(**chosen))
    if plan["hold_out"]:
        notes.append(
            f"{len(plan['hold_out'])} more patients were kept out of all folds and are not among these; "
            "the ensemble's figures for them stand in results.json"
        )
    every = {name: lines for one in parts for name, lines in one.curves.items()}
    chosen_by = ", ".join(sorted({one.chosen_by for one in parts if one.chosen_by}))
    name = place.path.name or place.path.resolve().name
    return Training(name, tuple(runs), parts[0].labels, every, rows, chosen_by, notes, plan["sha256"], choices)


def _runs(path: Path) -> list[Path]:
    if (path / "config.yaml").is_file() and (path / "metrics.jsonl").is_file():
        return [path]
    found = sorted(file.parent for file in path.glob("**/metrics.jsonl") if (file.parent / "config.yaml").is_file())
    if not found:
        raise InputError(
            "there is no run here (no metrics.jsonl beside a config.yaml)",
            file=path,
            mend="give the directory that medseg train or medseg crossval printed",
        )
    return found


def _lines(path: Path) -> list[dict[str, Any]]:
    lines = []
    for text in path.read_text(encoding="utf-8").splitlines():
        try:
            lines.append(json.loads(text))
        except ValueError:  # a torn last line of a run that was killed
            continue
    return lines


def _figures(labels: dict[str, dict[str, Any]]) -> dict[int, dict[str, float]]:
    return {
        int(value): {
            name: math.nan if number is None else float(number)
            for name, number in figures.items()
            if name != "note"
        }
        for value, figures in labels.items()
    }  # fmt: skip


def _once(rows: list[CaseRow]) -> tuple[list[CaseRow], int]:
    seen: dict[tuple[str, str], CaseRow] = {}
    for row in rows:
        seen.setdefault((row.part, row.case), row)
    return list(seen.values()), len(rows) - len(seen)
