"""The lists of packages that Slicer installs say what the distribution says."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from medseg.packages import MEASURING
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
RESOURCES = ROOT / "MedSegExtension" / "Resources"


def listed(name: str) -> dict[str, Requirement]:
    text = (RESOURCES / name).read_text(encoding="utf-8")
    found = [Requirement(line) for line in text.splitlines() if line and not line.startswith("#")]
    return {requirement.name: requirement for requirement in found}


@pytest.mark.parametrize("name", ["requirements.txt", "optional-requirements.txt"])
def test_bounds_are_those_of_the_package(name: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    known: dict[str, set[str]] = {}
    for lines in (project["dependencies"], *project["optional-dependencies"].values()):
        for requirement in map(Requirement, lines):
            known.setdefault(requirement.name.lower(), set()).add(str(requirement.specifier))
    for requirement in listed(name).values():
        assert str(requirement.specifier) in known[requirement.name.lower()], requirement


def test_what_errors_ask_for_is_on_the_lists() -> None:
    both = {**listed("requirements.txt"), **listed("optional-requirements.txt")}
    # What opens models of each kind, and what measures; PyTorch comes by its own extension.
    assert {"onnxruntime", "openvino", "h5py", "pyyaml", "safetensors", *MEASURING} <= set(both)
