"""Masks that are no duct tree give explained results."""

from __future__ import annotations

import json

import numpy as np
import pytest
from medseg.ducts import measure_ducts
from medseg.errors import InputError
from medseg.volume import Volume


def volume(array: np.ndarray, spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> Volume:
    return Volume(array.astype(np.uint8), spacing)


def test_empty():
    m = measure_ducts(volume(np.zeros((10, 12, 14))))
    assert m.volume_ml == 0 and m.branches == [] and m.warnings == ["label 1 is empty: nothing to measure"]
    json.dumps(m.as_dict(), allow_nan=False)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_a_few_voxels(size):
    array = np.zeros((9, 9, 9))
    array[4, 4, 4 : 4 + size] = 1
    m = measure_ducts(volume(array, (2.0, 2.0, 2.0)))
    assert m.volume_ml == pytest.approx(size * 8 / 1000)
    assert len(m.components) == 1 and m.components[0].remark
    assert any("centreline" in w for w in m.warnings)
    json.dumps(m.as_dict(), allow_nan=False)


def test_everything_is_duct():
    m = measure_ducts(volume(np.ones((12, 12, 12))))
    assert m.volume_ml == pytest.approx(1.728)
    assert any("edge of the image" in w for w in m.warnings)


def test_duct_cut_by_the_edge(draw, line):
    points = line((0, 0, 0), (0, 0, 60))
    labels = draw([(points, np.full(len(points), 3.0))], seed=None).labels
    cut = Volume(labels.array[12:-12], labels.spacing, labels.origin, labels.direction)
    m = measure_ducts(cut)
    assert all(n.at_border for n in m.nodes)
    assert any("edge of the image" in w for w in m.warnings)
    assert m.branches[0].length_mm == pytest.approx(cut.array.shape[0], rel=0.02)


def test_thousands_of_specks():
    rng = np.random.default_rng(0)
    array = np.zeros((60, 60, 60))
    places = rng.integers(1, 59, size=(3000, 3))
    array[tuple((places // 2 * 2).T)] = 1
    m = measure_ducts(volume(array))
    assert len(m.components) > 1000
    assert any("looks like noise" in w for w in m.warnings)
    assert m.volume_ml == pytest.approx(array.sum() / 1000)


def test_two_trees_are_both_kept(draw, line):
    tubes = [(line((0, 0, z), (0, 30, z)), 2.0) for z in (0, 40)]
    m = measure_ducts(draw([(p, np.full(len(p), r)) for p, r in tubes], seed=None).labels)
    assert len(m.components) == 2 and len(m.branches) == 2
    assert all(c.gap_mm == pytest.approx(40, abs=1.5) for c in m.components)
    assert m.strictures == [] and m.bridges == []


def test_complete_stricture_is_listed_and_not_bridged(draw, line):
    tubes = [(line((0, 0, 0), (0, 0, 30)), 2.5), (line((0, 0, 41), (0, 0, 71)), 3.5)]
    m = measure_ducts(draw([(p, np.full(len(p), r)) for p, r in tubes], seed=6).labels)
    assert len(m.components) == 2
    (bridge,) = m.bridges
    assert bridge.gap_mm == pytest.approx(11, abs=1.0)
    (finding,) = m.strictures
    assert finding.kind == "possible complete stricture" and finding.diameter_mm == 0
    assert finding.reference_diameter_mm == pytest.approx(5, abs=0.4)
    assert {finding.branch, finding.other_branch} == {b.id for b in m.branches}


def test_stone_shaped_hole_is_filled(draw, line):
    points = line((0, 0, 0), (0, 0, 40))
    labels = draw([(points, np.full(len(points), 4.0))], seed=None).labels
    k, j, i = (n // 2 for n in labels.array.shape)
    labels.array[k - 1 : k + 2, j - 1 : j + 2, i - 1 : i + 2] = 0
    m = measure_ducts(labels)
    assert len(m.branches) == 1
    assert m.branches[0].min_diameter_mm > 7.5
    assert any("cavities" in w for w in m.warnings)


def test_touching_ducts_are_taken_apart(draw, line):
    tubes = [
        (line((0, 0, 0), (0, 20, 25)), 2.0),
        (line((0, 20, 25), (0, 0, 60)), 2.0),
        (line((0, 0, 0), (0, -20, 25)), 2.0),
        (line((0, -20, 25), (0, 0, 60)), 2.0),
    ]
    m = measure_ducts(draw([(p, np.full(len(p), r)) for p, r in tubes], seed=None).labels)
    assert sum(b.length_mm for b in m.branches) > 100
    assert m.strictures == []


def test_bad_input_says_what_to_mend():
    labels = volume(np.zeros((4, 4, 4)))
    with pytest.raises(InputError, match="whole numbers"):
        measure_ducts(Volume(np.zeros((4, 4, 4), np.float32)))
    with pytest.raises(InputError, match="shape"):
        measure_ducts(labels, probabilities=np.zeros((4, 4, 5)))
    with pytest.raises(InputError, match="between 0 and 1"):
        measure_ducts(labels, probabilities=np.full((4, 4, 4), 3.0))
    with pytest.raises(InputError, match="no branch 7"):
        measure_ducts(labels, names={7: "cystic duct"})
