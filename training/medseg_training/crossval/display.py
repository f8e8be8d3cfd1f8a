"""All folds at once: a table that moves on a terminal, plain lines elsewhere, and the log file always."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medseg.cli.common import errors
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from ..config import Budget
from .place import FoldPlace
from .pool import Failure, Running

#: Where there is no terminal, a fold speaks at most this often.
LINE_EVERY_S = 30.0


@dataclass
class FoldState:
    """What is known of a fold."""

    number: int
    patients: int
    state: str = "waiting"
    device: str = ""
    epoch: int = 0
    loss: float | None = None
    share: float = 0.0
    left_s: float | None = None
    told: float = 0.0


class Folds:
    """Follows the folds by what they write into their directories."""

    def __init__(
        self, places: Sequence[FoldPlace], sizes: Sequence[int], budget: Budget, log: Path, quiet: bool
    ) -> None:
        self._places, self._budget, self._log, self._quiet = places, budget, log, quiet
        self.states = [FoldState(p.number, n) for p, n in zip(places, sizes, strict=True)]
        for place, state in zip(places, self.states, strict=True):
            if place.finished:
                state.state, state.share = "done before", 1.0
        self._live: Live | None = None

    def line(self, text: str) -> None:
        """One line for the person and, with the time, for the log."""
        if not self._quiet:
            (self._live.console if self._live else errors).print(text, markup=False)
        with self._log.open("a", encoding="utf-8") as stream:
            stream.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}\n")

    @contextlib.contextmanager
    def showing(self) -> Iterator[None]:
        """The moving table as long as the block runs, where there is a terminal; it stays when done."""
        if self._quiet or not errors.is_terminal:
            yield
            return
        with Live(self.table(), console=errors, refresh_per_second=4) as live:
            self._live = live
            try:
                yield
            finally:
                live.update(self.table())
                self._live = None

    def look(self, running: Sequence[Running], failures: Sequence[Failure]) -> None:
        """Read how far each fold is; called by the pool."""
        at_work = {one.place.number: one for one in running}
        failed = {one.number: one for one in failures}
        for place, state in zip(self._places, self.states, strict=True):
            if place.number in at_work:
                self._follow(place, state, at_work[place.number])
            elif place.number in failed:
                self._change(state, "failed", f"fold {place.number} failed: {failed[place.number].reason}")
            elif place.finished and state.state != "done before":
                state.share = 1.0
                self._change(state, "done", f"fold {place.number} done")
        if self._live is not None:
            self._live.update(self.table())

    def _change(self, state: FoldState, to: str, text: str) -> None:
        if state.state != to:
            state.state, state.left_s = to, None
            self.line(text)

    def _follow(self, place: FoldPlace, state: FoldState, one: Running) -> None:
        state.device = one.slot.label
        last = last_line(place.metrics)
        if last is None:
            self._change(state, "loading", f"fold {place.number} starts on {one.slot.label}")
            return
        state.epoch, state.loss = int(last.get("epoch", 0)), last.get("loss")
        state.share = share_done(last, self._budget)
        elapsed = float(last.get("elapsed_s", 0.0))
        state.left_s = elapsed * (1 - state.share) / state.share if state.share > 0 else None
        predicting = place.out_of_fold.is_dir() or state.share >= 1
        state.state = "predicting" if predicting else "training"
        now = time.monotonic()
        if now - state.told >= LINE_EVERY_S and self._live is None:
            state.told = now
            loss = f"  loss {state.loss:.4f}" if state.loss is not None else ""
            left = f"  {state.left_s / 60:.1f} min left" if state.left_s else ""
            self.line(f"fold {place.number}  {state.state}  epoch {state.epoch}  {state.share:.0%}{loss}{left}")

    def table(self) -> Table:
        """What the terminal shows."""
        table = Table(box=None, pad_edge=False)
        for name in ("fold", "patients", "device", "", "epoch", "loss", "left", "state"):
            table.add_column(name, justify="left" if name in ("", "state", "device") else "right")
        for state in self.states:
            table.add_row(
                str(state.number),
                str(state.patients),
                state.device,
                ProgressBar(total=1.0, completed=state.share, width=24),
                str(state.epoch or ""),
                "" if state.loss is None else f"{state.loss:.4f}",
                "" if state.left_s is None else f"{state.left_s / 60:.1f} min",
                state.state,
            )
        return table


def last_line(metrics: Path) -> dict[str, Any] | None:
    """The last whole JSON line of ``metrics.jsonl``; None where there is none."""
    try:
        with metrics.open("rb") as stream:
            stream.seek(0, 2)
            stream.seek(max(0, stream.tell() - 65536))
            lines = stream.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return None
    for text in reversed(lines):
        with contextlib.suppress(ValueError):
            found = json.loads(text)
            if isinstance(found, dict):
                return found
    return None


def share_done(line: dict[str, Any], budget: Budget) -> float:
    """How much of the budget is used up, by epochs or by time, whichever is further."""
    shares = [0.0]
    if budget.epochs:
        shares.append(float(line.get("epoch", 0)) / budget.epochs)
    if budget.max_minutes:
        shares.append(float(line.get("elapsed_s", 0.0)) / (60 * budget.max_minutes))
    return min(1.0, max(shares))
