"""Runs side by side on the same patients, with a paired test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from medseg.metrics import summarise_values
from scipy import stats

from .collect import Training


@dataclass(frozen=True)
class Comparison:
    """A run against the first one, on the patients both have.

    ``p`` is of the two-sided Wilcoxon signed-rank test (exact for small numbers), ``p_holm`` after Holm's correction
    for the number of runs compared; both NaN where nothing differs or fewer than two patients are shared. ``low`` and
    ``high`` are the 95 % bootstrap interval of the mean difference over patients. ``smallest_p`` is the least that so
    many patients can give: fewer than 6 never reach 0.05.
    """

    name: str
    patients: int
    difference: float
    low: float
    high: float
    better: int
    p: float
    p_holm: float
    smallest_p: float


def compare(trainings: Sequence[Training], part: str, label: int, figure: str) -> list[Comparison]:
    """Each training but the first against the first."""
    first = trainings[0].by_patient(part, label, figure)
    raw = []
    for training in trainings[1:]:
        mine = training.by_patient(part, label, figure)
        shared = sorted(first.keys() & mine.keys())
        differences = np.array([mine[p] - first[p] for p in shared])
        p = float("nan")
        if len(shared) > 1 and np.any(differences != 0):
            p = float(stats.wilcoxon(differences).pvalue)
        raw.append((training.name, differences, p))
    adjusted = _holm([p for _, _, p in raw])
    return [
        Comparison(
            name,
            len(differences),
            spread.mean,
            spread.low,
            spread.high,
            int((differences > 0).sum()),
            p,
            holm,
            2.0 ** (1 - len(differences)) if len(differences) else float("nan"),
        )
        for (name, differences, p), holm in zip(raw, adjusted, strict=True)
        for spread in (summarise_values(differences.tolist()),)
    ]


def _holm(values: Sequence[float]) -> list[float]:
    """Holm 1979: the smallest p times their number, the next times one less, never falling; NaN stays."""
    known = [n for n in np.argsort(values) if not np.isnan(values[n])]
    adjusted = [float("nan")] * len(values)
    highest = 0.0
    for rank, n in enumerate(known):
        highest = max(highest, min(1.0, values[n] * (len(known) - rank)))
        adjusted[n] = highest
    return adjusted
