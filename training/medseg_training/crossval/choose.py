"""Threshold and post-processing chosen on out-of-fold probabilities; nested, so that no figure was chosen on itself.

The search is by coordinates: starting from what the card says, each part in turn (threshold, hysteresis, smallest part,
holes, parts kept) is set to the best of its values with the others as they are, and once more round until a whole round
changes nothing. What was there before stays unless the mean gain over patients is larger than its standard error,
after the one-standard-error rule of Breiman et al., Classification and Regression Trees, 1984: with a dozen patients
the best of many values is often best by chance.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from medseg.card import ModelCard, PostProcessing
from medseg.metrics import cldice, dice

from .scores import Judged
from .settings import CrossValidation

#: Gains smaller than this are rounding.
GAIN = 1e-6
ROUNDS = 3


@dataclass(frozen=True)
class Choice:
    """How labels are made from probabilities. ``threshold`` None: the most probable channel."""

    threshold: float | None
    postprocessing: PostProcessing

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready, every part written out."""
        p = self.postprocessing
        return {
            "threshold": self.threshold,
            "hysteresis_low": p.hysteresis_low,
            "minimum_part_mm3": p.minimum_part_mm3,
            "fill_holes": p.fill_holes,
            "keep_largest_parts": p.keep_largest_parts,
        }

    def words(self) -> str:
        """One line for a person."""
        p = self.postprocessing
        parts = ["most probable channel" if self.threshold is None else f"threshold {self.threshold:g}"]
        if p.hysteresis_low is not None:
            parts.append(f"hysteresis from {p.hysteresis_low:g}")
        if p.minimum_part_mm3:
            parts.append(f"parts from {p.minimum_part_mm3:g} mm³ on")
        if p.fill_holes:
            parts.append("holes filled")
        if p.keep_largest_parts:
            parts.append(
                f"the {p.keep_largest_parts} largest parts" if p.keep_largest_parts > 1 else "the largest part"
            )
        return ", ".join(parts)


def given_by(card: ModelCard) -> Choice:
    """What the card says, before anything is chosen."""
    return Choice(card.output.threshold, card.postprocessing)


class Search:
    """Scores choices on cases, and remembers: nested choices ask for the same figures again and again."""

    def __init__(self, card: ModelCard, settings: CrossValidation) -> None:
        self.card, self.settings = card, settings
        self._known: dict[tuple[Choice, str], dict[tuple[int, str], float]] = {}

    def choose(self, cases: Sequence[Judged], start: Choice) -> tuple[Choice, float]:
        """The best choice on ``cases``, and its score there."""
        best, highest = start, self.score(start, cases)
        for _ in range(ROUNDS):
            before = best
            for part in range(len(PARTS)):
                now = best
                for candidate in self._candidates(now, part):
                    score = self.score(candidate, cases)
                    better = score > highest + GAIN and self._more_than_chance(candidate, now, cases)
                    if better or (math.isnan(highest) and not math.isnan(score)):
                        best, highest = candidate, score
            if best == before:
                break
        return best, highest

    def _more_than_chance(self, candidate: Choice, now: Choice, cases: Sequence[Judged]) -> bool:
        """Whether the mean gain over patients exceeds its standard error, which one patient alone does not have."""
        after, before = self._by_patient(candidate, cases), self._by_patient(now, cases)
        gains = np.array([after[patient] - before[patient] for patient in after])
        return len(gains) < 2 or bool(gains.mean() > gains.std(ddof=1) / math.sqrt(len(gains)))

    def _by_patient(self, choice: Choice, cases: Sequence[Judged]) -> dict[str, float]:
        """Mean over a patient's figures, labels and cases, where any counts."""
        found: dict[str, list[float]] = {}
        for case in cases:
            figures = [value for value in self._figures(choice, case).values() if not math.isnan(value)]
            found.setdefault(case.patient, []).extend(figures)
        return {patient: float(np.mean(values)) for patient, values in found.items() if values}

    def score(self, choice: Choice, cases: Sequence[Judged]) -> float:
        """Mean over figures and labels of the mean over patients (of the mean over a patient's cases); NaN where no
        case counts."""
        sums: dict[tuple[int, str], dict[str, list[float]]] = {}
        for case in cases:
            for key, value in self._figures(choice, case).items():
                if not math.isnan(value):
                    sums.setdefault(key, {}).setdefault(case.patient, []).append(value)
        means = [float(np.mean([np.mean(v) for v in by_patient.values()])) for by_patient in sums.values()]
        return float(np.mean(means)) if means else math.nan

    def _candidates(self, now: Choice, part: int) -> Iterator[Choice]:
        """Other values of one part, the others as they are; those that cannot be are passed over."""
        name = PARTS[part]
        options: Sequence[Any] = getattr(self.settings, "thresholds" if name == "threshold" else name)
        for value in options:
            if name == "threshold":
                new = replace(now, threshold=value)
            else:
                new = replace(now, postprocessing=replace(now.postprocessing, **{name: value}))
            low = new.postprocessing.hysteresis_low
            if new != now and (low is None or (new.threshold is not None and low <= new.threshold)):
                yield new

    def _figures(self, choice: Choice, case: Judged) -> dict[tuple[int, str], float]:
        key = (choice, case.case)
        if key not in self._known:
            labels = case.decide(self.card, choice.threshold, choice.postprocessing)
            found = {}
            for label in self.card.output.labels:
                prediction, reference = labels == label.value, case.reference == label.value
                counts = prediction.any() or reference.any()
                for name in self.settings.figure.split("+"):
                    measure = dice if name == "dice" else cldice
                    found[label.value, name] = float(measure(prediction, reference)) if counts else math.nan
            self._known[key] = found
        return self._known[key]


#: Parts of a choice in the order in which they are searched; all but the threshold are fields of `PostProcessing`.
PARTS = ("threshold", "hysteresis_low", "minimum_part_mm3", "fill_holes", "keep_largest_parts")


@dataclass(frozen=True)
class Chosen:
    """What came out of the search.

    Attributes
    ----------
    final : chosen on all out-of-fold probabilities; it goes into the card.
    final_score : its score there: chosen on itself, so optimistic.
    given_score : the score of what the card said before.
    nested : for each fold the choice made on the other folds, with which its figures are reported.
    """

    final: Choice
    final_score: float
    given_score: float
    nested: dict[int, Choice]


def choose_nested(cases: Sequence[Judged], card: ModelCard, settings: CrossValidation) -> Chosen:
    """Choose on all cases, and for each fold on the cases of the others."""
    search, start = Search(card, settings), given_by(card)
    final, score = search.choose(cases, start)
    nested = {
        fold: search.choose([case for case in cases if case.fold != fold], start)[0]
        for fold in sorted({case.fold for case in cases})
    }
    return Chosen(final, score, search.score(start, cases), nested)
