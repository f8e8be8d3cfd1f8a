"""The machine apart from GPUs and disks: processor, memory, limits, language, clock, what keeps a session alive."""

from __future__ import annotations

import locale
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

from .finding import Finding, gib

#: Python versions that the project is tested with.
OLDEST_PYTHON, NEWEST_PYTHON = (3, 11), (3, 13)
ENOUGH_MEMORY = 8 * 2**30
ENOUGH_SHARED = 2**30
ENOUGH_FILES = 1024


def architecture() -> Finding:
    """x86_64 and arm64 have wheels of everything; others do not."""
    machine = platform.machine()
    values = {"machine": machine, "system": platform.system(), "cores": os.cpu_count()}
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    cores = f"{allowed} of {os.cpu_count()} cores" if allowed != os.cpu_count() else f"{allowed} cores"
    what = f"{machine}, {platform.system()} {platform.release()}, {cores}"
    if machine.lower() in ("x86_64", "amd64", "aarch64", "arm64"):
        return Finding("architecture", "ok", what, values=values)
    return Finding("architecture", "warn", what, "there may be no wheels of torch for it: use x86_64 or arm64", values)


def python() -> Finding:
    """The version, and whether this is a virtual environment."""
    version = platform.python_version()
    inside = sys.prefix != sys.base_prefix
    what = f"Python {version} in {sys.prefix}"
    values = {"version": version, "virtual_environment": inside}
    if not OLDEST_PYTHON <= sys.version_info[:2] <= NEWEST_PYTHON:
        return Finding("Python", "warn", what, "make the environment with Python 3.11, 3.12 or 3.13", values)
    if not inside:
        return Finding(
            "Python",
            "warn",
            f"{what}, not a virtual environment",
            "python3 -m venv ~/medseg-env, so that other people's packages do not change yours",
            values,
        )
    return Finding("Python", "ok", what, values=values)


def memory() -> Finding:
    """What may be used: the machine's memory or the container's, whichever is less."""
    free, total = _memory()
    if total == 0:
        return Finding("memory", "ok", "not told by this system")
    limit = _container_limit()
    note = ""
    if limit is not None and limit < total:
        free, total, note = min(free, limit), limit, ", limited by the container or job"
    values = {"available_bytes": free, "total_bytes": total}
    what = f"{gib(free)} of {gib(total)} available{note}"
    if free < ENOUGH_MEMORY:
        mend = "close other programs or ask the scheduler for more; storage: disk keeps training slices out of memory"
        return Finding("memory", "warn", what, mend, values)
    return Finding("memory", "ok", what, values=values)


def _memory() -> tuple[int, int]:
    """(available, total) in bytes, zeros where the system does not tell."""
    file = Path("/proc/meminfo")
    if file.is_file():
        lines = dict(line.split(":", 1) for line in file.read_text().splitlines() if ":" in line)
        read = {key: int(lines[key].split()[0]) * 1024 for key in ("MemAvailable", "MemTotal") if key in lines}
        return read.get("MemAvailable", 0), read.get("MemTotal", 0)
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return 0, 0
    return total, total


def _container_limit() -> int | None:
    for name in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            return int(Path(name).read_text())
        except (OSError, ValueError):  # absent, or "max"
            continue
    return None


def shared_memory() -> Finding:
    """``/dev/shm``: what NCCL and data loaders of other programs talk through; 64 MB in an unconfigured container."""
    if not Path("/dev/shm").is_dir():
        return Finding("shared memory", "ok", "no /dev/shm on this system; medseg does not need it")
    size = shutil.disk_usage("/dev/shm").total
    what = f"/dev/shm has {gib(size)}"
    if size < ENOUGH_SHARED:
        mend = "start the container with --shm-size=8g; several GPUs (torchrun) and other trainers need it"
        return Finding("shared memory", "warn", what, mend, {"bytes": size})
    return Finding("shared memory", "ok", what, values={"bytes": size})


def open_files() -> Finding:
    """``ulimit -n``."""
    try:
        import resource
    except ImportError:  # Windows
        return Finding("open files", "ok", "not limited so on this system")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = soft == resource.RLIM_INFINITY
    what = "unlimited" if unlimited else f"{soft} at once (at most {hard} may be set)"
    if not unlimited and soft < ENOUGH_FILES:
        return Finding("open files", "warn", what, "ulimit -n 4096, in ~/.profile to keep it", {"soft": soft})
    return Finding("open files", "ok", what, values={"soft": soft})


def language() -> Finding:
    """Whether file names and logs with é in them survive."""
    encoding = locale.getpreferredencoding(False)
    names = sys.getfilesystemencoding()
    what = f"text is {encoding}, file names are {names}"
    values = {"encoding": encoding}
    if {e.lower().replace("-", "") for e in (encoding, names)} != {"utf8"}:
        return Finding("language", "warn", what, "export LANG=C.UTF-8, in ~/.profile to keep it", values)
    return Finding("language", "ok", what, values=values)


def clock() -> Finding:
    """Whether the clock is kept right, where the system tells."""
    program = shutil.which("timedatectl")
    if program is not None:
        try:
            show = [program, "show", "-p", "NTPSynchronized", "--value"]
            answer = subprocess.run(show, capture_output=True, text=True, timeout=10, check=False).stdout.strip()
        except (OSError, subprocess.TimeoutExpired):
            answer = ""
        if answer == "yes":
            return Finding("clock", "ok", "kept right over the network")
        if answer == "no":
            mend = "ask the administrator for NTP: files from several servers get times out of order"
            return Finding("clock", "warn", "not kept right over the network", mend)
    return Finding("clock", "ok", "the system does not tell who keeps it; compared with the disks' below")


def session() -> Finding:
    """Whether a long run survives the end of the SSH connection."""
    inside = next((name for name in ("TMUX", "STY", "SLURM_JOB_ID", "PBS_JOBID") if os.environ.get(name)), None)
    if inside:
        return Finding("session", "ok", f"started inside {inside}: it outlives the connection")
    if "SSH_CONNECTION" not in os.environ:
        return Finding("session", "ok", "not over SSH")
    tool = next((t for t in ("tmux", "screen") if shutil.which(t)), None)
    mend = f"start it first: {tool}" if tool else "ask for tmux, or start long runs with nohup"
    return Finding("session", "warn", "over SSH: a run ends with the connection", mend)
