"""What ``nvidia-smi`` says of the driver and the GPUs. It needs neither CUDA nor torch, and tells what is wrong."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass

from .finding import Finding, gib

#: Asked for in this order; an old driver that does not know the last ones is asked for the first four alone.
FIELDS = ("index", "name", "memory.total", "memory.free", "compute_cap", "mig.mode.current", "compute_mode")
OLD_FIELDS = FIELDS[:4]
TIMEOUT_S = 60

#: What nvidia-smi says when it cannot answer, and what helps.
TROUBLES = (
    (
        "Driver/library version mismatch",
        "the driver was updated under a running kernel",
        "restart the server (or ask for it), nothing else helps",
    ),
    (
        "couldn't communicate with the NVIDIA driver",
        "the driver is not loaded",
        "ask the administrator (a new kernel needs the driver built again); in a container, start it with --gpus all",
    ),
    (
        "No devices were found",
        "the driver runs and finds no GPU",
        "ask the administrator: a GPU has dropped off the bus",
    ),
    (
        "Insufficient Permissions",
        "this account may not use the GPUs",
        "ask for membership in the group that /dev/nvidia0 belongs to",
    ),
)


@dataclass(frozen=True)
class Gpu:
    """One GPU as the driver sees it; memory in bytes, ``capability`` such as (9, 0) where it is told."""

    index: int
    name: str
    total: int
    free: int
    capability: tuple[int, int] | None = None
    mig: bool = False
    exclusive: bool = False


@dataclass(frozen=True)
class Driver:
    """The driver: its version, and the newest CUDA it serves, as numbers."""

    version: tuple[int, ...]
    cuda: tuple[int, ...] | None
    gpus: tuple[Gpu, ...]

    @property
    def text(self) -> str:
        return ".".join(str(n) for n in self.version)


def look_for_driver() -> tuple[Driver | None, Finding]:
    """Ask ``nvidia-smi``. None where there is no working driver."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return None, Finding(
            "driver",
            "warn",
            "no nvidia-smi: this machine has no NVIDIA driver",
            "training runs on the CPU; on a GPU server ask the administrator for the driver",
        )
    header = _ask(program)
    if isinstance(header, Finding):
        return None, header
    table = _ask(program, f"--query-gpu={','.join(FIELDS)}", "--format=csv,noheader,nounits")
    if isinstance(table, Finding):
        table = _ask(program, f"--query-gpu={','.join(OLD_FIELDS)}", "--format=csv,noheader,nounits")
    if isinstance(table, Finding):
        return None, table
    driver = parse(header, table)
    if driver is None:
        return None, Finding(
            "driver", "fail", "nvidia-smi's answer is not understood", "run nvidia-smi by hand and read what it says"
        )
    serves = f", serves CUDA up to {'.'.join(map(str, driver.cuda))}" if driver.cuda else ""
    values = {"version": driver.text, "cuda": driver.cuda}
    return driver, Finding("driver", "ok", f"NVIDIA driver {driver.text}{serves}", values=values)


def parse(header: str, table: str) -> Driver | None:
    """The plain output of ``nvidia-smi`` and its CSV table → the driver; None where there is no version in them."""
    version = re.search(r"Driver Version:\s*([\d.]+)", header)
    if version is None:
        return None
    # Newer drivers write "CUDA UMD Version".
    cuda = re.search(r"CUDA (?:UMD )?Version:\s*([\d.]+)", header)
    gpus = []
    for line in table.strip().splitlines():
        cells = [cell.strip() for cell in line.split(",")]
        if len(cells) < len(OLD_FIELDS) or not cells[0].isdigit():
            continue
        more = dict(zip(FIELDS, cells, strict=False))
        capability = re.fullmatch(r"(\d+)\.(\d+)", more.get("compute_cap", ""))
        gpus.append(
            Gpu(
                index=int(cells[0]),
                name=cells[1],
                total=_mebibytes(cells[2]),
                free=_mebibytes(cells[3]),
                capability=(int(capability[1]), int(capability[2])) if capability else None,
                mig=more.get("mig.mode.current") == "Enabled",
                exclusive=more.get("compute_mode", "").startswith("Exclusive"),
            )
        )
    return Driver(_numbers(version[1]), _numbers(cuda[1]) if cuda else None, tuple(gpus))


def gpu_memory(driver: Driver) -> list[Finding]:
    """A line for each GPU: what it is and how much of it is free."""
    found = []
    for gpu in driver.gpus:
        name = f"GPU {gpu.index}"
        what = f"{gpu.name}, {gib(gpu.free)} of {gib(gpu.total)} free"
        values = {"name": gpu.name, "free_bytes": gpu.free, "total_bytes": gpu.total, "capability": gpu.capability}
        if gpu.total == 0:  # Grace-Hopper and MIG parents do not always tell
            what, state, mend = f"{gpu.name}; its memory is not told", "ok", ""
        elif gpu.free < 0.5 * gpu.total:
            state = "warn"
            mend = "somebody computes there (nvidia-smi shows who); CUDA_VISIBLE_DEVICES or --devices chooses another"
        else:
            state, mend = "ok", ""
        if gpu.mig:
            what += ", divided (MIG)"
        if gpu.exclusive:
            state = "warn"
            mend = "one process at a time may use it (compute mode exclusive): run folds with --jobs 1 for each GPU"
        found.append(Finding(name, state, what, mend, values))  # type: ignore[arg-type]
    return found


def _ask(program: str, *arguments: str) -> str | Finding:
    try:
        answer = subprocess.run(
            [program, *arguments], capture_output=True, text=True, timeout=TIMEOUT_S, errors="replace", check=False
        )
    except subprocess.TimeoutExpired:
        return Finding(
            "driver",
            "fail",
            f"nvidia-smi has not answered for {TIMEOUT_S} s: the driver hangs",
            "ask the administrator to restart the server",
        )
    except OSError as error:
        return Finding("driver", "fail", f"nvidia-smi does not start ({error.strerror})", "ask the administrator")
    text = answer.stdout + answer.stderr
    for words, what, mend in TROUBLES:
        if words in text:
            return Finding("driver", "fail", f"{what} (nvidia-smi: {words})", mend)
    if answer.returncode != 0:
        first = next((line.strip() for line in text.splitlines() if line.strip()), "nothing")
        return Finding(
            "driver",
            "fail",
            f"nvidia-smi ends with status {answer.returncode} and says: {first}",
            "run nvidia-smi by hand; ask the administrator",
        )
    return answer.stdout


def _mebibytes(text: str) -> int:
    """Grace-Hopper and MIG parents write "[N/A]"."""
    return int(float(text) * 2**20) if re.fullmatch(r"[\d.]+", text) else 0


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(n) for n in text.strip(".").split("."))
