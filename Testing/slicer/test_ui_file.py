"""The .ui file and the code that uses it name the same things."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

MODULE = Path(__file__).resolve().parents[2] / "MedSegExtension"
CODE = (MODULE / "MedSeg.py").read_text(encoding="utf-8")
UI = ElementTree.parse(MODULE / "Resources" / "UI" / "MedSeg.ui").getroot()

WIDGETS = {widget.get("name"): widget.get("class") for widget in UI.iter("widget")}


def test_every_widget_the_code_uses_is_there():
    used = set(re.findall(r"self\.ui\.(\w+)", CODE))
    assert used and used <= set(WIDGETS)


def test_every_parameter_name_is_a_field_of_the_parameter_node():
    body = re.search(r"class MedSegParameterNode:.*?\n\n\n", CODE, re.DOTALL)[0]
    fields = set(re.findall(r"^    (\w+): ", body, re.MULTILINE))
    names = {p.find("string").text for p in UI.iter("property") if p.get("name") == "SlicerParameterName"}
    assert names and names <= fields


def test_every_class_that_is_not_qts_is_declared():
    declared = {c.find("class").text for c in UI.iter("customwidget")}
    assert {c for c in WIDGETS.values() if not c.startswith("Q")} == declared


def test_every_node_selector_gets_the_scene():
    selectors = {name for name, kind in WIDGETS.items() if kind == "qMRMLNodeComboBox"}
    connections = [c for c in UI.iter("connection") if c.find("signal").text.startswith("mrmlSceneChanged")]
    connected = {c.find("receiver").text for c in connections}
    assert selectors == connected


@pytest.mark.parametrize(("widget", "signal"), re.findall(r'self\.ui\.(\w+)\.connect\("([^"]+)"', CODE))
def test_signals_are_those_the_classes_have(widget, signal):
    # A wrong signature connects to nothing and says nothing.
    known = {"QPushButton": {"clicked(bool)"}, "ctkPathLineEdit": {"currentPathChanged(QString)"}}
    assert signal in known[WIDGETS[widget]]


def test_the_label_of_research_use_stands_in_the_window():
    texts = [p.find("string").text or "" for p in UI.iter("property") if p.get("name") == "text"]
    assert any("Research use only" in text for text in texts)
