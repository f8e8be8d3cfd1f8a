"""What runs left behind, read into one shape: a single run, or a folder of folds taken as one."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medseg.errors import InputError

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
    """

    name: str
    runs: tuple[Path, ...]
    labels: dict[int, str]
    curves: dict[str, list[dict[str, Any]]]
    rows: list[CaseRow]
    chosen_by: str
    notes: list[str] = field(default_factory=list)

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

    Raises InputError where there is no finished run.
    """
    path = Path(path)
    runs = _runs(path)
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
