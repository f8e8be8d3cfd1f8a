"""What a long run tells while it goes on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Progress:
    """A moment of a run. ``str()`` of it is a line to print.

    Attributes
    ----------
    stage : "prepare", "network" or "post-process".
    done, total : slices finished and to do in this stage.
    fraction : share of the whole run, 0..1.
    seconds_left : estimate for the whole run, None until there is something to estimate from.
    """

    stage: str
    done: int
    total: int
    fraction: float
    seconds_left: float | None = None

    @property
    def text(self) -> str:
        left = "" if self.seconds_left is None else f", {_duration(self.seconds_left)} left"
        return f"{self.stage} {self.done}/{self.total} ({self.fraction:.0%}{left})"

    def __str__(self) -> str:
        return self.text


def _duration(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole} s" if whole < 90 else f"{whole // 60} min {whole % 60:02d} s"


@dataclass
class Timings:
    """Seconds spent in each stage; stages may be entered again and again."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start


ProgressCallback = Callable[[Progress], object]
