"""One run of the bench: who is measured, at which points, in which order, and until when."""

from __future__ import annotations

import contextlib
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .outcome import CONTENDERS, add_figures, make_row, new_outcome, put_rows, read_outcome, this_machine
from .phantoms import make_data
from .request import MODES, Point, Settings
from .turns import Gone, Process, ending, foreign_paths, own_paths

#: A contender that has been silent for so long beyond the run's time is given up.
PATIENCE_S = 120.0


@dataclass(frozen=True)
class Plan:
    """What a run is to do.

    Attributes
    ----------
    contenders : of `outcome.CONTENDERS`, those of this run.
    peers : interpreter of the environment that has nnU-Net; None where there is none.
    workers : numbers of loader processes that peers are tried with.
    minutes : when it ends; what is missing then stands in the table as such.
    """

    contenders: Sequence[str]
    peers: str | None
    batches: Sequence[int]
    workers: Sequence[int]
    cases: int
    slices: int
    seconds: float
    rounds: int
    minutes: float
    command: str
    modes: Sequence[str] = MODES


@dataclass
class _Found:
    """What one contender has given so far."""

    windows: dict[tuple[str, int], list[dict[str, Any]]] = field(default_factory=dict)
    workers: dict[bool, int | None] = field(default_factory=dict)
    search: list[dict[str, Any]] = field(default_factory=list)
    about: dict[str, Any] = field(default_factory=dict)
    reason: dict[tuple[str, int], str] = field(default_factory=dict)
    gone: str | None = None


