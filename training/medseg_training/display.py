"""What a person sees while a network trains: a live view on a terminal, plain lines elsewhere, the log file always."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from medseg.cli.common import errors
from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from .trainer import Trainer

#: Seconds between two looks at the device's load.
_LOOK = 2.0


@dataclass
class Seen:
    """What the live view shows; the trainer fills it in, the view's own thread draws it."""

    begun: float = field(default_factory=time.monotonic)
    share_before: float | None = None
    share: float = 0.0
    epoch: int = 0
    epochs: int | None = None
    done: int = 0
    steps: int = 1
    loss: float = math.nan
    former_loss: float = math.nan
    speed: float = 0.0
    doing: str = ""
    names: dict[str, str] = field(default_factory=dict)
    now: dict[str, float] = field(default_factory=dict)
    best: dict[str, tuple[float, int]] = field(default_factory=dict)

    @property
    def left_s(self) -> float | None:
        """Seconds to the end at the pace of this sitting; None where nothing is done yet."""
        done = self.share - (self.share_before or 0.0)
        return (time.monotonic() - self.begun) / done * (1 - self.share) if done > 0 else None


class Display:
    """Writes to standard error, so that standard output stays free for ``--json``."""

    def __init__(self, log: Path | None = None, quiet: bool = False) -> None:
        self._log, self._quiet = log, quiet
        self.seen = Seen()
        self._device = torch.device("cpu")
        self._load, self._looked = "", -math.inf

    def line(self, text: str) -> None:
        """One line for the person and, with the time, for the log."""
        if not self._quiet:
            errors.print(text, markup=False, highlight=False)
        if self._log is not None:
            # A log that cannot be written is no reason to stop; what is, says so itself.
            with contextlib.suppress(OSError), self._log.open("a", encoding="utf-8") as stream:
                stream.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}\n")

    @contextlib.contextmanager
    def training(self) -> Iterator[None]:
        """Show the live view as long as the block runs, where there is a terminal."""
        if self._quiet or not errors.is_terminal:
            yield
            return
        self.seen.begun = time.monotonic()
        with Live(get_renderable=self.view, console=errors, refresh_per_second=4, transient=True):
            yield

    def step(self, trainer: Trainer) -> None:
        """Take in where the trainer is. Asks nothing of the device."""
        seen, length = self.seen, trainer.config.budget.steps_per_epoch
        seen.share = trainer.share
        if seen.share_before is None:
            seen.share_before = seen.share
        seen.epoch, seen.epochs = trainer.epoch, trainer.config.budget.epochs
        seen.done, seen.steps = trainer.step - (trainer.epoch - 1) * length, length
        seen.loss, seen.speed, seen.doing = trainer.meter.peek(), trainer.speed, ""
        self._device = trainer.device

    def epoch(self, trainer: Trainer) -> None:
        """The line of an epoch that has ended."""
        line, seen = trainer.line, self.seen
        seen.former_loss, seen.doing = line["loss"], ""
        text = (
            f"epoch {line['epoch']}  {line['elapsed_s'] / 60:.1f} min  loss {line['loss']:.4f}  "
            f"{line['slices_per_s']:.1f} slices/s"
        )
        if "validation_loss" in line:
            text += f"  validation loss {line['validation_loss']:.4f}"
        for name, each in line.get("validation", {}).items():
            text += f"  {name} " + " ".join(f"{mean:.4f}" for mean in each.values())
        seen.names = {str(label.value): label.name for label in trainer.card.output.labels}
        seen.now = dict(line.get("validation", {}).get("dice", seen.now))
        for value, dice in seen.now.items():
            if not dice <= seen.best.get(value, (-math.inf, 0))[0]:
                seen.best[value] = dice, line["epoch"]
        self.line(text)

    def busy(self, doing: str) -> None:
        """What is going on between two epochs."""
        self.seen.doing = doing

    def view(self) -> RenderableType:
        """The live view, as it is now."""
        seen = self.seen
        bars = Table.grid(padding=(0, 1))
        bars.add_column(no_wrap=True, min_width=12)
        bars.add_column(no_wrap=True)
        bars.add_column(no_wrap=True, overflow="ellipsis")
        of = f"/{seen.epochs}" if seen.epochs else ""
        loss = "" if math.isnan(seen.loss) else f"loss {seen.loss:.4f}"
        if not math.isnan(seen.former_loss):
            loss += f" (before {seen.former_loss:.4f})"
        bars.add_row(
            f"epoch {seen.epoch}{of}",
            ProgressBar(total=seen.steps, completed=seen.done, width=24),
            seen.doing or f"{seen.done}/{seen.steps}  {loss}",
        )
        left = seen.left_s
        rest = "" if left is None else f"  {_time(left)} left"
        whole = ProgressBar(total=1.0, completed=seen.share, width=24)
        bars.add_row("run", whole, f"{seen.share:.0%}{rest}  {seen.speed:.0f} slices/s{self._gpu()}")
        if not seen.now:
            return bars
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
        table.add_column("validation", no_wrap=True, overflow="ellipsis", max_width=30)
        for title in ("Dice", "best", "epoch"):
            table.add_column(title, justify="right")
        for value, dice in seen.now.items():
            best, epoch = seen.best.get(value, (math.nan, 0))
            style = "green" if best == dice else ""
            table.add_row(seen.names[value], Text(f"{dice:.4f}", style), f"{best:.4f}", str(epoch))
        return Group(bars, table)

    def _gpu(self) -> str:
        """Memory and load of a CUDA device, now and then; nothing elsewhere."""
        if self._device.type != "cuda":
            return ""
        if time.monotonic() - self._looked > _LOOK:
            self._looked = time.monotonic()
            total = torch.cuda.get_device_properties(self._device).total_memory
            self._load = f"  GPU {torch.cuda.memory_reserved(self._device) / 2**30:.1f}/{total / 2**30:.0f} GiB"
            with contextlib.suppress(Exception):  # the package that asks the driver is not everywhere
                self._load += f" {torch.cuda.utilization(self._device)} %"
        return self._load


def _time(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 3600}:{whole % 3600 // 60:02}:{whole % 60:02}"
