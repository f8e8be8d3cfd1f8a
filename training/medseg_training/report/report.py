"""From runs to the report."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from medseg.errors import InputError
from medseg.io import atomic_path
from medseg.metrics import summarise_values
from medseg.version import __version__

from ..rundir import RunDirectory
from . import page, plots, side_by_side
from .collect import Training, expand, read_training
from .compare import compare
from .differences import augmentation_of
from .figures import FIRST, digits_of, heading
from .patients import best_and_worst, certainty, patients
from .predictions import Prediction, predict

#: What chose the checkpoint, as a run writes it down, for a reader.
_CHOSEN = {"end of run": "the last one", "validation patients": "the one that was best on the validation patients"}


def write_report(
    paths: Sequence[str | Path],
    out: str | Path,
    *,
    predictions: bool = True,
    pictures: int = 3,
    progress: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """Write one HTML file about one or several trainings; the first is the one that others are compared with.

    Parameters
    ----------
    paths : run directories, folders of folds, or folders of variants (each of which is a training).
    predictions : run the networks over the judged cases once more, for ROC, calibration and pictures.
    pictures : how many best and worst cases to show.

    Probabilities and pictures are shown for the first training and the best one. Returns the figures of the first table
    by training and label, and the comparisons. Raises InputError.
    """
    trainings = [read_training(path) for path in expand(paths)]
    part = _part(trainings)
    labels = trainings[0].labels
    if any(t.labels.keys() != labels.keys() for t in trainings):
        raise InputError("the runs learned different labels", mend="compare runs of one task")
    shown = _looked_at(trainings, part)
    seen: dict[str, dict[str, Prediction]] = {}
    for training in shown if predictions else ():
        for run in training.runs:
            wanted = {row.case for row in training.part(part) if row.run == run}
            if wanted:
                tell = partial(_tell, progress, training.name)
                seen.setdefault(training.name, {}).update(predict(run, wanted, tell, training.choices.get(run)))
    sections = [
        *(side_by_side.what_was_compared(trainings, part) if len(trainings) > 1 else ()),
        *_first_glance(trainings, part),
        *(side_by_side.comparison(trainings, part) if len(trainings) > 1 else ()),
        *patients(trainings, part),
    ]
    for training in shown:
        if training.name in seen:
            sections += certainty(training, seen[training.name])
            sections += best_and_worst(training, part, seen[training.name], pictures)
    sections += [*_curves(trainings), *_how(trainings)]
    with atomic_path(Path(out)) as temporary:
        text = page.page(_title(trainings), _notices(trainings, part), sections)
        temporary.write_text(text, encoding="utf-8")
    return {
        "file": str(out),
        "part": part,
        "trainings": {t.name: {labels[v]: _summary(t, part, v) for v in labels} for t in trainings},
        "comparisons": {
            labels[v]: {name: [asdict(c) for c in compare(trainings, part, v, name)] for name in side_by_side.TESTED}
            for v in labels
        },
    }


def _tell(progress: Callable[[str], None], training: str, case: str) -> None:
    progress(f"{training}: looking at {case}")


def _title(trainings: Sequence[Training]) -> str:
    labels = ", ".join(trainings[0].labels.values())
    names = [t.name for t in trainings]
    if len(names) == 1:
        return f"Training report: {names[0]} ({labels})"
    listed = f"{', '.join(names[:-1])} and {names[-1]}" if len(names) < 5 else f"{len(names)} trainings"
    return f"Training report: {listed} compared ({labels})"


def _looked_at(trainings: Sequence[Training], part: str) -> list[Training]:
    """The training that others are compared with, and the best one if that is another: mean Dice over the labels."""

    def score(training: Training) -> float:
        each = [summarise_values(list(training.by_patient(part, v, "dice").values())).mean for v in training.labels]
        return sum(each) / len(each)

    best = max(trainings, key=score)
    return [trainings[0]] if best is trainings[0] else [trainings[0], best]


def _part(trainings: Sequence[Training]) -> str:
    for part in ("hold_out", "validation"):
        if all(t.part(part) for t in trainings):
            return part
    raise InputError(
        f"{trainings[0].name} has no judged cases",
        file=trainings[0].runs[0],
        mend="let the training end, and keep patients out of it (split.validation, split.hold_out or medseg crossval)",
    )


def _summary(training: Training, part: str, label: int) -> dict[str, Any]:
    return {name: summarise_values(list(training.by_patient(part, label, name).values())).as_dict() for name in FIRST}


def _notices(trainings: Sequence[Training], part: str) -> list[str]:
    notices = ["Research use only. Not for diagnosis or for planning a procedure."]
    configs = [RunDirectory(t.runs[0]).read_config() for t in trainings]
    if any(c.synthetic for c in configs):
        notices.append("Trained and judged on synthetic cases: nothing here says how good the model is on patients.")
    if part == "validation" and any("validation" in t.chosen_by for t in trainings):
        notices.append("The same patients chose the epoch and are judged here: these figures are optimistic.")
    folds = {t.folds_sha256 for t in trainings}
    if len(folds) > 1:
        notices.append(
            "These trainings were not made on the same folds: a difference between them may come from who was in which "
            "fold."
        )
    notes = [note if len(trainings) == 1 else f"{t.name}: {note}" for t in trainings for note in t.notes]
    return [*notices, *dict.fromkeys(notes)]


def _first_glance(trainings: Sequence[Training], part: str) -> list[str]:
    judged = {row.patient for t in trainings for row in t.part(part)}
    several = len(trainings[0].labels) > 1
    columns = ["training", *(["label"] if several else []), "patients", *(heading(name) for name in FIRST)]
    rows = []
    for training in trainings:
        for value, label in training.labels.items():
            cells = [training.name, *([label] if several else []), str(len(training.by_patient(part, value, "dice")))]
            for name in FIRST:
                spread = summarise_values(list(training.by_patient(part, value, name).values()))
                digits = digits_of(name)
                interval = f" ({spread.low:.{digits}f}–{spread.high:.{digits}f})" if spread.n > 1 else ""
                cells.append(f"{spread.mean:.{digits}f}{interval}" if spread.n else "–")
            rows.append(cells)
    return [
        page.heading("At a glance"),
        page.paragraph(
            f"Mean over {len(judged)} {_who(trainings, part)}. Whole cases in 3D at native spacing, as medseg segment "
            "would do it; in brackets the 95 % interval of the mean. Higher is better for Dice, clDice and NSD, lower "
            "for HD95; a volume difference of +5 % means that five percent too much was drawn."
        ),
        page.table(columns, rows),
        page.paragraph("What the words mean stands below the first table of patients.", small=True),
    ]


def _who(trainings: Sequence[Training], part: str) -> str:
    if part != "hold_out":
        return "validation patients"
    if all(t.folds_sha256 for t in trainings):
        return "patients, each judged by the network of the fold that had not seen it"
    return "patients kept out of training"


def _curves(trainings: Sequence[Training]) -> list[str]:
    return [page.heading("Curves"), *(page.drawing(plots.curves(t), t.name) for t in trainings)]


def _how(trainings: Sequence[Training]) -> list[str]:
    sections = [page.heading("How it was made")]
    for training in trainings:
        run = RunDirectory(training.runs[0])
        config = run.read_config()
        steps = [lines[-1]["step"] for lines in training.curves.values() if lines and "step" in lines[-1]]
        sections.append(
            page.facts(
                [
                    ("Training", training.name),
                    ("Cases", config.data_kind or "not said"),
                    ("Runs", ", ".join(path.name for path in training.runs)),
                    ("Network", ", ".join([config.network.name, *_arguments(config.network.arguments)])),
                    ("Steps", f"{_range(steps)} of {config.sampling.batch_size} slices"),
                    ("Checkpoint judged", _CHOSEN.get(training.chosen_by, training.chosen_by or "not said")),
                    ("Augmentation", augmentation_of(config)),
                    ("Threshold and post-processing", _decided(training)),
                    ("Software", f"medseg {__version__}"),
                ]
            )
        )
    return sections


def _arguments(arguments: Mapping[str, Any]) -> list[str]:
    return [f"{k} {'-'.join(map(str, v)) if isinstance(v, (list, tuple)) else v}" for k, v in arguments.items()]


def _range(numbers: Sequence[int]) -> str:
    if not numbers:
        return "–"
    low, high = min(numbers), max(numbers)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _decided(training: Training) -> str:
    said = dict.fromkeys(choice.words() for choice in training.choices.values())
    if not said:
        return "as the card says"
    return f"{'; '.join(said)}{' (each fold as the other folds chose)' if len(said) > 1 else ''}"