def run_bench(
    plan: Plan, settings: Settings, resume: Path | None = None, tell: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """Measure, and return the outcome: that of ``resume`` with this run's rows put in, or a new one."""
    machine = this_machine(settings.device)
    told = {
        **{name: getattr(settings, name) for name in ("size", "network", "arguments", "augmentation", "device")},
        **{name: getattr(settings, name) for name in ("precision", "threads", "compile", "seed")},
        "cases": plan.cases,
        "slices": plan.slices,
        "batches": list(plan.batches),
    }
    outcome = read_outcome(resume, machine, told) if resume else new_outcome(machine, told, _flop(settings))
    begun = time.monotonic()
    session: dict[str, Any] = {
        "command": plan.command,
        "when": time.strftime("%Y-%m-%d %H:%M:%S"),
        "contenders": list(plan.contenders),
        "load_before": _load(),
        "peak": None,
    }
    with tempfile.TemporaryDirectory(prefix="medseg-bench-") as name:
        folder = Path(name)
        tell(f"making {plan.cases * plan.slices} slices of {settings.size}×{settings.size}")
        make_data(folder, plan.cases, plan.slices, settings.size, settings.seed)
        settings = Settings(**{**settings.__dict__, "data": str(folder)})
        bench = _Bench(plan, settings, folder, begun + 60 * plan.minutes, tell)
        found, peak = bench.run()
    session |= {"peak": peak, "minutes": (time.monotonic() - begun) / 60, "load_after": _load()}
    outcome["sessions"].append(session)
    for contender in CONTENDERS:
        rows = _rows(contender, plan, found.get(contender))
        if contender in found:
            about = {**found[contender].about, "search": found[contender].search}
        else:
            about = outcome["contenders"].get(contender, {})
        put_rows(outcome, contender, about, rows)
    add_figures(outcome)
    return outcome


class _Bench:
    """The processes of one run, and who is asked what next."""

    def __init__(self, plan: Plan, settings: Settings, folder: Path, until: float, tell: Callable[[str], None]) -> None:
        self.plan, self.settings, self.folder, self.until, self.tell = plan, settings, folder, until, tell
        self.processes: dict[str, Process] = {}
        self.found = {name: _Found() for name in plan.contenders}

    def run(self) -> tuple[dict[str, _Found], dict[str, Any] | None]:
        peaks: list[dict[str, Any]] = []
        with ending(self.processes):
            for name in self.plan.contenders:
                self._start(name)
            self.processes["peak"] = Process("peak", self.settings, _python(), own_paths(), self.folder)
            for number in range(self.plan.rounds):
                with contextlib.suppress(Gone):
                    peaks.append(self.processes["peak"].measure(Point("made", 0), self.plan.seconds, self._limit()))
                for point in self._points():
                    self.tell(f"round {number + 1} of {self.plan.rounds}: {point.mode}, batch {point.batch}")
                    for name in self.plan.contenders:
                        self._measure(name, point)
            for name, process in self.processes.items():
                if name in self.found and self.found[name].gone is None:
                    with contextlib.suppress(Gone):
                        self.found[name].about = process.ask({"do": "about"}, self._limit())
        if not peaks:
            return self.found, None
        rate = statistics.median(peak["flop_per_s"] for peak in peaks)
        return self.found, {"flop_per_s": rate, "size": peaks[0]["size"], "precision": self.settings.precision}

    def _points(self) -> Iterator[Point]:
        """Batch by batch, and modes that share a loader one after the other."""
        for batch in self.plan.batches:
            for mode in self.plan.modes:
                yield Point(mode, batch)

    def _start(self, name: str) -> None:
        """Begin the process, let it prepare itself, and search for its best number of workers."""
        found = self.found[name]
        if name == "nnunet" and self.plan.peers is None:
            found.gone = "no environment with nnU-Net was given: --peers ENVIRONMENT"
            return
        self.tell(f"{name}: preparing")
        if name == "nnunet":
            assert self.plan.peers is not None
            python, paths = self.plan.peers, foreign_paths(self.folder)
        else:
            python, paths = _python(), own_paths()
        try:
            self.processes[name] = Process(name, self.settings, python, paths, self.folder)
            found.about = self.processes[name].ask({"do": "about"}, self._limit())
            for plain in (False, True):
                found.workers[plain] = self._search(name, plain) if name != "ours" else None
        except OSError as error:
            found.gone = f"{python} cannot be run ({error.strerror})"
        except Gone as gone:
            self._gone(name, str(gone))

    def _search(self, name: str, plain: bool) -> int:
        """The fastest number of workers, by the clock, at the batch size in the middle of those asked for."""
        tried: dict[int, float] = {}
        batch = self.plan.batches[(len(self.plan.batches) - 1) // 2]
        mode = "plain" if plain else "full"
        if len(self.plan.workers) == 1 or mode not in self.plan.modes:
            return self.plan.workers[0]
        for workers in self.plan.workers:
            if time.monotonic() > self.until:
                break
            self.tell(f"{name}: {workers} workers, {mode}")
            point = Point(mode, batch, workers)
            window = self.processes[name].measure(point, self.plan.seconds, self._limit())
            tried[workers] = batch * window["steps"] / window["seconds"]
            self.found[name].search.append({**point.__dict__, "slices_per_s": tried[workers]})
        return max(tried, key=lambda n: tried[n]) if tried else self.plan.workers[0]

    def _measure(self, name: str, point: Point) -> None:
        found, key = self.found[name], (point.mode, point.batch)
        if found.gone is not None or key in found.reason:
            return
        if time.monotonic() > self.until:
            if key not in found.windows:
                found.reason[key] = f"the {self.plan.minutes:g} minutes of the run were over"
            return
        workers = None if point.mode == "made" else found.workers[point.mode == "plain"]
        try:
            window = self.processes[name].measure(
                Point(point.mode, point.batch, workers), self.plan.seconds, self._limit()
            )
            found.windows.setdefault(key, []).append(window)
        except Gone as gone:
            if self.processes[name].process.poll() is None:
                found.reason[key] = str(gone)  # this point fails, others may not
            else:
                self._gone(name, str(gone))

    def _gone(self, name: str, why: str) -> None:
        self.tell(f"{name}: {why}")
        self.found[name].gone = why
        if name in self.processes:
            self.processes.pop(name).end()

    def _limit(self) -> float:
        return max(0.0, self.until - time.monotonic()) + PATIENCE_S


def _rows(contender: str, plan: Plan, found: _Found | None) -> list[dict[str, Any]]:
    rows = []
    for batch in plan.batches:
        for mode in plan.modes:
            if found is None:
                rows.append(make_row(contender, mode, batch, None, [], "not asked for"))
                continue
            workers = None if mode == "made" else found.workers.get(mode == "plain")
            reason = found.reason.get((mode, batch)) or found.gone
            rows.append(make_row(contender, mode, batch, workers, found.windows.get((mode, batch), []), reason))
    return rows


def _flop(settings: Settings) -> dict[str, float]:
    import torch

    from .cost import count_flop
    from .network import build

    with torch.device("meta"):
        network = build(settings)
    return count_flop(network, settings.arguments["in_channels"], settings.size)


def _python() -> str:
    import sys

    return sys.executable


def _load() -> float | None:
    """Processes that want to compute, in the mean of the last minute; None where the system does not tell."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None
