"""Data in: which files are cases, whose they are, what is wrong with them, and what was trained on."""

from __future__ import annotations

from .cases import Case, LoadedCase, Problem, check_cases, fingerprint, list_cases, load_case

__all__ = ["Case", "LoadedCase", "Problem", "check_cases", "fingerprint", "list_cases", "load_case"]
