"""From runs to the report."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from medseg.errors import InputError
from medseg.io import atomic_path
from medseg.metrics import summarise_values
from medseg.version import __version__

from ..rundir import RunDirectory
from . import page, plots
from .certainty import Counts, best_threshold, calibration, precision_recall, roc
from .collect import PARTS, Training, read_training
from .compare import compare
from .predictions import Prediction, predict

#: What the table of patients shows: name in Agreement, heading, decimals.
FIGURES = (
    ("dice", "Dice", 3),
    ("iou", "IoU", 3),
    ("precision", "precision", 3),
    ("recall", "recall", 3),
    ("cldice", "clDice", 3),
    ("cldice_precision", "clDice precision", 3),
    ("cldice_sensitivity", "clDice sensitivity", 3),
    ("betti0_error", "parts, error", 1),
    ("nsd_1voxel", "NSD 1 voxel", 3),
    ("nsd_1mm", "NSD 1 mm", 3),
    ("hd95_mm", "HD95 (mm)", 1),
    ("assd_mm", "ASSD (mm)", 2),
    ("volume_difference_percent", "volume error (%)", 1),
)
#: The first glance.
FIRST = ("dice", "cldice", "nsd_1voxel", "hd95_mm", "volume_difference_percent")

SPREADS = (
    ("mean", "mean"),
    ("SD", "sd"),
    ("median", "median"),
    ("lower quartile", "q25"),
    ("upper quartile", "q75"),
    ("95 % interval, low", "low"),
    ("95 % interval, high", "high"),
)

WORDS = (
    ("Dice", "twice the overlap over the sum of both volumes: 1 is the same mask, 0 nothing in common"),
    ("clDice", "the same for centrelines: how much of the tree is found and how much of what is found is tree"),
    ("NSD", "share of both surfaces that lie within the tolerance of each other"),
    ("HD95, ASSD", "distance of the surfaces in mm: that which 95 % do not exceed, and the mean"),
    ("parts, error", "how many separate parts more or fewer than in the reference (Betti 0)"),
    ("95 % interval", "of the mean, 10,000 bootstrap draws over patients; it says nothing of other hospitals"),
    ("empty masks", "a missed structure scores Dice 0, NSD 0 and the image's diagonal; where both are empty the case "
     "is not counted"),
)  # fmt: skip


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
    paths : run directories, or folders of folds.
    predictions : run the networks over the judged cases once more, for ROC, calibration and pictures.
    pictures : how many best and worst cases to show.

    Returns the figures that the report's first table shows, by training, part and label. Raises InputError.
    """
    trainings = [read_training(path) for path in paths]
    part = _part(trainings)
    labels = trainings[0].labels
    if any(t.labels.keys() != labels.keys() for t in trainings):
        raise InputError("the runs learned different labels", mend="compare runs of one task")
    seen: dict[str, Prediction] = {}
    if predictions:
        for run in trainings[0].runs:
            wanted = {row.case for row in trainings[0].part(part) if row.run == run}
            seen |= predict(run, wanted, lambda name: progress(f"looking at {name}")) if wanted else {}
    title = " and ".join(t.name for t in trainings) if len(trainings) < 4 else f"{len(trainings)} trainings"
    sections = [
        *_first_glance(trainings, part),
        *(_comparison(trainings, part) if len(trainings) > 1 else ()),
        *_patients(trainings[0], part),
        *(_certainty(trainings[0], seen) if seen else ()),
        *(_best_and_worst(trainings[0], part, seen, pictures) if seen else ()),
        *_curves(trainings),
        *_how(trainings),
    ]
    with atomic_path(Path(out)) as temporary:
        text = page.page(f"Training report: {title}", _notices(trainings, part), sections)
        temporary.write_text(text, encoding="utf-8")
    return {
        "file": str(out),
        "part": part,
        "trainings": {t.name: {labels[v]: _summary(t, part, v) for v in labels} for t in trainings},
    }


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
    return [*notices, *(note for t in trainings for note in t.notes)]


def _first_glance(trainings: Sequence[Training], part: str) -> list[str]:
    patients = {row.patient for t in trainings for row in t.part(part)}
    columns = ["training", "label", "patients", *(_heading(name) for name in FIRST)]
    rows = []
    for training in trainings:
        for value, label in training.labels.items():
            cells = [training.name, label, str(len(training.by_patient(part, value, "dice")))]
            for name in FIRST:
                spread = summarise_values(list(training.by_patient(part, value, name).values()))
                digits = _digits(name)
                interval = f" ({spread.low:.{digits}f}–{spread.high:.{digits}f})" if spread.n > 1 else ""
                cells.append(f"{spread.mean:.{digits}f}{interval}" if spread.n else "–")
            rows.append(cells)
    said = "patients kept out of training" if part == "hold_out" else "validation patients"
    return [
        page.heading("At a glance"),
        page.paragraph(
            f"Mean over {len(patients)} {said}, in 3D at native spacing, as medseg segment would do it; "
            "in brackets the 95 % interval of the mean."
        ),
        page.table(columns, rows),
    ]


