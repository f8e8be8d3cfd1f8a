"""The arrows between packages go one way, and heavy packages are loaded only by who needs them."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ENGINE = ROOT / "MedSegExtension" / "medseg"
SLICER_SIDE = ROOT / "MedSegExtension" / "MedSegLib"
TRAINING = ROOT / "training" / "medseg_training"

HEAVY = {
    "torch",
    "onnxruntime",
    "openvino",
    "keras",
    "skimage",
    "onnx",
    "monai",
    "networkx",
    "matplotlib",
    "safetensors",
}
#: Modules that are nothing without their package and are themselves imported only inside functions.
LEAVES = {"networks"}
SLICER_ONLY = {"slicer", "qt", "ctk", "vtk", "vtkmodules", "mrml"}


def imports(path: Path, top_level_only: bool) -> set[str]:
    """First parts of the names a file imports absolutely."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inside_functions = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef))
        for node in ast.walk(function)
    }
    typing_only = {
        id(node)
        for branch in ast.walk(tree)
        if isinstance(branch, ast.If) and "TYPE_CHECKING" in ast.dump(branch.test)
        for node in ast.walk(branch)
    }
    found = set()
    for node in ast.walk(tree):
        if top_level_only and (id(node) in inside_functions or id(node) in typing_only):
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.split(".")[0])
    return found


def files(folder: Path) -> list[Path]:
    found = sorted(folder.rglob("*.py"))
    assert found, f"no Python files in {folder}"
    return found


def test_the_engine_knows_neither_slicer_nor_those_who_call_it() -> None:
    for path in files(ENGINE):
        wrong = imports(path, top_level_only=False) & (SLICER_ONLY | {"MedSegLib", "MedSeg", "medseg_training"})
        assert not wrong, f"{path.relative_to(ROOT)} imports {wrong}"


def test_the_training_package_knows_nothing_of_slicer() -> None:
    for path in files(TRAINING):
        wrong = imports(path, top_level_only=False) & (SLICER_ONLY | {"MedSegLib", "MedSeg"})
        assert not wrong, f"{path.relative_to(ROOT)} imports {wrong}"


def test_the_slicer_side_runs_no_deep_learning() -> None:
    for path in [*files(SLICER_SIDE), ROOT / "MedSegExtension" / "MedSeg.py"]:
        wrong = imports(path, top_level_only=False) & (HEAVY | {"medseg_training", "SimpleITK"})
        assert not wrong, f"{path.relative_to(ROOT)} imports {wrong}"


def test_heavy_packages_are_imported_inside_functions() -> None:
    for path in files(ENGINE):
        place = path.relative_to(ENGINE).parts
        if place[0] in LEAVES:
            continue
        allowed = {"typer", "rich"} if place[0] == "cli" else set()
        wrong = imports(path, top_level_only=True) & (HEAVY | ({"typer", "rich"} - allowed))
        assert not wrong, f"{path.relative_to(ROOT)} imports {wrong} at file scope"


def test_leaves_are_imported_inside_functions_only() -> None:
    for path in files(ENGINE):
        if path.relative_to(ENGINE).parts[0] in LEAVES:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in tree.body:
            if isinstance(node, ast.ImportFrom) and node.module:
                assert not set(node.module.split(".")) & LEAVES, (
                    f"{path.relative_to(ROOT)} imports a leaf at file scope"
                )


@pytest.mark.parametrize(
    "module",
    [
        "medseg",
        "medseg.pipeline",
        "medseg.models",
        "medseg.worker",
        "medseg.client",
        "medseg.io",
        "medseg.metrics",
        "medseg.ducts",
        "medseg.phantom",
        "medseg.cli",
    ],
)
def test_importing_loads_no_heavy_package(module: str) -> None:
    code = f"import sys, {module}; print(' '.join(sorted({HEAVY!r} & set(sys.modules))))"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
