"""Comparing two duct trees, with answers known from how they were drawn."""

from __future__ import annotations

import json

import numpy as np
import pytest
from duct_cases import STRICTURE, TUBES, draw
from medseg.cli import main
from medseg.ducts import measure_ducts
from medseg.io import write_labels
from medseg.metrics import add_up, compare_trees


@pytest.fixture(scope="module")
def without_left(labels):
    """The left duct, 26 mm of the tree, is missing, and so is the narrowing of the right one."""
    return measure_ducts(draw(TUBES[:2], stricture=None))


def test_a_tree_agrees_with_itself(measured):
    t = compare_trees(measured, measured)
    assert [(c.branches, c.branches_found) for c in t.classes if c.branches] == [
        (c.branches, c.branches) for c in t.classes if c.branches
    ]
    assert sum(c.length_found_mm for c in t.classes) == pytest.approx(measured.total_length_mm)
    assert all(e == 0 for c in t.classes for e in c.errors_mm) and t.length_false_mm == 0
    assert (t.strictures, t.strictures_found, t.strictures_false) == (1, 1, 0)


def test_what_is_missing_is_counted(measured, without_left):
    t = compare_trees(without_left, measured)
    missing = sum(c.length_mm - c.length_found_mm for c in t.classes)
    left = np.linalg.norm(np.subtract(*TUBES[2][:2]))
    # the first millimetres of the left duct lie within reach of the other two
    assert left - 6 < missing < left
    assert sum(c.branches - c.branches_found for c in t.classes) == 1
    assert (t.strictures, t.strictures_found) == (1, 0)
    assert t.length_false_mm < 1.0


def test_what_is_too_much_is_counted(measured, without_left):
    t = compare_trees(measured, without_left)
    left = np.linalg.norm(np.subtract(*TUBES[2][:2]))
    assert left - 6 < t.length_false_mm < left
    assert (t.strictures, t.strictures_false) == (0, 1)


def test_a_wider_duct_has_that_error(labels):
    wider = [(a, b, r + 0.5) for a, b, r in TUBES[:1]]
    t = compare_trees(measure_ducts(draw(wider, None)), measure_ducts(draw(TUBES[:1], None)))
    (c,) = (c for c in t.classes if c.branches)
    assert c.name == "4 mm and more"
    assert c.as_dict()["calibre_bias_mm"] == pytest.approx(1.0, abs=0.2)
    assert c.as_dict()["calibre_error_mm"] >= c.as_dict()["calibre_bias_mm"] - 1e-9


def test_nothing_predicted_finds_nothing(measured, labels):
    t = compare_trees(measure_ducts(labels, 7), measured)
    assert sum(c.length_found_mm for c in t.classes) == 0 and t.length_mm == 0
    assert sum(c.branches_found for c in t.classes) == 0 and t.strictures_found == 0
    json.dumps(t.as_dict(), allow_nan=False)


def test_cases_add_up(measured, without_left):
    one, two = compare_trees(measured, measured), compare_trees(without_left, measured)
    total = add_up([one, two])
    assert total.cases == 2 and total.strictures == 2 and total.strictures_found == 1
    assert sum(c.length_mm for c in total.classes) == pytest.approx(2 * measured.total_length_mm)


def test_the_command_compares_trees_when_asked(labels, tmp_path, capsys):
    for name, volume in (("a", labels), ("b", draw(TUBES[:2], None))):
        write_labels(volume, tmp_path / f"{name}.nii.gz")
    with pytest.raises(SystemExit) as end:
        main(["evaluate", str(tmp_path / "b.nii.gz"), str(tmp_path / "a.nii.gz"), "--tree", "--json"])
    assert not end.value.code
    data = json.loads(capsys.readouterr().out)
    total = data["trees"]["total"]["1"]
    assert total["strictures"] == 1 and total["strictures_found"] == 0
    assert sum(c["branches"] - c["branches_found"] for c in total["classes"]) == 1
    with pytest.raises(SystemExit):
        main(["evaluate", str(tmp_path / "b.nii.gz"), str(tmp_path / "a.nii.gz"), "--tree"])
    text = capsys.readouterr().out
    assert "Duct tree of label 1" in text and "Strictures: 0 of 1 found" in text


def test_without_the_option_nothing_is_measured(labels, tmp_path, capsys):
    write_labels(labels, tmp_path / "a.nii.gz")
    with pytest.raises(SystemExit):
        main(["evaluate", str(tmp_path / "a.nii.gz"), str(tmp_path / "a.nii.gz"), "--json"])
    assert "trees" not in json.loads(capsys.readouterr().out)


def test_the_stricture_lies_where_it_was_drawn(measured):
    (f,) = measured.strictures
    assert np.linalg.norm(f.position_lps_mm - STRICTURE) < 1.5
