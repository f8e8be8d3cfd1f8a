"""Reading everything once before anything is trained: what ``medseg train --check`` shows."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medseg.io.names import walk_files

from .case import Case, Problem
from .cohort import check_cohort
from .fingerprint import dataset_fingerprint, fingerprint
from .label_values import check_source_labels
from .listing import list_cases
from .reading import load_case

if TYPE_CHECKING:
    from ..config import Config

#: Below this much on disk one process is done before others have started.
_WORTH_PROCESSES = 400 * 2**20
_MOST_PROCESSES = 8


def check_cases(config: Config, processes: int = 1) -> Iterator[tuple[Case | None, list[Problem]]]:
    """Read everything once: the problems of the folders (with None), each case with its own, then those of all (None).

    Raises InputError where the data cannot even be listed.
    """
    report = Report()
    yield None, report.begin(config)
    yield from report.read(config, processes)
    yield None, report.end(config)


@dataclass
class Report:
    """What a check has found so far."""

    cases: list[Case] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    readable: list[Case] = field(default_factory=list)
    prints: list[dict[str, Any]] = field(default_factory=list)

    def begin(self, config: Config) -> list[Problem]:
        """List the cases."""
        check_source_labels(config)
        self.cases, found = list_cases(config)
        self.problems += found
        return found

    def read(self, config: Config, processes: int = 1) -> Iterator[tuple[Case, list[Problem]]]:
        """Read each case, in order; with several processes several at a time."""
        for case, (found, print_) in zip(self.cases, _each(self.cases, config, processes), strict=True):
            self.problems += found
            if print_ is not None:
                self.readable.append(case)
                self.prints.append(print_)
            yield case, found

    def end(self, config: Config) -> list[Problem]:
        """Compare all cases that could be read."""
        found = check_cohort(self.readable, self.prints, config, len(self.readable) == len(self.cases))
        self.problems += found
        return found

    @property
    def errors(self) -> int:
        """How many problems keep a training from starting."""
        return sum(p.fatal for p in self.problems)

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "cases": len(self.cases),
            "patients": len({case.patient for case in self.cases}),
            "errors": self.errors,
            "warnings": len(self.problems) - self.errors,
            "problems": [vars(p) for p in self.problems],
            "fingerprint": dataset_fingerprint(self.prints) if self.prints else None,
        }


def useful_processes(cases: Sequence[Case]) -> int:
    """How many processes reading these cases is worth: one for little data, else as many as there are cores."""
    size = 0
    for path in {p for case in cases for p in (*case.images, case.labels)}:
        size += sum(_size(file) for file in walk_files(path)) if path.is_dir() else _size(path)
        if size > _WORTH_PROCESSES:
            return max(1, min(_MOST_PROCESSES, len(cases), len(os.sched_getaffinity(0)) if _HAS_AFFINITY else 1))
    return 1


_HAS_AFFINITY = hasattr(os, "sched_getaffinity")


def _each(
    cases: Sequence[Case], config: Config, processes: int
) -> Iterator[tuple[list[Problem], dict[str, Any] | None]]:
    if processes <= 1:
        for case in cases:
            yield read_one(case, config)
        return
    # Fresh processes, not forked ones: numpy and ITK have threads, and a fork of those can hang.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(processes, mp_context=context, initializer=_ignore_interrupt)
    try:
        waiting: list[Future] = []
        todo = iter(cases)
        for case in todo:
            waiting.append(pool.submit(read_one, case, config))
            if len(waiting) >= 2 * processes:
                yield waiting.pop(0).result()
        while waiting:
            yield waiting.pop(0).result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def read_one(case: Case, config: Config) -> tuple[list[Problem], dict[str, Any] | None]:
    """The problems of a case, and its fingerprint where it can be read. Runs in a worker too."""
    loaded, problems = load_case(case, config)
    return problems, None if loaded is None else fingerprint(loaded, config)


def _ignore_interrupt() -> None:
    # Ctrl-C reaches the whole group; the parent answers it and ends the workers after the case they are at.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
