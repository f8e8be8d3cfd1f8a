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


def within(turns: list[Turn], usual_s: float, loading_s: float, loading: tuple[str, ...]) -> bool:
    """Whether no turn took longer: ``usual_s`` of processor time, ``loading_s`` in the stages of ``loading``."""
    return all(turn.cpu < (loading_s if turn.stage in loading else usual_s) for turn in turns)


def quickest(measure: Callable[[], list[Turn]], good: Callable[[list[Turn]], bool], times: int = 3) -> list[Turn]:
    """What was measured, once or, where it was not good, again: other programs share the processor and its caches."""
    for _ in range(times - 1):
        turns = measure()
        if good(turns):
            return turns
    return measure()


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
