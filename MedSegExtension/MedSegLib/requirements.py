"""The Python packages the worker needs: which are absent, and installing them after asking."""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from .workerHost import hasApplication

REQUIREMENTS = Path(__file__).resolve().parents[1] / "Resources" / "requirements.txt"


def requirements(path: Path = REQUIREMENTS) -> list[str]:
    """The lines of ``Resources/requirements.txt`` without comments."""
    lines = (line.partition("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line]


def missingRequirements(lines: list[str] | None = None) -> list[str]:
    """Those that are absent or too old. Looks at the installed packages' records; imports none of them."""
    from packaging.requirements import Requirement

    missing = []
    for line in requirements() if lines is None else lines:
        requirement = Requirement(line)
        try:
            satisfied = requirement.specifier.contains(version(requirement.name), prereleases=True)
        except PackageNotFoundError:
            satisfied = False
        if not satisfied:
            missing.append(line)
    return missing


def ensureRequirements(requester: str = "MedSeg") -> bool:
    """Install what is missing after asking the person; False where they declined. Call from the main thread only."""
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


def howToInstallAll() -> str:
    """The sentence that says how a person gets what the worker needs."""
    lines = missingRequirements() or requirements()
    if hasApplication():
        return f"press Segment in the module MedSeg, or run slicer.util.pip_install({lines!r}) in the Python console"
    return f"install them: {sys.executable} -m pip install {' '.join(lines)}"
