"""Wall and processor time of a run, former sittings counted. On a busy machine they lie far apart."""

from __future__ import annotations

import time


class Clock:
    """Goes on from what former sittings have used."""

    def __init__(self, elapsed_s: float, cpu_s: float) -> None:
        self._wall, self._cpu = elapsed_s - time.monotonic(), cpu_s - time.process_time()
        self._epoch = time.monotonic()

    def read(self) -> tuple[float, float]:
        """Seconds of wall time, and of processor time."""
        return self._wall + time.monotonic(), self._cpu + time.process_time()

    def begin_epoch(self) -> None:
        self._epoch = time.monotonic()

    @property
    def epoch_s(self) -> float:
        """Seconds of wall time since the epoch was begun, in this sitting; never 0."""
        return max(1e-9, time.monotonic() - self._epoch)
