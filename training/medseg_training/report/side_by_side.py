"""Several trainings: what differs between them, and whether that made a difference."""

from __future__ import annotations

import math
from collections.abc import Sequence

from . import page, plots
from .collect import Training
from .compare import Comparison, compare
from .differences import differing

#: Figures that trainings are tested on, and their headings.
TESTED = {"dice": "Dice", "cldice": "clDice"}


def what_was_compared(trainings: Sequence[Training], part: str) -> list[str]:
    """What is alike, what differs, and how many patients there are: before any figure."""
    patients = {row.patient for training in trainings for row in training.part(part)}
    steps = {lines[-1].get("step") for t in trainings for lines in t.curves.values() if lines}
    folds = {training.folds_sha256 for training in trainings}
    alike = []
    if len(folds) == 1 and trainings[0].folds_sha256:
        alike.append(f"the same {len(trainings[0].runs)} folds of {len(patients)} patients")
    else:
        alike.append(f"{len(patients)} judged patients in all")
    if len(steps) == 1:
        alike.append(f"{steps.pop():,} steps each")
    differences = differing(trainings)
    sections = [
        page.heading("What was compared"),
        page.paragraph(
            f"{len(trainings)} trainings: {', '.join(alike)}; one run each, so the chance in a single training is part "
            "of every difference. They differ in what this table shows and in nothing else of the configuration."
            if differences
            else f"{len(trainings)} trainings: {', '.join(alike)}. Their configurations do not differ."
        ),
    ]
    if differences:
        rows = [[t.name, *(values[n] for values in differences.values())] for n, t in enumerate(trainings)]
        sections.append(page.table(["training", *differences], rows, text=True))
    return sections


def comparison(trainings: Sequence[Training], part: str) -> list[str]:
    """Each training against the first, with a paired test, and a dot for each patient."""
    first = trainings[0].name
    others = len(trainings) - 1
    sections = [
        page.heading("Side by side"),
        page.paragraph(
            f"Each training against {first}, patient by patient. Difference: mean over patients of the training's "
            f"figure minus that of {first}, with its 95 % interval; above 0 the training is better."
        ),
        page.paragraph(
            "p answers one question: were both equally good, how often would patients differ as consistently as here "
            "by chance alone? (Two-sided Wilcoxon signed-rank test, paired by patient"
            + (f", corrected after Holm for {others} trainings in each figure). " if others > 1 else "). ")
            + "A small p does not say that the difference is large, and a large p does not say that there is none. The "
            "least p possible is what so few patients can give at all."
        ),
    ]
    for value, label in trainings[0].labels.items():
        rows = [_row(one, heading) for name, heading in TESTED.items() for one in compare(trainings, part, value, name)]
        columns = [
            "training",
            "figure",
            f"difference to {first}",
            "95 % interval",
            "better on",
            "p",
            "least p possible",
        ]
        drawn = (
            page.drawing(plots.patients(trainings, part, value, name, f"{heading}, {label}"))
            for name, heading in TESTED.items()
        )
        sections += [
            page.heading(label, 3),
            page.table(columns, rows),
            f'<div class="pair">{"".join(drawn)}</div>',
            page.paragraph("A dot is a patient, a grey line the same patient, a bar the mean.", small=True),
        ]
    return sections


def _row(one: Comparison, heading: str) -> list[str]:
    interval = "–" if math.isnan(one.low) else f"{one.low:+.3f} to {one.high:+.3f}"
    p = "–" if math.isnan(one.p_holm) else "< 0.001" if one.p_holm < 0.001 else f"{one.p_holm:.3f}"
    least = "–" if math.isnan(one.smallest_p) else "< 0.001" if one.smallest_p < 0.001 else f"{one.smallest_p:.3f}"
    return [
        one.name, heading, f"{one.difference:+.3f}", interval, f"{one.better} of {one.patients} patients", p, least
    ]  # fmt: skip
