"""Conventions of Slicer's extensions that a reviewer looks for."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

MODULE = Path(__file__).resolve().parents[2] / "MedSegExtension"
FILES = [MODULE / "MedSeg.py", *sorted((MODULE / "MedSegLib").glob("*.py"))]

#: What Slicer brings: its own packages, VTK, numpy; the standard library; ours.
BROUGHT = {
    "slicer",
    "qt",
    "ctk",
    "vtk",
    "numpy",
    "medseg",
    "MedSegLib",
    "SampleData",
    "packaging",
    *sys.stdlib_module_names,
}


def test_nothing_is_imported_that_slicer_lacks():
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module]
            assert {name.partition(".")[0] for name in names} <= BROUGHT, (path.name, names)


def test_files_run_nothing_when_they_are_imported():
    kinds = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign)
    for path in FILES:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            program = isinstance(node, ast.If) and path.stem == "sceneBundle"
            assert isinstance(node, kinds) or docstring or program, f"{path.name}:{node.lineno}"


def test_there_is_no_styling_and_no_old_import():
    for path in [*FILES, *sorted((MODULE / "Resources" / "UI").glob("*.ui"))]:
        text = path.read_text(encoding="utf-8")
        assert "styleSheet" not in text and "import imp\n" not in text, path.name


def test_a_run_leaves_no_deep_learning_in_the_application():
    """In a process of its own, so that no other test has loaded anything."""
    program = f"""
import sys
sys.path[:0] = [{str(MODULE)!r}]
import slicer, importlib.util, types
place = {str(MODULE.parent / "Testing" / "standins")!r}
spec = importlib.util.spec_from_file_location("standins", place + "/__init__.py", submodule_search_locations=[place])
sys.modules["standins"] = importlib.util.module_from_spec(spec)
from standins.mrml import mrml_application
application = mrml_application()
slicer.mrmlScene = application.scene
slicer.modules = types.SimpleNamespace()
i18n = types.ModuleType("slicer.i18n")
i18n.tr = lambda text: text
sys.modules["slicer.i18n"] = i18n
from MedSegLib import selfTest
from MedSegLib.segmentationJob import SegmentationJob
from MedSegLib.workerHost import closeSharedHost, sharedHost
with selfTest.testModel() as model:
    result = SegmentationJob(sharedHost(), selfTest.addVolume(selfTest.blockArray()), model, device="cpu").wait()
closeSharedHost()
assert not result.empty
print(sorted({{"torch", "onnxruntime", "openvino", "keras", "skimage", "networkx"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
