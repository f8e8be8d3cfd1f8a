"""Length and calibre of shapes whose truth is known."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from medseg.ducts import measure_ducts
from medseg.volume import Volume

SPACINGS = [(1.0, 1.0, 1.0), (0.5, 0.5, 0.5), (3.0, 3.0, 3.0), (1.0, 1.0, 3.0), (1.1, 1.1, 1.2)]


def calibre_is_right(measured: float, true: float, spacing: tuple[float, float, float]) -> bool:
    return abs(measured - true) <= max(0.05 * true, 0.25 * max(spacing))


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("spacing", SPACINGS)
def test_straight_tube(draw, line, spacing, seed):
    diameter = 3.5 * max(spacing)
    length = 16 * diameter
    points = line((0, 0, 0), (0, 0, length), per_mm=4 / max(spacing))
    m = measure_ducts(draw([(points, np.full(len(points), diameter / 2))], spacing, seed).labels)
    assert len(m.branches) == 1 and len(m.nodes) == 2 and len(m.components) == 1
    (b,) = m.branches
    assert b.length_mm == pytest.approx(length, rel=0.02)
    assert calibre_is_right(b.mean_diameter_mm, diameter, spacing)
    assert b.resolved.all()
    assert b.tortuosity == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("seed", [0, 2, 4])
def test_both_kinds_of_ends_are_told_apart(draw, line, flat, seed):
    points = line((0, 0, 0), (0, 0, 50))
    m = measure_ducts(draw([(points, np.full(len(points), 3.0))], seed=seed, flat=flat).labels)
    assert m.branches[0].length_mm == pytest.approx(50, rel=0.02)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (1.0, 1.0, 3.0)])
def test_curved_tube(draw, bend, spacing):
    diameter = 4 * max(spacing)
    points = bend(3 * diameter, 160)
    drawn = draw([(points, np.full(len(points), diameter / 2))], spacing, seed=2)
    (b,) = measure_ducts(drawn.labels).branches
    assert b.length_mm == pytest.approx(3 * diameter * np.radians(160), rel=0.02)
    assert calibre_is_right(b.mean_diameter_mm, diameter, spacing)
    from_middle = np.linalg.norm((b.points_lps_mm @ drawn.turn), axis=1)  # the arc is about the origin
    assert np.abs(from_middle - 3 * diameter).mean() < 0.15 * max(spacing)


def test_ring_is_one_closed_branch(draw, bend):
    points = bend(14.0, 360)
    m = measure_ducts(draw([(points, np.full(len(points), 2.0))], seed=3).labels)
    (b,) = m.branches
    assert b.closed and [n.kind for n in m.nodes] == ["ring"]
    assert b.length_mm == pytest.approx(2 * np.pi * 14, rel=0.02)
    assert calibre_is_right(b.mean_diameter_mm, 4.0, (1, 1, 1))
    assert any("loop" in w for w in m.warnings)


def test_tapering_tube_is_followed(draw, line):
    points = line((0, 0, 0), (0, 0, 60))
    radii = np.linspace(4.0, 2.0, len(points))
    drawn = draw([(points, radii)], seed=5)
    (b,) = measure_ducts(drawn.labels).branches
    along = (b.points_lps_mm @ drawn.turn)[:, 2]
    inner = (along > 3) & (along < 57)
    true = np.interp(along, points[:, 2], 2 * radii)
    assert np.abs(b.diameter_mm - true)[inner].max() < 0.35
    assert np.abs((b.diameter_mm - true)[inner].mean()) < 0.1


@pytest.mark.parametrize("seed", [None, 7])
def test_y_branch(draw, line, seed):
    tubes = [
        (line((0, 0, 0), (0, 0, 45)), 3.0),
        (line((0, 0, 45), (0, 20, 75)), 2.0),
        (line((0, 0, 45), (0, -20, 75)), 2.0),
    ]
    drawn = draw([(p, np.full(len(p), r)) for p, r in tubes], seed=seed)
    m = measure_ducts(drawn.labels)
    assert sorted(n.kind for n in m.nodes) == ["bifurcation", "end", "end", "end"]
    fork = next(n for n in m.nodes if n.kind == "bifurcation")
    assert np.linalg.norm(fork.position_lps_mm @ drawn.turn - (0, 0, 45)) < 1.0
    lengths = sorted(b.length_mm for b in m.branches)
    daughter = np.hypot(20, 30)
    assert lengths == pytest.approx([daughter, daughter, 45], rel=0.02)
    assert sorted(b.mean_diameter_mm for b in m.branches) == pytest.approx([4, 4, 6], abs=0.25)
    opening = 2 * np.degrees(np.arctan2(20, 30))
    assert min(fork.angles_deg.values()) == pytest.approx(opening, abs=4)


@pytest.mark.parametrize("seed", [None, 3, 11])
@pytest.mark.parametrize("spacing", [(0.5, 0.5, 0.5), (2.0, 2.0, 2.0), (3.0, 3.0, 3.0), (1.0, 1.0, 3.0)])
def test_y_branch_at_every_voxel_size(draw, line, spacing, seed):
    """Sizes go with the largest spacing: the trunk is six of it wide, the daughters four."""
    unit = max(spacing)
    tubes = [((0, 0, 0), (0, 0, 45), 3.0), ((0, 0, 45), (0, 20, 75), 2.0), ((0, 0, 45), (0, -20, 75), 2.0)]
    paths = [(unit * line(start, stop), np.full(len(line(start, stop)), unit * r)) for start, stop, r in tubes]
    drawn = draw(paths, spacing, seed=seed)
    m = measure_ducts(drawn.labels)
    assert sorted(n.kind for n in m.nodes) == ["bifurcation", "end", "end", "end"]
    fork = next(n for n in m.nodes if n.kind == "bifurcation")
    assert np.linalg.norm(fork.position_lps_mm @ drawn.turn - (0, 0, 45 * unit)) < 1.2 * unit
    daughter = np.hypot(20, 30) * unit
    assert sorted(b.length_mm for b in m.branches) == pytest.approx([daughter, daughter, 45 * unit], rel=0.02)
    found = sorted(b.mean_diameter_mm for b in m.branches)
    for calibre, true in zip(found, (4 * unit, 4 * unit, 6 * unit), strict=True):
        assert calibre_is_right(calibre, true, spacing)


@pytest.mark.parametrize("seed", [3, 11])
@pytest.mark.parametrize("spacing", [(0.5, 0.5, 0.5), (2.0, 2.0, 2.0), (1.0, 1.0, 3.0)])
def test_ring_and_taper_at_every_voxel_size(draw, line, bend, spacing, seed):
    unit = max(spacing)
    ring = unit * bend(14.0, 360)
    (b,) = measure_ducts(draw([(ring, np.full(len(ring), 2 * unit))], spacing, seed=seed).labels).branches
    assert b.closed and b.length_mm == pytest.approx(2 * np.pi * 14 * unit, rel=0.02)
    assert calibre_is_right(b.mean_diameter_mm, 4 * unit, spacing)
    taper = unit * line((0, 0, 0), (0, 0, 60))
    drawn = draw([(taper, unit * np.linspace(4.0, 2.0, len(taper)))], spacing, seed=seed)
    (b,) = measure_ducts(drawn.labels).branches
    along = (b.points_lps_mm @ drawn.turn)[:, 2] / unit
    inner = (along > 3) & (along < 57)
    true = np.interp(along, np.linspace(0, 60, len(taper)), unit * np.linspace(8.0, 4.0, len(taper)))
    assert (
        np.mean([calibre_is_right(d, t, spacing) for d, t in zip(b.diameter_mm[inner], true[inner], strict=True)]) > 0.9
    )


@pytest.mark.parametrize("seed", [0, 2, 4, 11])
def test_a_cut_oblique_to_the_voxels_is_one_end(draw, line, seed):
    """Thinning runs to the corners of the cut; the duct has one end there all the same."""
    tubes = [((0, 0, 0), (0, 0, 40), 4.0), ((0, 0, 40), (25, 0, 60), 3.0), ((0, 0, 40), (-25, 0, 60), 3.0)]
    paths = [(line(start, stop), np.full(len(line(start, stop)), radius)) for start, stop, radius in tubes]
    m = measure_ducts(draw(paths, seed=seed, flat=True).labels)
    assert sorted(n.kind for n in m.nodes) == ["bifurcation", "end", "end", "end"]
    daughter = np.hypot(25, 20)
    assert sorted(b.length_mm for b in m.branches) == pytest.approx([daughter, daughter, 40], rel=0.04)


def test_thin_ducts_keep_their_topology_and_are_bounds(draw, line):
    points = line((0, 0, 0), (0, 0, 40))
    m = measure_ducts(draw([(points, np.full(len(points), 0.65))], seed=None).labels)
    (b,) = m.branches
    assert not b.min_resolved and not b.resolved[b.own].any()
    assert np.all(b.diameter_mm >= 1.3)  # a bound lies above the truth
    assert b.length_mm == pytest.approx(40, abs=1.5)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2), (2, 0, 1)])
@pytest.mark.parametrize("flips", [(1, 1, 1), (-1, 1, -1)])
def test_storage_order_changes_nothing(draw, line, bend, order, flips):
    labels = draw([(line((0, 0, 0), (0, 8, 40)), np.full(2 + int(np.hypot(8, 40) * 6), 2.0))], (1, 1, 2), seed=8).labels
    expected = measure_ducts(labels)
    k_j_i = labels.direction[:, ::-1] * np.array(labels.spacing[::-1])
    origin = np.array(labels.origin)
    array = labels.array
    for axis, flip in enumerate(flips):
        if flip < 0:
            origin = origin + k_j_i[:, axis] * (array.shape[axis] - 1)
            k_j_i[:, axis] *= -1
            array = np.flip(array, axis)
    array = array.transpose(order)
    k_j_i = k_j_i[:, list(order)]
    step = np.linalg.norm(k_j_i, axis=0)
    again = Volume(array, tuple(step[::-1]), tuple(origin), (k_j_i / step)[:, ::-1])
    m = measure_ducts(again)
    assert m.total_length_mm == pytest.approx(expected.total_length_mm, rel=1e-6)
    assert m.volume_ml == pytest.approx(expected.volume_ml)
    assert m.branches[0].points_lps_mm == pytest.approx(expected.branches[0].points_lps_mm, abs=1e-5)
    assert m.branches[0].diameter_mm == pytest.approx(expected.branches[0].diameter_mm, abs=1e-5)


def test_turning_the_patient_turns_the_result(draw, line):
    labels = draw([(line((0, 0, 0), (5, 10, 40)), np.full(2 + int(np.sqrt(1725) * 6), 2.5))], seed=None).labels
    angle = np.radians(25)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    turned = Volume(labels.array, labels.spacing, tuple(turn @ labels.origin), turn @ labels.direction)
    one, two = measure_ducts(labels), measure_ducts(turned)
    assert two.branches[0].points_lps_mm == pytest.approx(one.branches[0].points_lps_mm @ turn.T, abs=1e-6)
    assert two.surface_area_mm2 == pytest.approx(one.surface_area_mm2)


def test_surface_and_volume_of_a_ball(draw):
    m = measure_ducts(draw([(np.zeros((1, 3)) + 0.2, np.array([12.0]))], seed=None).labels)
    assert m.volume_ml == pytest.approx(4 / 3 * np.pi * 12**3 / 1000, rel=0.01)
    assert m.surface_area_mm2 == pytest.approx(4 * np.pi * 12**2, rel=0.03)
    assert m.branches == [] and [n.kind for n in m.nodes] == ["compact part"]
    assert m.components[0].remark == "too round for a centreline"


def test_a_ball_needs_no_division_by_nothing(draw):
    """Its skeleton has two voxels: cut back from both ends, a point of it must be left with a direction."""
    labels = draw([(np.zeros((1, 3)) + 0.2, np.array([12.0]))], seed=None).labels
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        measure_ducts(labels)


def test_probabilities_sharpen_the_calibre(draw, line):
    points = line((0, 0, 0), (0, 0, 40))
    radius = 1.2
    labels = draw([(points, np.full(len(points), radius))], seed=None).labels
    k, j, i = np.indices(labels.array.shape)
    at = np.stack([i, j, k], axis=-1) * np.array(labels.spacing) + labels.origin
    fine = np.zeros(labels.array.shape)
    offsets = (np.arange(5) + 0.5) / 5 - 0.5
    for a in offsets:
        for b in offsets:
            fine += np.hypot(at[..., 0] + a, at[..., 1] + b) < radius
    fine = fine / 25 * ((at[..., 2] >= 0) & (at[..., 2] <= 40))
    (b,) = measure_ducts(labels, probabilities=fine.astype(np.float32)).branches
    assert b.mean_diameter_mm == pytest.approx(2 * radius, abs=0.06)