def _comparison(trainings: Sequence[Training], part: str) -> list[str]:
    sections = [
        page.heading("Side by side"),
        page.paragraph(
            f"Each training against {trainings[0].name} on the patients both have: mean difference, on how many "
            "patients it is better, and a paired Wilcoxon test, corrected after Holm for the number of trainings."
        ),
    ]
    for value, label in trainings[0].labels.items():
        rows = []
        for name in ("dice", "cldice"):
            for one in compare(trainings, part, value, name):
                p = "–" if math.isnan(one.p_holm) else f"{one.p_holm:.3f}"
                rows.append(
                    [one.name, _heading(name), f"{one.difference:+.4f}", f"{one.better} of {one.patients}", p,
                     f"{one.smallest_p:.3f}"]
                )  # fmt: skip
        sections += [
            page.heading(label, 3),
            page.table(["training", "figure", "difference", "better on", "p (Holm)", "least p possible"], rows),
            '<div class="pair">'
            + "".join(
                page.drawing(plots.patients(trainings, part, value, name, f"{_heading(name)}, {label}"))
                for name in ("dice", "cldice")
            )
            + "</div>",
        ]
    return sections


def _patients(training: Training, part: str) -> list[str]:
    sections = [page.heading(f"Patient by patient: {training.name}, {PARTS[part]}")]
    for value, label in training.labels.items():
        rows, low = [], []
        names = sorted({row.patient for row in training.part(part)})
        by_figure = {name: training.by_patient(part, value, name) for name, _, _ in FIGURES}
        median = summarise_values(list(by_figure["dice"].values())).median
        for r, patient in enumerate(names):
            cells = [patient]
            for name, _, digits in FIGURES:
                number = by_figure[name].get(patient)
                cells.append("–" if number is None else f"{number:.{digits}f}")
            if by_figure["dice"].get(patient, 1.0) < median - 0.1:
                low.append((r, 1))
            rows.append(cells)
        spreads = [summarise_values(list(by_figure[name].values())) for name, _, _ in FIGURES]
        for word, pick in SPREADS:
            rows.append(
                [word, *(_number(getattr(s, pick), digits) for s, (_, _, digits) in zip(spreads, FIGURES, strict=True))]
            )
        sections += [
            page.heading(label, 3),
            page.table(["patient", *(heading for _, heading, _ in FIGURES)], rows, low),
            page.drawing(plots.agreement_of_volumes(training, part, value), "Bland–Altman: each dot is a case"),
        ]
    return [*sections, page.facts(WORDS)]


def _certainty(training: Training, seen: dict[str, Prediction]) -> list[str]:
    pooled: dict[str, Counts] = {}
    rows = []
    for value, label in training.labels.items():
        every = [prediction.counts[value] for prediction in seen.values()]
        pooled[label] = sum(every[1:], every[0])
        threshold, dice = best_threshold(pooled[label])
        rows.append(
            [label, f"{roc(pooled[label])[2]:.4f}", f"{precision_recall(pooled[label])[2]:.3f}",
             f"{calibration(pooled[label])[3]:.3f}", f"{threshold:.2f}", f"{dice:.3f}"]
        )  # fmt: skip
    return [
        page.heading("How far the probabilities can be trusted"),
        page.paragraph(
            "All voxels of the judged cases together. Most voxels are easy background, so the area under the ROC curve "
            "is always close to 1; precision and recall tell more. A calibrated model is right as often as it says."
        ),
        page.table(
            ["label", "area under ROC", "average precision", "calibration error", "best threshold", "its pooled Dice"],
            rows,
        ),
        page.drawing(plots.certainty(pooled)),
        page.paragraph(
            "The best threshold was chosen on the voxels it is judged on: what is possible, not what to expect.",
            small=True,
        ),
    ]


def _best_and_worst(training: Training, part: str, seen: dict[str, Prediction], count: int) -> list[str]:
    def score(case: str) -> float:
        row = next(r for r in training.part(part) if r.case == case)
        values = [f["dice"] for f in row.figures.values() if not math.isnan(f["dice"])]
        return sum(values) / len(values) if values else math.nan

    ranked = sorted((c for c in seen if not math.isnan(score(c))), key=score)
    count = min(count, len(ranked) // 2) or len(ranked)
    sections = [
        page.heading("Worst and best cases"),
        page.paragraph("The slice with most of the reference. White: reference. Orange: prediction."),
    ]
    chosen = {"worst": ranked[:count], "best": ranked[-count:][::-1] if len(ranked) > count else []}
    for word, cases in chosen.items():
        sections += [page.picture(seen[case].picture, f"{word}: {case}, Dice {score(case):.3f}") for case in cases]
    return sections


def _curves(trainings: Sequence[Training]) -> list[str]:
    return [page.heading("Curves"), *(page.drawing(plots.curves(t), t.name) for t in trainings)]


def _how(trainings: Sequence[Training]) -> list[str]:
    sections = [page.heading("How it was made")]
    for training in trainings:
        run = RunDirectory(training.runs[0])
        config = run.read_config()
        last = next(iter(training.curves.values()))[-1:] or [{}]
        sections.append(
            page.facts(
                [
                    ("Training", training.name),
                    ("Cases", config.data_kind or "not said"),
                    ("Runs", ", ".join(path.name for path in training.runs)),
                    ("Network", f"{config.network.name} {config.network.arguments or ''}"),
                    ("Steps", f"{last[0].get('step', '–')} of {config.sampling.batch_size} slices"),
                    ("Checkpoint judged", f"chosen by: {training.chosen_by or 'not said'}"),
                    ("Augmentation", _augmentation(config)),
                    ("Software", f"medseg {__version__}"),
                ]
            )
        )
    return sections


def _augmentation(config: Any) -> str:
    names = ", ".join(config.augmentation.transforms) or "none"
    return f"{names} (policy {config.augmentation.policy})"


def _heading(name: str) -> str:
    return next(heading for n, heading, _ in FIGURES if n == name)


def _digits(name: str) -> int:
    return next(digits for n, _, digits in FIGURES if n == name)


def _number(value: float, digits: int) -> str:
    return "–" if math.isnan(value) else f"{value:.{digits}f}"
