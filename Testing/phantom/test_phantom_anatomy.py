"""Anatomy and truth: the same everywhere, inside published ranges, and consistent with the labels."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest
from medseg.errors import InputError
from medseg.phantom import PhantomSettings, make_phantom
from medseg.phantom.frequencies import CYSTIC_PATTERNS, RIGHT_PATTERNS
from medseg.phantom.generator import make_anatomy
from medseg.phantom.grid import Grid, plan
from medseg.phantom.lumen import label_lumen
from medseg.phantom.randomness import Draws
from medseg.phantom.truth import describe

SMALL = PhantomSettings(shape=(24, 96, 96), spacing=(3.3, 3.3, 3.6))
FULL = PhantomSettings()


def labels_and_truth(seed: int, settings: PhantomSettings) -> tuple[np.ndarray, dict]:
    """What must not depend on the platform, without the voxels of the image."""
    anatomy = make_anatomy(seed, settings)
    grid = plan(settings, Draws(seed, "slab"), anatomy.hilum)
    return label_lumen(anatomy, grid)[0], describe(seed, anatomy, grid)


def digest(labels: np.ndarray, truth: dict) -> tuple[str, str]:
    text = json.dumps(truth, sort_keys=True).encode()
    return hashlib.sha256(labels.tobytes()).hexdigest(), hashlib.sha256(text).hexdigest()


HASHES = {
    (1, "small"): (
        "c5f1d9ad44ac6a3a8254cdf9a2c42ed867a0124c344bc4d4f88b617ad54ee60e",
        "4723c4db6ae14d08ea3393ccda0bf319f24579c7c1699b6a329aac41e6e310da",
    ),
    (9000, "small"): (
        "a4b26e6443cb094ecb3c55979fcd85bb735b8e2b2ac50853f30a4ad905cf7ae5",
        "bce281ac97a77501f7748162781b61e4a1589af06092885c783488519059932d",
    ),
    (9003, "full"): (
        "d94a8e06636b31d8f2d9466b69b84ffec74b43689d429571a4234214e70b5ed7",
        "7f2699e28c4b3fd276d15be3fbed4f758074d432272113147ebc71e29b2fccfb",
    ),
}
FIRST_DRAWS = [0.3070563214, 0.432758656754, 0.068974845024]


@pytest.mark.parametrize(("seed", "size"), list(HASHES))
def test_labels_and_truth_are_the_same_on_every_platform(seed, size):
    """SHA-256 made with Python 3.11, 3.12 and 3.13; if one changes on purpose, raise ANATOMY_VERSION."""
    labels, truth = labels_and_truth(seed, FULL if size == "full" else SMALL)
    assert digest(labels, truth) == HASHES[seed, size]


def test_raw_stream_is_the_documented_one():
    """The first words of PCG64 for a fixed seed, so that a change in NumPy shows here first."""
    draws = Draws(1, "body")
    assert [round(draws.random(), 12) for _ in range(3)] == FIRST_DRAWS


def test_seeds_differ_and_parts_are_independent():
    assert Draws(1, "body").random() != Draws(2, "body").random() != Draws(2, "slab").random()


@pytest.fixture(scope="module")
def anatomies():
    return [make_anatomy(seed, FULL) for seed in range(90)]


def test_variants_occur_about_as_often_as_published(anatomies):
    for key, table in (("right", RIGHT_PATTERNS), ("cystic duct", CYSTIC_PATTERNS)):
        for pattern, percent in table.items():
            p = percent / sum(table.values())
            count = sum(a.variants[key] == pattern for a in anatomies)
            deviation = (len(anatomies) * p * (1.0 - p)) ** 0.5
            assert abs(count - len(anatomies) * p) <= 3.5 * deviation + 0.5, pattern


def test_each_branch_begins_on_its_parent_and_is_no_wider(anatomies):
    for anatomy in anatomies[:40]:
        for branch in anatomy.branches:
            assert np.all(branch.diameters >= 0.0)
            steps = np.linalg.norm(np.diff(branch.points, axis=0), axis=1)
            assert steps.max() < 3.0
            if branch.parent is None:
                continue
            parent = anatomy.branches[branch.parent]
            distance = np.linalg.norm(parent.points - branch.points[0], axis=1)
            assert distance.min() < 1e-9, (branch.name, parent.name)


def test_calibres_and_lengths_of_healthy_ducts(anatomies):
    healthy = [a for a in anatomies if a.disease == "none"]
    assert len(healthy) > 25
    widest = np.array([a.branches[0].diameters.max() for a in healthy])
    assert widest.min() >= 3.9 and widest.max() <= 9.0  # Chen 2012: 4.6 mm on average, up to 10.5
    whole = np.array([a.branches[0].length_mm + a.branches[1].length_mm for a in healthy])
    assert whole.min() > 70.0 and whole.max() < 125.0
    ends = [b.diameters[-1] for a in healthy for b in a.branches if b.label == 1 and b.order >= 2]
    assert min(ends) == pytest.approx(1.0, abs=0.05) and max(ends) < 1.3
    assert {b.name for a in healthy for b in a.branches} >= {"B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8"}


def test_diseases_leave_their_mark(anatomies):
    seen = set()
    for anatomy in anatomies:
        strictures = [(b, s) for b in anatomy.branches for s in b.strictures]
        if anatomy.disease in ("distal stricture", "hilar stricture", "multifocal strictures"):
            assert strictures, anatomy.disease
        if anatomy.disease in ("none", "ectasia", "duct stones"):
            assert not strictures
        for branch, stricture in strictures:
            here = np.linalg.norm(branch.points - stricture["position_lps_mm"], axis=1)
            index = int(np.argmin(here))
            assert here[index] == 0.0
            grade = 1.0 - stricture["diameter_mm"] / stricture["reference_diameter_mm"]
            assert stricture["grade"] == pytest.approx(grade, abs=1e-3)
            if stricture["complete"]:
                assert branch.diameters[index] == 0.0 and stricture["grade"] == 1.0
        if anatomy.disease == "ectasia":
            assert all(b.dilatations for b in anatomy.branches if b.label == 1)
        seen.add(anatomy.disease)
    assert len(seen) == 6


def test_stones_lie_inside_the_lumen(anatomies):
    found = 0
    for anatomy in anatomies:
        for stone in anatomy.stones:
            branch = anatomy.branches[stone.branch]
            towards = stone.centre - branch.points
            gap = (0.5 * branch.diameters - np.linalg.norm(towards, axis=1)).max()
            assert stone.semi_axes.max() <= gap + 0.05
            found += 1
    assert found > 5


def test_slab_is_oblique_by_less_than_20_degrees():
    for seed in range(50):
        grid = plan(SMALL, Draws(seed, "slab"), np.zeros(3))
        assert np.allclose(grid.direction.T @ grid.direction, np.eye(3), atol=1e-12)
        assert np.linalg.det(grid.direction) == pytest.approx(1.0)
        straight_coronal = np.array([[1.0, 0, 0], [0, 0, 1.0], [0, -1.0, 0]])
        turn = grid.direction @ straight_coronal.T
        angle = np.degrees(np.arccos((np.trace(turn) - 1.0) / 2.0))
        assert 0.0 < angle < 20.0


def test_same_anatomy_on_another_grid():
    _, coarse = labels_and_truth(5, SMALL)
    _, fine = labels_and_truth(5, PhantomSettings(shape=(12, 64, 64), spacing=(4.0, 4.0, 5.0)))
    for a, b in zip(coarse["branches"], fine["branches"], strict=True):
        assert a["centreline_lps_mm"] == b["centreline_lps_mm"] and a["diameter_mm"] == b["diameter_mm"]


def test_labels_follow_the_truth():
    """The middle of every duct of at least 3 mm that lies in the field is labelled as the truth says."""
    labels, truth = labels_and_truth(9002, FULL)
    anatomy = make_anatomy(9002, FULL)
    grid = plan(FULL, Draws(9002, "slab"), anatomy.hilum)
    right = wrong = 0
    for branch in truth["branches"]:
        points, width = np.array(branch["centreline_lps_mm"]), np.array(branch["diameter_mm"])
        inside = grid.contains(points) & (width >= 3.0)
        index = np.rint(grid.to_grid_mm(points[inside]) / np.array(grid.spacing)).astype(int)
        value = labels[index[:, 2], index[:, 1], index[:, 0]]
        right += int((value == branch["label"]).sum())
        wrong += int((value == 0).sum())
    assert right > 100 and wrong == 0


def test_contains_is_true_for_the_centre_only_within_the_field():
    grid = Grid((4, 5, 6), (1.0, 1.0, 1.0), np.zeros(3), np.eye(3))
    points = np.array([[0.0, 0.0, 0.0], [5.4, 4.4, 3.4], [5.6, 0.0, 0.0], [0.0, 0.0, -0.6]])
    assert grid.contains(points).tolist() == [True, True, False, False]


@pytest.mark.parametrize("seed", [-1, 1.5, True])
def test_bad_seed_is_refused(seed):
    with pytest.raises(InputError, match="seed"):
        make_phantom(seed, SMALL)


@pytest.mark.parametrize(
    "change",
    [
        {"shape": (3, 96, 96)},
        {"spacing": (0.0, 1.0, 1.0)},
        {"noise": -1.0},
        {"probability_sludge": 1.2},
        {"probability_ectasia": 0.9, "probability_duct_stones": 0.9},
    ],
)
def test_bad_settings_are_refused(change):
    with pytest.raises(InputError):
        PhantomSettings(**change)
