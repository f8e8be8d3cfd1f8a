"""The policy for empty masks, and summaries over cases."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from medseg.metrics import FIGURES, Agreement, cldice, dice, evaluate_case, summarise

SHAPE, SPACING = (10, 20, 30), (3.0, 1.0, 0.5)
DIAGONAL = math.sqrt(30.0**2 + 20.0**2 + 15.0**2)


@pytest.fixture
def mask() -> np.ndarray:
    mask = np.zeros(SHAPE, bool)
    mask[2:5, 3:9, 4:12] = True
    mask[8, 15, 20] = True
    return mask


@pytest.mark.parametrize("missed", [True, False])
def test_a_structure_on_one_side_only_costs_the_most(mask: np.ndarray, missed: bool) -> None:
    empty = np.zeros_like(mask)
    a = evaluate_case(empty, mask, SPACING) if missed else evaluate_case(mask, empty, SPACING)
    assert a.counted
    assert ("prediction empty" if missed else "reference empty") in a.note
    for name in (
        "dice",
        "iou",
        "precision",
        "recall",
        "cldice",
        "cldice_precision",
        "cldice_sensitivity",
        "nsd_1mm",
        "nsd_1voxel",
    ):
        assert getattr(a, name) == 0.0, name
    assert a.hd95_mm == pytest.approx(DIAGONAL)
    assert a.assd_mm == pytest.approx(DIAGONAL)
    assert a.betti0_error == 2.0
    volume = mask.sum() * 1.5 / 1000
    assert a.volume_difference_ml == pytest.approx(-volume if missed else volume)
    assert math.isnan(a.volume_difference_percent) != missed
    if missed:
        assert a.volume_difference_percent == -100.0


def test_nothing_is_worse_than_a_miss() -> None:
    corner, opposite = np.zeros(SHAPE, bool), np.zeros(SHAPE, bool)
    corner[0, 0, 0] = opposite[-1, -1, -1] = True
    assert evaluate_case(corner, opposite, SPACING).hd95_mm < DIAGONAL


def test_both_empty_is_not_counted(mask: np.ndarray) -> None:
    empty = np.zeros_like(mask)
    a = evaluate_case(empty, empty, SPACING)
    assert not a.counted and a.note
    for name in FIGURES:
        if name not in ("volume_prediction_ml", "volume_reference_ml"):
            assert math.isnan(getattr(a, name)), name
    assert math.isnan(dice(empty, empty)) and math.isnan(cldice(empty, empty))


def test_a_mean_falls_with_every_miss_and_ignores_what_is_nowhere(mask: np.ndarray) -> None:
    empty = np.zeros_like(mask)
    hit, miss, nowhere = (evaluate_case(p, r, SPACING) for p, r in ((mask, mask), (empty, mask), (empty, empty)))
    summary = summarise([hit, hit, hit, miss, nowhere])
    assert (summary.counted, summary.not_counted) == (4, 1)
    assert summary["dice"].mean == pytest.approx(0.75)
    assert summary["hd95_mm"].mean == pytest.approx(DIAGONAL / 4)


def _with_dice(values: np.ndarray) -> list[Agreement]:
    rest = {name: 0.0 for name in FIGURES if name != "dice"}
    return [Agreement(dice=float(value), **rest, counted=True, note="") for value in values]


def test_summary_of_known_numbers() -> None:
    spread = summarise(_with_dice(np.array([0.1, 0.2, 0.3, 0.4, 1.0])))["dice"]
    assert spread.n == 5
    assert spread.mean == pytest.approx(0.4)
    assert spread.sd == pytest.approx(math.sqrt((0.09 + 0.04 + 0.01 + 0 + 0.36) / 4))
    assert spread.median == pytest.approx(0.3)
    assert (spread.q25, spread.q75, spread.iqr) == (pytest.approx(0.2), pytest.approx(0.4), pytest.approx(0.2))
    assert 0.1 < spread.low < spread.mean < spread.high < 1.0


def test_bootstrap_interval_agrees_with_theory_and_is_seeded() -> None:
    values = np.random.default_rng(5).normal(0.7, 0.1, 400)
    spread = summarise(_with_dice(values))["dice"]
    half = 1.96 * values.std() / math.sqrt(values.size)
    assert spread.low == pytest.approx(values.mean() - half, abs=0.1 * half)
    assert spread.high == pytest.approx(values.mean() + half, abs=0.1 * half)
    assert summarise(_with_dice(values))["dice"] == spread
    assert summarise(_with_dice(values), seed=1)["dice"] != spread


def test_an_undefined_percentage_is_left_out_of_that_figure_only(mask: np.ndarray) -> None:
    empty = np.zeros_like(mask)
    summary = summarise([evaluate_case(mask, mask, SPACING), evaluate_case(mask, empty, SPACING)])
    assert summary["volume_difference_percent"].n == 1
    assert summary["dice"].n == 2


@pytest.mark.parametrize("cases", [0, 1])
def test_too_few_cases_for_a_spread_give_null(mask: np.ndarray, cases: int) -> None:
    summary = summarise([evaluate_case(mask, mask, SPACING)] * cases)
    data = json.loads(json.dumps(summary.as_dict(), allow_nan=False))
    assert data["counted"] == cases
    assert data["figures"]["dice"]["sd"] is None
    assert data["figures"]["dice"]["interval_95"] == [None, None]
    assert data["figures"]["dice"]["mean"] == (1.0 if cases else None)
