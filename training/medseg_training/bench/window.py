"""How a stretch of steps is timed."""

from __future__ import annotations

import contextlib
import math
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

#: Steps before anything is timed: caches, allocators and searches for the fastest kernels settle.
WARM_UP = 3
#: Steps of a window at least.
LEAST = 3


def measure(run: Callable[[int], None], device: torch.device, seconds: float, before: int = 0) -> dict[str, Any]:
    """Time about ``seconds`` of steps.

    The steps of a window are counted beforehand, so that nothing in it asks the device how far it is; the device is
    waited for at both ends.

    Parameters
    ----------
    run : does so many steps, and does not wait for the device.
    before : further steps of warm-up: as many batches as may lie ready made, which the window would count as its own.

    Returns
    -------
    steps, seconds, cpu_seconds (of this process and its children), peak_bytes (None where nobody says).
    """
    run(WARM_UP + before)
    _wait(device)
    begun = time.perf_counter()
    run(LEAST)
    _wait(device)
    each = (time.perf_counter() - begun) / LEAST
    steps = max(LEAST, math.ceil(seconds / max(each, 1e-6)))
    _forget_peak(device)
    cpu, begun = processor_seconds(), time.perf_counter()
    run(steps)
    _wait(device)
    elapsed = time.perf_counter() - begun
    return {
        "steps": steps,
        "seconds": elapsed,
        "cpu_seconds": processor_seconds() - cpu,
        "peak_bytes": peak_bytes(device),
    }


def processor_seconds() -> float:
    """Of this process and of all below it, running ones too; of this one alone where the system does not tell."""
    total = time.process_time()
    if not sys.platform.startswith("linux"):
        return total
    parents: dict[int, tuple[int, float]] = {}
    tick = os.sysconf("SC_CLK_TCK")
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                # The name, in parentheses, may hold anything; what counts comes after it.
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                parents[int(entry.name)] = int(fields[1]), (int(fields[11]) + int(fields[12])) / tick
    mine = {os.getpid()}
    while more := {pid for pid, (parent, _) in parents.items() if parent in mine} - mine:
        mine |= more
    return total + sum(parents[pid][1] for pid in mine if pid != os.getpid())


def peak_bytes(device: torch.device) -> int | None:
    """Most memory since `_forget_peak`: of the device where it is a GPU, else of this process without its children."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    with contextlib.suppress(OSError, StopIteration, ValueError):
        lines = Path("/proc/self/status").read_text().splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
    return None


def _forget_peak(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
