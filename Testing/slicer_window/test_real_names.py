"""Every name of `slicer`, `qt` and `ctk` that the module uses exists in the real application.

`Testing/standins/real_names.txt` was recorded there. The slicer-core wheel would not notice: it leaks functions of
`slicer.util` into `slicer`, and has no Qt.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RECORDED = ROOT / "Testing" / "standins" / "real_names.txt"
FILES = [ROOT / "MedSegExtension" / "MedSeg.py", *sorted((ROOT / "MedSegExtension" / "MedSegLib").glob("*.py"))]

#: Used only where they are there (hasattr, try), or absent from the private build that was recorded: name -> why.
GUARDED = {
    "slicer.packaging": "a submodule, imported; Slicer 5.10 has none",
    "slicer.qSlicerDICOMExportDialog": "only where DICOM is built in; asked with hasattr",
    "slicer.modules": "a namespace that fills itself",
    "slicer.mrmlScene": "set at start-up",
}


def used(path: Path) -> dict[str, int]:
    """Dotted names that begin with slicer, qt or ctk -> line; three parts for qt and ctk, three for util and app."""
    found = {}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        parts, inner = [], node
        while isinstance(inner, ast.Attribute):
            parts.append(inner.attr)
            inner = inner.value
        if not isinstance(inner, ast.Name) or inner.id not in ("slicer", "qt", "ctk") or not parts:
            continue
        name = [inner.id, *reversed(parts)]
        depth = 3 if name[0] != "slicer" or name[1] in ("util", "app") else 2
        found[".".join(name[:depth])] = node.lineno
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module in ("slicer", "slicer.util"):
            found |= {f"{node.module}.{alias.name}": node.lineno for alias in node.names}
    return found


@pytest.fixture(scope="module")
def real() -> set[str]:
    return set(RECORDED.read_text(encoding="utf-8").splitlines()[1:])


def test_the_record_is_of_the_real_application(real):
    first = RECORDED.read_text(encoding="utf-8").splitlines()[0]
    assert first.startswith("# Slicer 5.") and "Qt 5" in first
    assert len(real) > 1500
    # What the wheel has and the application has not: the record must tell them apart.
    assert "slicer.util.getNode" in real and "slicer.getNode" not in real


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_name_exists_there(real, path):
    absent = {
        name: line
        for name, line in used(path).items()
        if name not in real and not any(name == known or name.startswith(f"{known}.") for known in GUARDED)
    }
    assert not absent, f"not in the real application: {absent}"


def test_a_name_that_is_not_there_is_found(real, tmp_path):
    (tmp_path / "wrong.py").write_text(
        "import qt, slicer\nslicer.getNode('a')\nqt.QPushButton\nqt.QFileDialog.nothing()\n"
    )
    absent = {name for name in used(tmp_path / "wrong.py") if name not in real}
    assert {"slicer.getNode", "qt.QFileDialog.nothing"} <= absent and "qt.QPushButton" not in absent
