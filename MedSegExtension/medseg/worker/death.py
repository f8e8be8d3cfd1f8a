"""Why a worker process ended, in words that tell a person what to do."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable

from ..errors import WorkerDied
from ..packages import distribution

KILLED = "the worker process was killed, most likely because memory ran out"
OUT_OF_MEMORY = "close other programs, or use a smaller volume or a smaller model"

#: Windows exit statuses that are crashes or memory.
NT_STATUS = {
    0xC0000005: "access violation",
    0xC0000409: "stack buffer overrun",
    0xC00000FD: "stack overflow",
    0xC0000135: "a DLL is missing",
    0xC000001D: "illegal instruction: the processor is too old for a package",
}
NT_NO_MEMORY = (0xC0000017, 0xC000012D)


def explain(status: int | None, log: str, install: Callable[[str], str]) -> WorkerDied:
    """The error for a worker that ended with ``status`` (as `subprocess.Popen.returncode`) and left ``log``.

    ``install`` turns a distribution's name into the sentence that says how to install it.
    """
    number = _signal(status)
    missing = _last(r"ModuleNotFoundError: No module named '([\w.]+)'", log)
    broken = _last(r"^((?:ImportError|OSError: .*(?:DLL|shared object)).*)$", log)
    crash = _last(r"^Fatal Python error: (.+)$", log)
    if number == getattr(signal, "SIGKILL", 9) or status in NT_NO_MEMORY:
        return WorkerDied(KILLED, mend=OUT_OF_MEMORY, log=log)
    if number is not None:
        return WorkerDied(f"the worker process crashed ({_name(number)})", mend=REPORT, log=log)
    if status in NT_STATUS:
        return WorkerDied(f"the worker process crashed ({NT_STATUS[status]})", mend=REPORT, log=log)
    if crash:
        return WorkerDied(f"the worker process crashed ({crash})", mend=REPORT, log=log)
    if missing:
        if missing.partition(".")[0] == "medseg":
            return WorkerDied(
                "the worker's Python does not find the engine", mend="install the extension again", log=log
            )
        name = distribution(missing)
        return WorkerDied(f"the worker cannot start without the Python package {name}", mend=install(name), log=log)
    if "MemoryError" in log.rpartition("\n\n")[2]:
        return WorkerDied("the worker process ran out of memory", mend=OUT_OF_MEMORY, log=log)
    if broken:
        return WorkerDied(f"the worker cannot load a package ({broken})", mend="install that package again", log=log)
    if "exit abnormally" in log:  # Slicer's launcher says this of a child that a signal ended, and hides which
        return WorkerDied(KILLED, mend=OUT_OF_MEMORY, log=log)
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    last = f": {lines[-1][:300]}" if lines else ""
    return WorkerDied(f"the worker process ended with exit status {status}{last}", mend=REPORT, log=log)


REPORT = "try again, and report it with the log if it comes back"


def _signal(status: int | None) -> int | None:
    """The signal that ended the process, told directly or, through a shell or launcher, as 128 + number."""
    if status is None:
        return None
    if status < 0:
        return -status
    return status - 128 if 128 < status <= 128 + 64 else None


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _last(pattern: str, text: str) -> str | None:
    found = re.findall(pattern, text, flags=re.MULTILINE)
    return found[-1] if found else None
