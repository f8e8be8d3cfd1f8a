"""What a person sees while a network trains: a bar on a terminal, plain lines elsewhere, and the log file always."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from medseg.cli.common import errors
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from .trainer import Trainer


class Display:
    """Writes to standard error, so that standard output stays free for ``--json``."""

    def __init__(self, log: Path | None = None, quiet: bool = False) -> None:
        self._log = log
        self._quiet = quiet
        self._bar: Progress | None = None

    def line(self, text: str) -> None:
        """One line for the person and, with the time, for the log."""
        if not self._quiet:
            errors.print(text, markup=False)
        if self._log is not None:
            with self._log.open("a", encoding="utf-8") as stream:
                stream.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}\n")

    @contextlib.contextmanager
    def training(self) -> Iterator[None]:
        """Show the bar as long as the block runs, where there is a terminal."""
        if self._quiet or not errors.is_terminal:
            yield
            return
        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=errors, transient=True) as bar:
            self._bar, self._task = bar, bar.add_task("training", total=1.0)
            try:
                yield
            finally:
                self._bar = None

    def step(self, trainer: Trainer) -> None:
        """Move the bar; nothing where there is none."""
        if self._bar is not None:
            epoch = math.ceil(trainer.step / trainer.config.budget.steps_per_epoch)
            text = f"epoch {epoch}  loss {trainer.meter.peek():.3f}  {trainer.speed:.1f} slices/s"
            self._bar.update(self._task, completed=trainer.share, description=text)

    def epoch(self, trainer: Trainer) -> None:
        """The line of an epoch that has ended."""
        line = trainer.line
        text = (
            f"epoch {line['epoch']}  {line['elapsed_s'] / 60:.1f} min  loss {line['loss']:.4f}  "
            f"{line['slices_per_s']:.1f} slices/s"
        )
        for name, each in line.get("validation", {}).items():
            text += f"  {name} " + " ".join(f"{mean:.4f}" for mean in each.values())
        self.line(text)
