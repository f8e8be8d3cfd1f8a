"""Where a network trains, in which number format, and what is switched on there."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import torch
from medseg.errors import InputError

Precision = Literal["fp32", "bf16"]
_MEMORY: Any = torch.utils.deterministic


def choose_device(wanted: str, local_rank: int | None = None) -> torch.device:
    """``auto`` (a CUDA device, else Apple's, else the CPU), ``cpu``, ``mps``, ``cuda`` or ``cuda:1``.

    ``local_rank`` : number of this process among those that torchrun started on this machine; each takes its own card.
    Raises InputError where the device is not there.
    """
    name = wanted
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        device = torch.device("meta")
    if device.type not in ("cpu", "cuda", "mps"):
        raise InputError(f"there is no device {wanted!r}", mend="use auto, cpu, cuda, cuda:1 or mps")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise InputError("this machine has no Apple GPU that torch can use", mend="set device: auto")
    if device.type != "cuda":
        return device
    if not torch.cuda.is_available():
        built = "this torch is built without CUDA" if torch.version.cuda is None else "torch sees no CUDA device"
        raise InputError(built, mend="run `medseg doctor`, or set device: cpu")
    index = device.index if device.index is not None else (local_rank or 0)
    if index >= torch.cuda.device_count():
        raise InputError(
            f"there is no device cuda:{index}, torch sees {torch.cuda.device_count()}",
            mend="correct `device`, CUDA_VISIBLE_DEVICES or the number of processes",
        )
    return torch.device("cuda", index)


def choose_precision(
    wanted: Literal["auto", "fp32", "bf16"], device: torch.device | None = None, *, deterministic: bool = False
) -> Precision:
    """``auto``: bf16 where the hardware multiplies it natively (emulated bf16 is slower than fp32); fp32 for
    deterministic runs.
    """
    if wanted != "auto":
        return wanted
    if deterministic or (device is not None and device.type == "mps"):
        return "fp32"
    if device is not None and device.type == "cuda":
        return "bf16" if torch.cuda.get_device_capability(device) >= (8, 0) else "fp32"
    capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return "bf16" if any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16")) else "fp32"


@contextlib.contextmanager
def numerics(device: torch.device, *, deterministic: bool) -> Iterator[None]:
    """Speed where nothing else is asked for (TF32, cuDNN's search for the fastest kernels), and in deterministic mode
    only kernels that give the same bits each time. What was set before is set again afterwards.
    """
    before = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        _MEMORY.fill_uninitialized_memory,
        torch.backends.cudnn.benchmark,
        torch.backends.cudnn.deterministic,
        torch.backends.cudnn.allow_tf32,
        torch.backends.cuda.matmul.allow_tf32,
    )
    if deterministic and device.type == "cuda":
        # cuBLAS reads it when its first handle is made; without it, matrix products may differ between runs.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(deterministic)
    _MEMORY.fill_uninitialized_memory = False  # it costs time, and nothing here reads such memory
    torch.backends.cudnn.benchmark = not deterministic
    torch.backends.cudnn.deterministic = deterministic
    torch.backends.cudnn.allow_tf32 = not deterministic
    torch.backends.cuda.matmul.allow_tf32 = not deterministic
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        _MEMORY.fill_uninitialized_memory = before[2]
        torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = before[3], before[4]
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before[5], before[6]


@contextlib.contextmanager
def exact_fp32() -> Iterator[None]:
    """No TF32: what is validated is computed as the exported file will be."""
    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before


def free_memory(device: torch.device) -> int | None:
    """Bytes that are free on the device; None where nobody says."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    if device.type == "mps":
        return int(torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory())
    return available_ram()


def available_ram() -> int | None:
    """Bytes of memory that can be had without swapping, a container's limit counted; None where nobody says."""
    found = []
    with contextlib.suppress(OSError, StopIteration, ValueError, IndexError):
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        found.append(next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")))
    with contextlib.suppress(OSError, StopIteration, ValueError, IndexError):
        group = Path("/sys/fs/cgroup")
        limit, used = (int((group / name).read_text()) for name in ("memory.max", "memory.current"))
        lines = (group / "memory.stat").read_text().splitlines()
        cached = next(int(line.split()[1]) for line in lines if line.startswith("inactive_file "))
        found.append(limit - used + cached)
    if not found and hasattr(os, "sysconf"):
        with contextlib.suppress(OSError, ValueError):
            found.append(os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    return min(found) if found else None


def name_of(device: torch.device) -> str:
    """For a person: ``cuda:0 (NVIDIA H100)``, ``CPU``."""
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return "Apple GPU" if device.type == "mps" else "CPU"
