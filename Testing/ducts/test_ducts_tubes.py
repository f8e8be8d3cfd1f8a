"""Tubes fitted to the voxels, and the rules by which narrow places on them are strictures."""

from __future__ import annotations

import numpy as np
import pytest
from medseg.ducts import measure_ducts
from medseg.ducts.centreline import Path
from medseg.ducts.findings import LEAST_AMONG_MANY, LEAST_NARROWING, find_strictures
from medseg.ducts.grid import crop_to_duct
from medseg.ducts.model import Branch, Finding
from medseg.ducts.tubes import _Tree


def branch(number: int, nodes: tuple[int, int], calibre: np.ndarray, offset: float = 0.0) -> Branch:
    """A straight branch along z with a fitted calibre every half millimetre."""
    n = len(calibre)
    points = np.stack([np.full(n, offset), np.zeros(n), np.arange(n) * 0.5], axis=1)
    yes = np.ones(n, dtype=bool)
    mean = float(calibre.mean())
    return Branch(
        number, points, calibre, yes, yes, calibre, calibre, (n - 1) * 0.5, 1.0, mean, mean, True, points[0],
        nodes[0], nodes[1], 1,
    )  # fmt: skip


def narrowed(score: float, wide: float = 4.0) -> np.ndarray:
    """40 mm of a duct with 3 mm narrowed so that it scores ``score`` at a voxel of 1 mm."""
    calibre = np.full(81, wide)
    calibre[37:44] = wide - score * np.sqrt(wide)
    return calibre


def test_the_gradient_is_that_of_the_cost(draw, line):
    """At even radii: that a voxel's place along a tube changes the radius it meets is left out of the gradient."""
    tubes = [(line((0, 0, 0), (0, 0, 30)), 2.0), (line((0, 0, 12), (0, 12, 20)), 1.2)]
    labels = draw([(p, np.full(len(p), r)) for p, r in tubes], seed=1).labels
    grid = crop_to_duct(labels, 1)
    paths = [
        Path(b.start_node, b.end_node, (b.points_lps_mm - grid.origin) @ grid.rotation, False, (False, False))
        for b in measure_ducts(labels).branches
    ]
    tree = _Tree(paths, [np.full(len(p.points), 3.0) for p in paths], grid)
    rng = np.random.default_rng(0)
    x = np.concatenate([tree.start[tree.leaders].ravel(), tree.radii])
    x[: -len(tree.radii)] += rng.normal(scale=0.02, size=len(x) - len(tree.radii))
    tree._share_out(x)
    for _ in range(3):
        step = rng.normal(size=len(x)) * 1e-6
        change = tree._cost(x + step)[0] - tree._cost(x - step)[0]
        assert change == pytest.approx(2 * tree._cost(x)[1] @ step, rel=0.02, abs=1e-7)


@pytest.mark.parametrize("seed", [4, 5])
def test_fitted_calibre_of_a_thin_duct(draw, line, seed):
    points = line((0, 0, 0), (6, 10, 50))
    (b,) = measure_ducts(draw([(points, np.full(len(points), 1.1))], seed=seed).labels).branches
    inner = b.own & np.isfinite(b.fitted_mm)
    assert inner.sum() > 60
    assert b.fitted_mm[inner].mean() == pytest.approx(2.2, abs=0.2)
    assert np.abs(b.fitted_mm[inner] - 2.2).max() < 0.5


def test_narrowing_where_a_side_branch_joins_is_found(draw, line):
    points = line((0, 0, 0), (0, 0, 60))
    radii = 2.2 * (1 - 0.55 * np.clip((1 - np.abs(points[:, 2] - 30) / 4) * 1.5, 0, 1))
    side = line((0, 0, 30), (0, 25, 42))
    drawn = draw([(points, radii), (side, np.full(len(side), 1.3))], seed=2)
    places = [f.position_lps_mm @ drawn.turn for f in measure_ducts(drawn.labels).strictures]
    assert any(np.linalg.norm(p - (0, 0, 30)) < 3 for p in places)


def test_one_weak_narrowing_is_not_believed_among_three_certain_ones_it_is():
    weak = branch(1, (1, 2), narrowed((LEAST_NARROWING + LEAST_AMONG_MANY) / 2))
    assert find_strictures([weak], 1.0) == []
    certain = [branch(n, (2 * n, 2 * n + 1), narrowed(1.2 * LEAST_NARROWING), 30.0 * n) for n in (2, 3, 4)]
    assert {f.branch for f in find_strictures([weak, *certain[:2]], 1.0)} == {2, 3}
    assert {f.branch for f in find_strictures([weak, *certain], 1.0)} == {1, 2, 3, 4}


def test_a_narrow_place_in_a_loop_is_where_ducts_touch():
    clear = branch(1, (1, 2), narrowed(0.9))
    assert [f.branch for f in find_strictures([clear], 1.0)] == [1]
    other = branch(2, (1, 2), np.full(81, 4.0), offset=20.0)
    assert find_strictures([clear, other], 1.0) == []


@pytest.mark.parametrize(("reference", "listed"), [(1.45, False), (1.6, True)])
def test_a_gap_counts_where_its_ducts_do_not_break_by_chance(reference, listed):
    gap = Finding(
        "possible complete stricture", 1, np.zeros(3), 5.0, 0.0, False, reference, 1.0, "possibly complete"
    )  # fmt: skip
    assert (find_strictures([], 1.0, [gap]) == [gap]) == listed
