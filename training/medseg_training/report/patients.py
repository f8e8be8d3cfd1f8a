"""What is shown of each patient: the table, how far probabilities can be trusted, pictures of the worst and best."""

from __future__ import annotations

import math
from collections.abc import Sequence

from medseg.metrics import summarise_values

from ..rundir import RunDirectory
from . import page, plots
from .certainty import Counts, best_threshold, calibration, precision_recall, roc
from .collect import Training
from .figures import FIGURES, SPREADS, WORDS, number_text
from .predictions import Prediction


def patients(trainings: Sequence[Training], part: str) -> list[str]:
    """The first training's patients at once, those of the others on a click."""
    sections = []
    for number, training in enumerate(trainings):
        title = f"Patient by patient: {training.name}"
        inside = [text for value in training.labels for text in _patients_of(training, part, value)]
        if number == 0:
            sections += [page.heading(title), *inside, page.facts(WORDS)]
        else:
            sections.append(page.folded(title, inside))
    return sections


def _patients_of(training: Training, part: str, value: int) -> list[str]:
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
            [word, *(number_text(getattr(s, pick), digits) for s, (_, _, digits) in zip(spreads, FIGURES, strict=True))]
        )
    return [
        page.heading(training.labels[value], 3),
        page.table(["patient", *(heading for _, heading, _ in FIGURES)], rows, low),
        *([page.paragraph("Red: more than 0.1 below the median.", small=True)] if low else []),
        page.drawing(
            plots.agreement_of_volumes(training, part, value),
            "Volumes after Bland and Altman: each dot is a case; dashed, where 95 % of the differences are expected",
        ),
    ]


def certainty(training: Training, seen: dict[str, Prediction]) -> list[str]:
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
        page.heading(f"How far the probabilities can be trusted: {training.name}"),
        page.paragraph(
            "All voxels of the judged cases together. Most voxels are easy background, so the area under the ROC curve "
            "is large even for a poor model; precision and recall tell more. A calibrated model is right as often as "
            "it says."
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


def best_and_worst(training: Training, part: str, seen: dict[str, Prediction], count: int) -> list[str]:
    def score(case: str) -> float:
        row = next(r for r in training.part(part) if r.case == case)
        values = [f["dice"] for f in row.figures.values() if not math.isnan(f["dice"])]
        return sum(values) / len(values) if values else math.nan

    ranked = sorted((c for c in seen if not math.isnan(score(c))), key=score)
    count = min(count, len(ranked) // 2) or len(ranked)
    sections = [
        page.heading(f"Worst and best cases: {training.name}"),
        page.paragraph(
            "The slice with most of the reference. "
            + (
                "Left the image, in the middle the reference, on the right what the network found."
                if len(training.labels) > 1
                else "White: reference. Orange: what the network found."
            )
        ),
        *([page.legend(colours_of(training))] if len(training.labels) > 1 else []),
    ]
    chosen = {"worst": ranked[:count], "best": ranked[-count:][::-1] if len(ranked) > count else []}
    for word, cases in chosen.items():
        sections += [page.picture(seen[case].picture, f"{word}: {case}, Dice {score(case):.3f}") for case in cases]
    return sections


def colours_of(training: Training) -> dict[str, str]:
    """The colour of each label, as the card has it."""
    labels = RunDirectory(training.runs[0]).read_config().draft.output.labels
    return {label.name: "#{:02x}{:02x}{:02x}".format(*label.color) for label in labels}
