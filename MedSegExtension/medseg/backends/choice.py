"""Which backend and device a model runs on, and why."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import InputError
from .probe import BACKENDS, DeviceInfo, may_have_gpu, probe_devices

#: How the probe words a package that is absent.
_NOT_INSTALLED = "is needed and not installed"

_DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d+)?")


@dataclass(frozen=True)
class Choice:
    """A backend, its device, and in plain words why this one."""

    backend: str
    device: str
    why: str


def choose_device(device: str = "auto", backends: Sequence[str] = BACKENDS) -> Choice:
    """Choose among ``backends`` (best first) for ``device``: "auto", "cpu", "cuda", "cuda:1", "mps".

    Each candidate is tried with a real operation first. "auto" takes a GPU where one works, else the CPU; among
    equals the order of ``backends`` decides.

    Raises
    ------
    InputError : the device is not known or does not work with any of the backends; the reasons are in the message.
    MissingPackageError : none of the backends is installed.
    """
    if not _DEVICE.fullmatch(device):
        raise InputError(f"there is no device {device!r}", mend="use auto, cpu, cuda, cuda:1, ... or mps")
    found = _probe(device, backends)
    order = {name: number for number, name in enumerate(backends)}
    matching = [info for info in found if _matches(info, device)]
    usable = [info for info in matching if info.usable]
    if not usable:
        _refuse(device, backends, found, matching)
    usable.sort(key=lambda info: (info.device == "cpu", order[info.backend]))
    best = usable[0]
    return Choice(best.backend, best.device, _why(device, best, found, order))


def _probe(device: str, backends: Sequence[str]) -> list[DeviceInfo]:
    """Probe in order and stop where no later backend could be chosen: each import costs time and memory."""
    found: list[DeviceInfo] = []
    for backend in backends:
        settled = any(info.usable and _matches(info, device) for info in found)
        if settled and (device != "auto" or not may_have_gpu(backend)):
            continue
        found += probe_devices((backend,))
    return found


def _matches(info: DeviceInfo, device: str) -> bool:
    return device == "auto" or info.device == device or (device == "cuda" and info.device.startswith("cuda"))


def _why(device: str, best: DeviceInfo, found: Sequence[DeviceInfo], order: dict[str, int]) -> str:
    if device != "auto":
        text = f"{best.backend} on {best.device}, as asked for"
    elif best.device == "cpu":
        text = f"{best.backend} on the CPU ({best.name}): no GPU is usable"
    else:
        text = f"{best.backend} on {best.device} ({best.name}): a GPU that works comes first"
    passed = [
        f"{info.backend} on {info.device} does not work: {info.reason}"
        for info in found
        if not info.usable
        and _matches(info, device)
        # That a package was never installed is no news; that one is and does not work is.
        and not (info.device == "cpu" and _NOT_INSTALLED in info.reason)
        and (info.device != "cpu" or order[info.backend] < order[best.backend])
    ]
    return "; ".join((text, *passed))


def _refuse(device: str, backends: Sequence[str], found: Sequence[DeviceInfo], matching: Sequence[DeviceInfo]) -> None:
    from ..errors import MissingPackageError
    from .base import INSTALL

    missing = [info for info in found if not info.usable and _NOT_INSTALLED in info.reason]
    if len(missing) == len(found):
        installs = " or ".join(INSTALL[name] for name in backends)
        # The smallest one is enough, where the model runs on it.
        package = "onnxruntime" if "onnxruntime" in backends else backends[0]
        raise MissingPackageError(
            f"none of the backends {', '.join(backends)} is installed", mend=installs, packages=[package]
        )
    reasons = [f"{info.backend}: {info.reason}" for info in matching if info.reason] or ["no such device was found"]
    usable = ", ".join(sorted({info.device for info in found if info.usable})) or "none"
    raise InputError(f"device {device} is not usable ({'; '.join(reasons)})", mend=f"usable here: {usable}")
