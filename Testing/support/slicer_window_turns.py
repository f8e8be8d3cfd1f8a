"""How long each turn of the event loop takes while a run goes on."""

from __future__ import annotations

import select
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Turn:
    """One turn: seconds of processor time of this thread, seconds by the clock, stage of the run."""

    cpu: float
    wall: float
    stage: str


def watch(turn: Callable[[], None], finished: Callable[[], bool], stage: Callable[[], str], seconds: float = 300):
    """Turn the event loop until finished, and note every turn; returns the list of turns."""
    turns = []
    end = time.monotonic() + seconds
    while not finished():
        assert time.monotonic() < end, "nothing happened"
        cpu, wall = time.thread_time(), time.perf_counter()
        turn()
        turns.append(Turn(time.thread_time() - cpu, time.perf_counter() - wall, stage()))
        select.select([], [], [], 0.002)
    return turns
