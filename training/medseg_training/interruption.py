"""Ctrl-C and SIGTERM end a run after the step in progress, not in the middle of it."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def gentle_stop() -> Iterator[Callable[[], bool]]:
    """Yield a function that says whether the person has asked to stop. A second request interrupts at once."""
    asked = False

    def request(*_signal: object) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True

    if threading.current_thread() is not threading.main_thread():  # signals belong to the main thread
        yield lambda: asked
        return
    before = {number: signal.signal(number, request) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
