"""The folds of a cross-validation as they are written down, and what they hash to."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

from medseg.errors import InputError

from ..config import Config
from ..data import list_cases
from ..split import held_out
from .folds import draw_folds
from .strata import strata_of

#: Where the configuration does not say.
FOLDS = 5


@dataclass(frozen=True)
class Plan:
    """Who is judged by which fold.

    Attributes
    ----------
    folds : patients that each fold keeps for its validation.
    patients : the patient of each case of the folds.
    hold_out : patients in no fold; the finished ensemble meets them once.
    seed : of the drawing.
    strata : the stratum of each case, or None.
    """

    folds: tuple[tuple[str, ...], ...]
    patients: dict[str, str]
    hold_out: tuple[str, ...]
    seed: int
    strata: dict[str, str] | None = None

    @property
    def sha256(self) -> str:
        """Over who is in which fold, and nothing else."""
        cases = [sorted(c for c, p in self.patients.items() if p in fold) for fold in self.folds]
        return hashlib.sha256(json.dumps([cases, sorted(self.hold_out)]).encode()).hexdigest()

    def cases(self, fold: int) -> list[str]:
        """Names of the cases that ``fold`` validates."""
        return sorted(case for case, patient in self.patients.items() if patient in self.folds[fold])

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON, with the hash."""
        return {**json.loads(json.dumps(asdict(self))), "sha256": self.sha256}


def make_plan(config: Config) -> Plan:
    """Draw the folds of ``config`` by patient. Raises InputError where cases are wrong or too few."""
    split = config.split
    if split.validate_on:
        raise InputError(
            "split.validate_on names patients, but a cross-validation draws its own",
            mend="remove it; split.validation keeps a share of each fold's training patients to choose the epoch",
        )
    cases, problems = list_cases(config)
    fatal = [p for p in problems if p.fatal]
    if fatal:
        raise InputError(fatal[0].what, file=fatal[0].file, mend=fatal[0].mend)
    held = held_out((case.patient for case in cases), split)
    inside = [case for case in cases if case.patient not in held]
    patients = {case.name: case.patient for case in inside}
    strata = strata_of(inside, config)
    folds = draw_folds(patients, split.folds or FOLDS, split.seed, strata)
    return Plan(tuple(folds), patients, tuple(sorted(held)), split.seed, strata)
