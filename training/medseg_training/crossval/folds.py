"""Which patients each fold keeps for its validation."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

from medseg.errors import InputError


def draw_folds(
    patients: Mapping[str, str], count: int, seed: int = 0, strata: Mapping[str, str] | None = None
) -> list[tuple[str, ...]]:
    """Patients of each fold, sorted; every patient is in exactly one.

    Parameters
    ----------
    patients : the patient of each case.
    count : number of folds.
    seed : of the shuffling; the order in which the cases are given makes no difference.
    strata : for each case a name whose shares are to be alike in all folds (with a contrast agent or without ...).

    scikit-learn draws: `GroupKFold`, or `StratifiedGroupKFold` (as even as whole patients allow). Raises InputError
    where there are fewer patients than folds.
    """
    from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

    cases = sorted(patients)
    groups = [patients[case] for case in cases]
    if count < 2:
        raise InputError(f"{count} fold is no cross-validation", mend="give two folds or more")
    if len(set(groups)) < count:
        raise InputError(f"{count} folds of {len(set(groups))} patients", mend="lower split.folds")
    if strata is None:
        parts = GroupKFold(count, shuffle=True, random_state=seed).split(cases, groups=groups)
    else:
        kinds = [strata[case] for case in cases]
        parts = StratifiedGroupKFold(count, shuffle=True, random_state=seed).split(cases, kinds, groups)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)  # a rare stratum is no mistake
        folds = [tuple(sorted({groups[n] for n in kept})) for _, kept in parts]
    if not all(folds):  # StratifiedGroupKFold may leave a fold empty where patients differ much in size
        raise InputError(
            f"{count} folds of {len(set(groups))} patients cannot be stratified so: one would be empty",
            mend="lower split.folds, or leave out split.stratify",
        )
    return folds
