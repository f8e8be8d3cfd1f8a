"""What Slicer installs is what the tree holds, and the extension's metadata is what the Extensions Index takes."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

spec = importlib.util.spec_from_file_location("update_cmake_lists", Path(__file__).with_name("update_cmake_lists.py"))
assert spec is not None and spec.loader is not None
update_cmake_lists = importlib.util.module_from_spec(spec)
spec.loader.exec_module(update_cmake_lists)


def in_checkout() -> bool:
    if shutil.which("git") is None:
        return False
    return subprocess.run(["git", "-C", str(ROOT), "rev-parse"], capture_output=True).returncode == 0


@pytest.mark.skipif(not in_checkout(), reason="needs git and a checkout")
@pytest.mark.parametrize("variable", ["MODULE_PYTHON_SCRIPTS", "MODULE_PYTHON_RESOURCES"])
def test_lists_equal_the_tree(variable):
    found = update_cmake_lists.listed(update_cmake_lists.CMAKE.read_text(encoding="utf-8"))[variable]
    assert found == update_cmake_lists.expected()[variable], "run python Testing/repository/update_cmake_lists.py"


def test_every_listed_file_exists():
    for names in update_cmake_lists.listed(update_cmake_lists.CMAKE.read_text(encoding="utf-8")).values():
        assert names
        for name in names:
            assert (ROOT / "MedSegExtension" / name).is_file(), name


def test_every_top_level_script_is_a_module():
    # Slicer takes each .py beside the module file for a module of its own.
    assert [p.name for p in (ROOT / "MedSegExtension").glob("*.py")] == ["MedSeg.py"]


def test_project_and_description_file_have_one_name():
    text = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    assert re.search(r"^project\((\w+)\)$", text, re.MULTILINE)[1] == "MedSegExtension"
    for name in ("HOMEPAGE", "CONTRIBUTORS", "DESCRIPTION", "ICONURL", "SCREENSHOTURLS", "DEPENDS"):
        assert re.search(rf'^set\(EXTENSION_{name} "[^"]+"\)$', text, re.MULTILINE), name
    assert "EXTENSION_CATEGORY" not in text  # it moved to the description file


def test_description_file_has_what_the_index_allows():
    data = json.loads((ROOT / "MedSegExtension.json").read_text(encoding="utf-8"))
    allowed = {
        "$schema",
        "category",
        "scm_url",
        "scm_revision",
        "scm_type",
        "build_dependencies",
        "build_subdirectory",
        "enabled",
        "tier",
    }
    assert {"$schema", "category", "scm_url"} <= set(data) <= allowed
    assert (data["category"], data["build_subdirectory"], data["build_dependencies"]) == ("Segmentation", ".", [])


@pytest.mark.parametrize("path", ["Resources/Icons/MedSegExtension.png", "MedSegExtension/Resources/Icons/MedSeg.png"])
def test_icons_are_128_pixels_square(path):
    header = (ROOT / path).read_bytes()[:24]
    assert header[:8] == b"\x89PNG\r\n\x1a\n"
    assert (int.from_bytes(header[16:20], "big"), int.from_bytes(header[20:24], "big")) == (128, 128)
