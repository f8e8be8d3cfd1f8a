"""Where folds run: which device each process sees, and how many there are at once."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass

from medseg.errors import InputError


@dataclass(frozen=True)
class Slot:
    """Room for one fold. ``device`` is the name the fold uses, ``environment`` what makes that the right one."""

    label: str
    device: str
    environment: dict[str, str]


def make_slots(devices: Sequence[str], jobs: int | None) -> list[Slot]:
    """``jobs`` slots over ``devices`` in turn (one for each device where None).

    A fold sees its own GPU only, as ``cuda``: what it does by mistake on another one is impossible then. Raises
    InputError for a device that has no such name.
    """
    if not devices:
        raise InputError("no device is given", mend="give --devices cpu, or cuda:0,cuda:1")
    count = len(devices) if jobs is None else jobs
    if count < 1:
        raise InputError(f"{count} jobs", mend="give 1 or more")
    return [_slot(devices[n % len(devices)]) for n in range(count)]


def _slot(name: str) -> Slot:
    if name == "cpu":
        return Slot("cpu", "cpu", {"CUDA_VISIBLE_DEVICES": ""})
    if name == "mps":
        return Slot("mps", "mps", {})
    found = re.fullmatch(r"cuda(?::(\d+))?", name)
    if found is None:
        raise InputError(f"there is no device {name!r}", mend="use cpu, mps, cuda or cuda:0, cuda:1 ...")
    number = int(found[1] or 0)
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if given is None:
        return Slot(name, "cuda", {"CUDA_VISIBLE_DEVICES": str(number), "CUDA_DEVICE_ORDER": "PCI_BUS_ID"})
    visible = [part.strip() for part in given.split(",") if part.strip()]
    if number >= len(visible):
        raise InputError(
            f"there is no {name}: CUDA_VISIBLE_DEVICES={given} shows {len(visible)}", mend="correct --devices"
        )
    return Slot(name, "cuda", {"CUDA_VISIBLE_DEVICES": visible[number]})


def parse_devices(text: str | None, configured: str) -> list[str]:
    """``--devices``, or what ``device`` of the configuration means here."""
    if text is not None:
        return [part.strip() for part in text.split(",") if part.strip()]
    if configured != "auto":
        return [configured]
    import torch

    if torch.cuda.is_available():
        return [f"cuda:{n}" for n in range(torch.cuda.device_count())]
    return ["mps"] if torch.backends.mps.is_available() else ["cpu"]


def threads_for(configured: int | None, deterministic: bool, jobs: int) -> int:
    """Threads of each fold's process.

    In deterministic mode it must not depend on how many folds run beside it: sums are split among threads.
    """
    if configured is not None:
        return configured
    if deterministic:
        return 1
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // jobs)
