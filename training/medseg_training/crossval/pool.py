"""Folds as processes: started as slots become free, watched, ended together. One that fails leaves the others going."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .devices import Slot
from .place import FoldPlace

#: How often the folds are looked at.
LOOK_S = 0.2
#: How long a fold may take to save its state after it was asked to stop.
GRACE_S = 60.0


@dataclass
class Running:
    """A fold at work."""

    place: FoldPlace
    slot: Slot
    process: subprocess.Popen[bytes]
    since: float


@dataclass(frozen=True)
class Failure:
    """A fold that ended badly: its number, its last words, and the end of the process."""

    number: int
    reason: str
    status: int


def run_folds(
    places: Sequence[FoldPlace],
    slots: Sequence[Slot],
    prepare: Callable[[FoldPlace, Slot], None],
    look: Callable[[Sequence[Running], Sequence[Failure]], None] = lambda *_: None,
) -> list[Failure]:
    """Run every fold that is not finished; return those that failed.

    ``prepare`` is called before a fold starts and writes its files; ``look`` about five times a second. An interrupt
    (or any error) ends all processes, gently first, and none outlives this call.
    """
    waiting = [place for place in places if not place.finished]
    free, running, failures = list(slots), list[Running](), list[Failure]()
    try:
        while waiting or running:
            while waiting and free:
                place, slot = waiting.pop(0), free.pop(0)
                prepare(place, slot)
                running.append(Running(place, slot, _start(place, slot), time.monotonic()))
            for one in [r for r in running if r.process.poll() is not None]:
                running.remove(one)
                free.append(one.slot)
                _close(one)
                status = one.process.returncode
                if status != 0 or not one.place.finished:
                    failures.append(Failure(one.place.number, last_words(one.place.console, status), status))
            look(running, failures)
            if running:
                time.sleep(LOOK_S)
    except BaseException:
        with _uninterrupted():
            end(running)
        raise
    return failures


def _start(place: FoldPlace, slot: Slot) -> subprocess.Popen[bytes]:
    # What this process can import the fold must find too; `-P` keeps the working folder out.
    paths = os.pathsep.join(p for p in sys.path if p)
    environment = {**os.environ, "PYTHONPATH": paths, "PYTHONUNBUFFERED": "1", **slot.environment}
    command = [sys.executable, "-P", "-m", "medseg_training.crossval.fold", str(place.path)]
    options: dict[str, Any] = {}
    if os.name == "posix":
        # A process group of its own: Ctrl-C on the terminal comes to this process alone, which tells them once.
        options["start_new_session"] = True
    with place.console.open("ab") as console:
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=console, stderr=console, env=environment, **options
        )


def end(running: Sequence[Running]) -> None:
    """Ask every fold to save its state and go; kill those that do not within `GRACE_S`, with all their children."""
    for one in running:
        with contextlib.suppress(OSError):
            one.process.terminate()
    give_up = time.monotonic() + GRACE_S
    for one in running:
        try:
            one.process.wait(max(0.0, give_up - time.monotonic()))
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            give_up = time.monotonic()
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()
        if os.name == "posix":  # what the fold itself had started
            with contextlib.suppress(OSError):
                os.killpg(one.process.pid, signal.SIGKILL)
        _close(one)


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """A second Ctrl-C shortens the waiting (`end` sees it); SIGTERM during it changes nothing."""
    try:
        before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    except ValueError:  # not the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _close(one: Running) -> None:
    if one.process.stdin is not None:
        with contextlib.suppress(OSError):
            one.process.stdin.close()


def last_words(console: Path, status: int) -> str:
    """Why a fold ended: its own one-line error where it said one."""
    try:
        lines = [line.strip() for line in console.read_text("utf-8", "replace").splitlines() if line.strip()]
    except OSError:
        lines = []
    if status < 0:
        name = signal.Signals(-status).name if -status in set(signal.Signals) else str(-status)
        hint = " (out of memory, perhaps)" if name == "SIGKILL" else ""
        return f"ended by {name}{hint}"
    said = next((line for line in reversed(lines) if line.startswith("medseg: ")), lines[-1] if lines else "")
    return said.removeprefix("medseg: ") or f"ended with status {status}"
