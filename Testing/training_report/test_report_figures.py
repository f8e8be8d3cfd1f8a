"""ROC, precision and recall, calibration and paired tests, against scikit-learn, scipy and known answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from medseg_training.report.certainty import STEPS, Counts, best_threshold, calibration, precision_recall, roc
from medseg_training.report.collect import CaseRow, Training
from medseg_training.report.compare import compare
from scipy import stats


@pytest.fixture(scope="module")
def sample() -> tuple[np.ndarray, np.ndarray]:
    """Probabilities in the middle of the counting steps, so that nothing is rounded."""
    rng = np.random.default_rng(3)
    reference = rng.random((20, 30, 10)) < 0.2
    raw = np.clip(rng.normal(0.35 + 0.3 * reference, 0.2), 0, 0.9999)
    return (np.floor(raw * STEPS) + 0.5) / STEPS, reference


def test_areas_are_scikit_learns(sample: tuple[np.ndarray, np.ndarray]) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    probabilities, reference = sample
    counts = Counts.of(probabilities, reference)
    assert roc(counts)[2] == pytest.approx(metrics.roc_auc_score(reference.ravel(), probabilities.ravel()), abs=1e-9)
    oracle = metrics.average_precision_score(reference.ravel(), probabilities.ravel())
    assert precision_recall(counts)[2] == pytest.approx(oracle, abs=1e-9)


def test_counts_of_parts_add_up(sample: tuple[np.ndarray, np.ndarray]) -> None:
    probabilities, reference = sample
    whole = Counts.of(probabilities, reference)
    parts = Counts.of(probabilities[:7], reference[:7]) + Counts.of(probabilities[7:], reference[7:])
    assert np.array_equal(whole.inside, parts.inside) and np.array_equal(whole.outside, parts.outside)
    assert whole.inside.sum() == reference.sum() and Counts.of(np.ones(3), np.ones(3, bool)).inside[-1] == 3


def test_a_model_that_is_right_as_often_as_it_says_is_calibrated() -> None:
    rng = np.random.default_rng(0)
    said = rng.random(400_000)
    honest = Counts.of(said, rng.random(said.size) < said)
    assert calibration(honest)[3] < 0.005
    boastful = Counts.of(said, rng.random(said.size) < said / 2)
    _, was, voxels, error = calibration(boastful)
    assert error == pytest.approx(0.25, abs=0.01) and was[9] == pytest.approx(0.475, abs=0.01)
    assert voxels.sum() == (said >= 0.01).sum()


def test_the_best_threshold_is_found() -> None:
    probabilities = np.array([0.1005, 0.2005, 0.6005, 0.7005, 0.8005])
    reference = np.array([False, False, False, True, True])
    threshold, dice = best_threshold(Counts.of(probabilities, reference))
    assert dice == 1.0 and 0.6005 < threshold <= 0.7005


def _training(name: str, dice: dict[str, list[float]]) -> Training:
    rows = [
        CaseRow(f"{patient}-{n}", patient, "validation", Path(name), {1: {"dice": value}})
        for patient, values in dice.items()
        for n, value in enumerate(values)
    ]
    return Training(name, (Path(name),), {1: "duct"}, {}, rows, "end of run")


def test_comparison_is_paired_by_patient_and_corrected() -> None:
    rng = np.random.default_rng(1)
    base = {f"p{n}": [float(v), float(v) + 0.02] for n, v in enumerate(rng.uniform(0.6, 0.8, 9))}
    better = {p: [v + 0.01 * (n + 1) for v in values] for n, (p, values) in enumerate(base.items())}
    mixed = {p: [v + (0.01 if n % 2 else -0.012) for v in values] for n, (p, values) in enumerate(base.items())}
    one, two = compare([_training("base", base), _training("better", better), _training("mixed", mixed)],
                       "validation", 1, "dice")  # fmt: skip
    assert one.patients == 9 and one.better == 9 and one.difference == pytest.approx(0.05)
    assert one.p == pytest.approx(2 / 2**9) and one.p_holm == pytest.approx(2 * one.p) and one.smallest_p == one.p
    differences = [np.mean(mixed[p]) - np.mean(base[p]) for p in base]
    assert two.p == pytest.approx(stats.wilcoxon(differences).pvalue) and two.p_holm == pytest.approx(
        max(two.p, one.p_holm)
    )


def test_runs_without_common_patients_or_difference_have_no_p() -> None:
    alone, other = _training("a", {"p": [0.5], "q": [0.6]}), _training("b", {"r": [0.5]})
    assert np.isnan(compare([alone, other], "validation", 1, "dice")[0].p)
    assert np.isnan(compare([alone, alone], "validation", 1, "dice")[0].p)
