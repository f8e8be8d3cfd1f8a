"""What folds are to be balanced by."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from medseg.errors import InputError

from ..config import Config
from ..data import Case, load_case


def strata_of(cases: Sequence[Case], config: Config) -> dict[str, str] | None:
    """The stratum of each case by ``split.stratify``; None where folds need no balance.

    ``table``: the column ``stratum`` of the patients file. ``labels``: which labels the reference holds. Anything else
    is a regular expression on the case name, whose first group (or whole match) is the stratum. Raises InputError where
    a case has none.
    """
    rule = config.split.stratify
    if rule is None:
        return None
    if rule == "table":
        return {case.name: _from_table(case, config) for case in cases}
    if rule == "labels":
        return {case.name: _labels(case, config) for case in cases}
    return {case.name: _from_name(case, rule) for case in cases}


def _from_table(case: Case, config: Config) -> str:
    if case.stratum is None:
        raise InputError(
            f"{case.name} has no stratum",
            file=config.patients or case.image,
            mend="give each case one in the column stratum of the patients file, or leave out split.stratify",
        )
    return case.stratum


def _labels(case: Case, config: Config) -> str:
    loaded, problems = load_case(case, config)
    if loaded is None:
        fatal = next(p for p in problems if p.fatal)
        raise InputError(fatal.what, file=fatal.file, mend=fatal.mend)
    present = np.unique(loaded.labels.array)
    return "+".join(str(v) for v in present if v) or "none"


def _from_name(case: Case, rule: str) -> str:
    try:
        found = re.search(rule, case.name)
    except re.error as error:
        raise InputError(
            f"split.stratify {rule!r} is neither table nor labels nor a regular expression ({error})",
            mend="correct it in the configuration",
        ) from None
    if found is None:
        raise InputError(
            f"split.stratify {rule!r} finds nothing in the name {case.name}",
            file=case.image,
            mend="correct it in the configuration",
        )
    return found.group(1) if found.re.groups else found.group(0)
