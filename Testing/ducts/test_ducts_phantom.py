"""The measurement against the exact truth of phantoms; the whole table is made by phantom_table.py."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from medseg.ducts import measure_ducts


@pytest.fixture(scope="module")
def table():
    import sys

    spec = importlib.util.spec_from_file_location("phantom_table", Path(__file__).with_name("phantom_table.py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def summary(table):
    phantom = pytest.importorskip("medseg.phantom")
    tally = table.Tally(seconds=[0.0])
    for seed in (9010, 9017):  # a complete stricture below the hilum, and one at it
        case = phantom.make_phantom(seed)
        table.compare(measure_ducts(case.labels), case.labels, case.truth, tally, str(seed))
    return table.summary(tally)


def test_calibre_of_resolved_ducts(summary):
    wide = summary["branches_2.4_mm_and_more"]
    assert wide["n"] > 15
    assert wide["point_error"] <= 0.3
    assert abs(wide["bias"]) <= 0.1


def test_strictures(summary):
    assert summary["strictures_found"] == "2 of 2"
    assert summary["false_strictures_per_case"] <= 0.5


def test_names(summary):
    assert summary["names_right"]["common bile duct"] == "2 of 2"


def test_bounds_hold(summary):
    assert summary["bound_held"] > 0.9
