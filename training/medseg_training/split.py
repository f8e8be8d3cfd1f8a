"""Which patient trains, validates, or is kept for the end. A patient is never in two of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from medseg.errors import InputError

from .config import Split
from .crossval.folds import draw_folds
from .data import Case


@dataclass(frozen=True)
class PatientSplit:
    """Case names by their part. ``patients`` maps each case to its patient."""

    training: tuple[str, ...]
    validation: tuple[str, ...]
    hold_out: tuple[str, ...]
    patients: dict[str, str]
    seed: int

    @property
    def sha256(self) -> str:
        """Over the parts in sorted order, so that it depends on nothing else."""
        parts = {
            name: sorted([case, self.patients[case]] for case in getattr(self, name))
            for name in ("training", "validation", "hold_out")
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def to_dict(self) -> dict[str, object]:
        """Ready for JSON, with the hash."""
        return {**asdict(self), "sha256": self.sha256}


def split_patients(cases: Sequence[Case], split: Split) -> PatientSplit:
    """Divide by patient: held-out ones by name and share, validation by fold or share, in an order drawn from the seed.

    Raises InputError where nothing is left to train on.
    """
    patients = {case.name: case.patient for case in cases}
    held = held_out(patients.values(), split)
    order = [patient for patient in _order(patients.values(), split) if patient not in held]
    if split.validate_on:
        validating = set(split.validate_on)
    elif split.folds is not None:
        if split.stratify is not None:
            raise InputError(
                "single folds are not stratified",
                mend="use medseg crossval, or leave out split.stratify or split.folds",
            )
        inside = {case: patient for case, patient in patients.items() if patient not in held}
        validating = set(draw_folds(inside, split.folds, split.seed)[split.fold])
    else:
        count = round(split.validation * len(order))
        validating = set(order[: max(1, count)] if split.validation > 0 else [])
    training = tuple(c for c, p in patients.items() if p not in held and p not in validating)
    if not training:
        raise InputError("no case is left to train on", mend="hold out fewer patients or lower split.validation")
    return PatientSplit(
        training,
        tuple(c for c, p in patients.items() if p in validating),
        tuple(c for c, p in patients.items() if p in held),
        patients,
        split.seed,
    )


def held_out(patients: Iterable[str], split: Split) -> set[str]:
    """Who is kept for the end: those named, and a share of the others, last in the drawn order.

    Raises InputError where the share would take somebody who is to choose the epoch.
    """
    order = _order(patients, split)
    count = round(split.hold_out_share * len(order))
    drawn = order[len(order) - max(1, count) :] if split.hold_out_share > 0 else []
    both = set(drawn) & set(split.validate_on)
    if both:
        raise InputError(
            f"the share held out would hold patient {min(both)} of split.validate_on",
            mend="name held-out patients in split.hold_out, or choose another split.seed",
        )
    return {*split.hold_out, *drawn}


def _order(patients: Iterable[str], split: Split) -> list[str]:
    """The patients that are not held out by name, as the seed shuffles them."""
    others = sorted(set(patients) - set(split.hold_out))
    return [others[n] for n in np.random.default_rng(split.seed).permutation(len(others))]
