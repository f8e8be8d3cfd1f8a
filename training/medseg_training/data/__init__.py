"""Data in: which files are cases, whose they are, what is wrong with them, and what was trained on.

``docs/training-data.md`` describes the layouts and the checks.
"""

from __future__ import annotations

from .case import Case, LoadedCase, Problem
from .check import Report, check_cases
from .cohort import check_cohort
from .fingerprint import dataset_fingerprint, fingerprint
from .listing import layout_of, list_cases
from .reading import load_case

__all__ = [
    "Case",
    "LoadedCase",
    "Problem",
    "Report",
    "check_cases",
    "check_cohort",
    "dataset_fingerprint",
    "fingerprint",
    "layout_of",
    "list_cases",
    "load_case",
]
