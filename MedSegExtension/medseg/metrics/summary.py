"""Figures over many cases: mean, SD, median, IQR and a bootstrap interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from .agreement import Agreement

#: Fields of an Agreement that are figures.
FIGURES = tuple(f.name for f in fields(Agreement) if f.name not in ("counted", "note"))

#: Numbers drawn at a time, so that memory stays small for thousands of cases.
_DRAWN_AT_ONCE = 1_000_000


@dataclass(frozen=True)
class Spread:
    """One figure over n cases: ``sd`` is the sample's (n − 1); NaN where n is too small for it."""

    n: int
    mean: float
    sd: float
    median: float
    q25: float
    q75: float
    low: float
    high: float

    @property
    def iqr(self) -> float:
        """Interquartile range."""
        return self.q75 - self.q25

    def as_dict(self) -> dict[str, float | int | list[float | None] | None]:
        """Ready for JSON, None for NaN; ``quartiles`` and ``interval_95`` are pairs."""
        return {
            "n": self.n,
            "mean": _or_none(self.mean),
            "sd": _or_none(self.sd),
            "median": _or_none(self.median),
            "iqr": _or_none(self.iqr),
            "quartiles": [_or_none(self.q25), _or_none(self.q75)],
            "interval_95": [_or_none(self.low), _or_none(self.high)],
        }


@dataclass(frozen=True)
class Summary:
    """Figures by name over the cases that count, and how many did not: both masks were empty there."""

    figures: dict[str, Spread]
    counted: int
    not_counted: int

    def __getitem__(self, figure: str) -> Spread:
        return self.figures[figure]

    def as_dict(self) -> dict[str, object]:
        """Ready for JSON."""
        return {
            "counted": self.counted,
            "not_counted": self.not_counted,
            "figures": {name: spread.as_dict() for name, spread in self.figures.items()},
        }


def summarise(agreements: Sequence[Agreement], *, seed: int = 0, resamples: int = 10_000) -> Summary:
    """Summarise one structure over cases.

    The 95 % interval is of the mean: percentile bootstrap (Efron) with ``resamples`` draws of as many cases with
    replacement, from a generator seeded with ``seed``. It is over patients only if each entry is a patient of its own.
    Cases that do not count are left out of every figure; a figure that is NaN in a case (volume in percent of an empty
    reference) is left out of that figure, and its ``n`` says so.
    """
    counted = [a for a in agreements if a.counted]
    return Summary(
        {name: summarise_values([getattr(a, name) for a in counted], seed, resamples) for name in FIGURES},
        len(counted),
        len(agreements) - len(counted),
    )


def summarise_values(values: Sequence[float], seed: int = 0, resamples: int = 10_000) -> Spread:
    """Summarise plain numbers, one a patient; NaN are left out. The interval is that of `summarise`."""
    x = np.array([v for v in values if not math.isnan(v)], dtype=float)
    nan = float("nan")
    if not x.size:
        return Spread(0, nan, nan, nan, nan, nan, nan, nan)
    median, q25, q75 = (float(v) for v in np.percentile(x, [50, 25, 75]))
    if x.size == 1:
        return Spread(1, float(x[0]), nan, median, q25, q75, nan, nan)
    # The same draws for every figure of the same n: intervals of Dice and clDice are then of the same resampled cases.
    rng = np.random.default_rng(seed)
    step = max(1, _DRAWN_AT_ONCE // x.size)
    means = np.concatenate(
        [
            x[rng.integers(x.size, size=(min(step, resamples - done), x.size))].mean(axis=1)
            for done in range(0, resamples, step)
        ]
    )
    low, high = (float(v) for v in np.percentile(means, [2.5, 97.5]))
    return Spread(int(x.size), float(x.mean()), float(x.std(ddof=1)), median, q25, q75, low, high)


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else value
