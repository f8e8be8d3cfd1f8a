"""The old place of `medseg_training.data`, until everybody imports from there."""

from .data import Case, LoadedCase, Problem, check_cases, fingerprint, list_cases, load_case

__all__ = ["Case", "LoadedCase", "Problem", "check_cases", "fingerprint", "list_cases", "load_case"]
