"""The Python packages the worker needs: which are absent, too old or broken, and what to do about it."""

from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, distribution, distributions, version
from pathlib import Path

from .workerHost import hasApplication

RESOURCES = Path(__file__).resolve().parents[1] / "Resources"
REQUIREMENTS = RESOURCES / "requirements.txt"
OPTIONAL = RESOURCES / "optional-requirements.txt"


@dataclass(frozen=True)
class Readiness:
    """``state`` is "ready", "missing" or "old"; ``lines`` are the requirements to be met."""

    state: str
    lines: list[str] = field(default_factory=list)


def requirements(path: Path | None = None) -> list[str]:
    """The lines of ``Resources/requirements.txt`` without comments."""
    path = REQUIREMENTS if path is None else path
    lines = (line.partition("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line]


def requirementsOf(packages) -> list[str]:
    """The lines for packages that an error names. Those on neither list are left out: nothing is installed by a name
    that came from elsewhere."""
    from packaging.requirements import Requirement

    lines = {Requirement(line).name.lower(): line for line in (*requirements(), *requirements(OPTIONAL))}
    return [lines[name.lower()] for name in packages if name.lower() in lines]


def missingRequirements(lines: list[str] | None = None) -> list[str]:
    """Those that are absent or too old. Looks at the installed packages' records; imports none of them."""
    return checkRequirements(lines).lines


def checkRequirements(lines: list[str] | None = None) -> Readiness:
    """What the installed packages' records say."""
    from packaging.requirements import Requirement

    importlib.invalidate_caches()
    missing, absent = [], False
    for line in requirements() if lines is None else lines:
        requirement = Requirement(line)
        try:
            installed = version(requirement.name)
            satisfied = installed is not None and requirement.specifier.contains(installed, prereleases=True)
        except PackageNotFoundError:
            satisfied, absent = False, True
        if not satisfied:
            missing.append(line)
    if not missing:
        return Readiness("ready")
    return Readiness("missing" if absent else "old", missing)


def ensureRequirements(requester: str = "MedSeg") -> bool:
    """Install what is missing after asking the person in a dialog; False where they declined. For scripts that have a
    person before them; the window asks in its own panel. Call from the main thread only.
    """
    import slicer

    missing = missingRequirements()
    if not missing:
        return True
    try:
        import slicer.packaging
    except ImportError:  # Slicer 5.10
        question = f"{requester} needs these Python packages: {', '.join(missing)}. Download and install them now?"
        if not slicer.util.confirmOkCancelDisplay(question):
            return False
        slicer.util.pip_install(missing)
    else:
        try:
            slicer.packaging.pip_ensure(missing, requester=requester)
        except RuntimeError:  # declined
            return False
    return not missingRequirements()


def howToInstallAll(packages=()) -> str:
    """The sentence that says how a person gets what the worker needs, or the packages that an error names."""
    lines = requirementsOf(packages) or missingRequirements() or requirements()
    if "torch" in packages:  # on no list: in Slicer its own extension installs it, which knows the graphics driver
        if hasApplication():
            return "install it with Slicer's extension PyTorch"
        lines = ["torch"]
    if hasApplication():
        return f"use the module MedSeg, which asks, or run slicer.util.pip_install({lines!r}) in the Python console"
    return f"install them: {sys.executable} -m pip install {' '.join(lines)}"


def installedVersions() -> dict[str, str]:
    """Name (lower case) → version of every installed distribution."""
    importlib.invalidate_caches()
    return {str(d.metadata["Name"]).lower(): d.version for d in distributions() if d.metadata["Name"]}


def replacedWhileLoaded(names) -> list[str]:
    """Of packages that were just installed, those that this process had loaded before: it must be started again."""
    importlib.invalidate_caches()
    return sorted(name for name in names if any(module in sys.modules for module in _modulesOf(name)))


def _modulesOf(name: str) -> set[str]:
    """The top-level modules that an installed package brings. The record of that one package is read."""
    try:
        files = distribution(name).files or ()
    except PackageNotFoundError:
        return set()
    tops = {file.parts[0] for file in files if file.suffix in (".py", ".so", ".pyd") and ".." not in file.parts}
    return {top.partition(".")[0] for top in tops}
