"""All the doctor's lines in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from . import machine
from .devices import judge_build, judge_devices, run_trial
from .finding import Finding
from .nvidia import gpu_memory, look_for_driver
from .packages import packages
from .storage import disk, folders


def examine(run: Path | None = None) -> Iterator[Finding]:
    """Look at everything; each finding comes as soon as it is known. No check that breaks hides the others."""
    for check in (machine.architecture, machine.python):
        yield from _guarded(check)
    yield from _guarded(packages)
    driver, finding = look_for_driver()
    yield finding
    if driver is not None:
        yield from gpu_memory(driver)
    report = run_trial()
    if isinstance(report, Finding):
        yield report
    else:
        yield judge_build(report, driver)
        yield from judge_devices(report, driver)
    for check in (machine.memory, machine.shared_memory, machine.open_files):
        yield from _guarded(check)
    for name, path in folders(run).items():
        yield from _guarded(lambda name=name, path=path: disk(name, path), name)  # type: ignore[misc]
    for check in (machine.language, machine.clock, machine.session):
        yield from _guarded(check)


def _guarded(check: Callable[[], Finding], name: str | None = None) -> Iterator[Finding]:
    try:
        yield check()
    except Exception as error:  # a machine may be odd in ways nobody thought of
        what = f"could not be looked at ({type(error).__name__}: {error})"
        yield Finding(
            name or str(getattr(check, "__name__", "check")), "warn", what, "look at it by hand, and report it"
        )
