"""The .ui file and the code that uses it name the same things."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

MODULE = Path(__file__).resolve().parents[2] / "MedSegExtension"
MAIN = (MODULE / "MedSeg.py").read_text(encoding="utf-8")
CODE = MAIN + "".join(p.read_text(encoding="utf-8") for p in sorted((MODULE / "MedSegLib").glob("*.py")))
UIS = [ElementTree.parse(path).getroot() for path in sorted((MODULE / "Resources" / "UI").glob("*.ui"))]

WIDGETS = {widget.get("name"): widget.get("class") for ui in UIS for widget in ui.iter("widget")}


def elements(tag: str) -> list:
    """All elements of that name in all .ui files."""
    return [element for ui in UIS for element in ui.iter(tag)]


def test_every_widget_the_code_uses_is_there():
    used = set(re.findall(r"\bui\.(\w+)", CODE))
    assert used and used <= set(WIDGETS)


def test_every_parameter_name_is_a_field_of_the_parameter_node():
    body = re.search(r"class MedSegParameterNode:.*?\n\n\n", MAIN, re.DOTALL)[0]
    fields = set(re.findall(r"^    (\w+): ", body, re.MULTILINE))
    names = {p.find("string").text for p in elements("property") if p.get("name") == "SlicerParameterName"}
    assert names and names <= fields


def test_every_class_that_is_not_qts_is_declared():
    declared = {c.find("class").text for c in elements("customwidget")}
    assert {c for c in WIDGETS.values() if not c.startswith("Q")} == declared


def test_every_node_selector_gets_the_scene():
    selectors = {name for name, kind in WIDGETS.items() if kind == "qMRMLNodeComboBox"}
    connections = [c for c in elements("connection") if c.find("signal").text.startswith("mrmlSceneChanged")]
    connected = {c.find("receiver").text for c in connections}
    assert selectors == connected


#: What each class really has (Qt 5 and 6, CTK and Slicer's headers). A wrong signature connects to nothing in silence.
SIGNALS = {
    "QPushButton": {"clicked(bool)", "toggled(bool)"},
    "QCheckBox": {"toggled(bool)"},
    "QComboBox": {"activated(int)"},
    "QTableWidget": {"cellDoubleClicked(int,int)", "cellClicked(int,int)"},
    "qMRMLNodeComboBox": {"currentNodeChanged(vtkMRMLNode*)"},
    "ctkPathLineEdit": {"currentPathChanged(QString)"},
    "QTextBrowser": {"anchorClicked(QUrl)"},
    "ctkSliderWidget": {"valueChanged(double)"},
}


@pytest.mark.parametrize(("widget", "signal"), re.findall(r'\bui\.(\w+)\.connect\("([^"]+)"', CODE))
def test_signals_are_those_the_classes_have(widget, signal):
    assert signal in SIGNALS[WIDGETS[widget]]


def test_the_keyboard_goes_through_every_control_once():
    order = [stop.text for stop in elements("tabstop")]
    assert len(order) == len(set(order)) and set(order) <= set(WIDGETS)
    controls = ("Button", "CheckBox", "SpinBox", "Slider", "Selector", "LineEdit", "Table")
    reached = {n for n, kind in WIDGETS.items() if n.endswith(controls) and kind != "ctkCollapsibleButton"}
    assert reached - set(order) == {"restartButton"}


def test_every_control_has_a_tooltip():
    for widget in elements("widget"):
        if widget.get("class") in ("QPushButton", "QToolButton", "QCheckBox", "QComboBox", "qMRMLNodeComboBox"):
            tips = [p.find("string").text for p in widget.findall("property") if p.get("name") == "toolTip"]
            assert tips and tips[0], widget.get("name")


def test_the_label_of_research_use_stands_in_the_window():
    texts = [p.find("string").text or "" for p in elements("property") if p.get("name") == "text"]
    assert any("Research use only" in text for text in texts)
