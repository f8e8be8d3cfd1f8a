"""What a cross-validation is worth: each patient by the model that had not seen it, with the choice of other folds."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from medseg.card import ModelCard
from medseg.io import atomic_path
from medseg.metrics import FIGURES, Agreement, Summary, evaluate_labels, summarise

from ..validation import CaseFigures
from .choose import Choice, Chosen
from .scores import Judged

#: Figures that go into the card and into the line a person reads.
MAIN = ("dice", "cldice", "nsd_1mm", "hd95_mm", "assd_mm")


def figures_of(cases: Sequence[Judged], choices: Mapping[int, Choice], card: ModelCard) -> list[CaseFigures]:
    """Figures of every case with the choice for its fold, on the whole volume."""
    values = [label.value for label in card.output.labels]
    found = []
    for case in cases:
        choice = choices[case.fold]
        labels = case.whole(case.decide(card, choice.threshold, choice.postprocessing))
        agreement = evaluate_labels(labels, case.whole(case.reference), case.spacing, values)
        found.append(CaseFigures(case.case, case.patient, agreement))
    return found


def over_patients(figures: Sequence[CaseFigures], value: int) -> list[Agreement]:
    """One agreement for each patient: where a patient has several cases, their mean."""
    by_patient: dict[str, list[Agreement]] = {}
    for case in figures:
        by_patient.setdefault(case.patient, []).append(case.labels[value])
    return [_mean(several) for several in by_patient.values()]


def _mean(several: Sequence[Agreement]) -> Agreement:
    counted = [a for a in several if a.counted]
    if len(counted) <= 1:
        return counted[0] if counted else several[0]
    means: dict[str, float] = {}
    for field in fields(Agreement):
        if field.name in FIGURES:
            known = [v for a in counted if not math.isnan(v := getattr(a, field.name))]
            means[field.name] = float(np.mean(known)) if known else math.nan
    return replace(counted[0], **means, note="; ".join(dict.fromkeys(a.note for a in counted if a.note)))  # type: ignore[arg-type]


def summaries(figures: Sequence[CaseFigures], card: ModelCard) -> dict[int, Summary]:
    """For each label the spread over patients, with a bootstrap interval of the mean."""
    return {label.value: summarise(over_patients(figures, label.value)) for label in card.output.labels}


def metrics_for_card(summary: Mapping[int, Summary], chosen: Chosen, chosen_by: str) -> dict[str, Any]:
    """The part of the card that says how good the model is and how that was measured."""
    return {
        "how": "out of fold, by patient; threshold and post-processing of each fold chosen on the other folds",
        "epoch_chosen_by": chosen_by,
        "validation": {
            str(value): {
                "counted": one.counted,
                **{
                    name: {key: one[name].as_dict()[key] for key in ("n", "mean", "sd", "interval_95")} for name in MAIN
                },
            }
            for value, one in summary.items()
        },
        "choice": {"final": chosen.final.as_dict(), "score_on_itself": chosen.final_score},
    }


def write_table(path: Path, figures: Sequence[CaseFigures], folds: Mapping[str, int], card: ModelCard) -> None:
    """A line for each case and label, all figures, for a spreadsheet."""
    with atomic_path(path) as temporary, Path(temporary).open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["case", "patient", "fold", "label", *FIGURES, "note"])
        for case in figures:
            for label in card.output.labels:
                one = case.labels[label.value]
                values = [getattr(one, name) for name in FIGURES]
                shown = ["" if math.isnan(v) else f"{v:.6g}" for v in values]
                writer.writerow([case.case, case.patient, folds[case.case], label.name, *shown, one.note])
