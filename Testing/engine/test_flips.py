"""Test-time flips average mirrored answers and move nothing; kept scores decide as the run would have."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from function_networks import Network, lopsided
from medseg.card import PostProcessing
from medseg.errors import InputError
from medseg.flips import FlipAverage
from medseg.pipeline import most_probable, segment
from medseg.scores import changed_postprocessing
from medseg.volume import Volume
from storage_orders import ALL_48, stored_as

CARD = {
    "schema_version": 1,
    "name": "test",
    "plane": "axial",
    "orientation": "PLS",
    "input": {"size": {"mode": "native"}, "normalisation": {"kind": "zscore"}},
    "output": {
        "activation": "sigmoid",
        "labels": [{"value": 2, "name": "one"}, {"value": 5, "name": "other"}],
        "threshold": 0.5,
    },
}


def volume(seed: int = 3) -> Volume:
    return Volume(np.random.default_rng(seed).normal(size=(5, 12, 9)).astype(np.float32), (1.0, 1.2, 2.0))


def two_channels(batch: np.ndarray) -> np.ndarray:
    return np.concatenate([lopsided(batch), 1 - 2 * lopsided(batch)], axis=1)


@pytest.mark.parametrize("flips", [("columns",), ("rows",), ("columns", "rows")])
def test_the_answer_is_the_mean_of_the_mirrored_answers_brought_back(flips) -> None:
    batch = np.random.default_rng(0).normal(size=(2, 1, 6, 8)).astype(np.float32)
    network = Network(CARD, two_channels)
    axes = {"rows": 2, "columns": 3}
    expected, count = 0, 0
    for rows in {False, "rows" in flips}:
        for columns in {False, "columns" in flips}:
            chosen = [axes["rows"]] * rows + [axes["columns"]] * columns
            expected = expected + np.flip(1 / (1 + np.exp(-network.run(np.flip(batch, chosen)))), chosen)
            count += 1
    found = FlipAverage(network, flips, "sigmoid").run(batch)
    np.testing.assert_allclose(found, expected / count, atol=1e-6)


def test_a_network_that_feels_no_mirror_gives_the_same_with_flips() -> None:
    network = Network(CARD, lambda batch: np.concatenate([batch, -batch], axis=1))
    plain, flipped = segment(volume(), network), segment(volume(), network, flips=("rows", "columns"))
    np.testing.assert_array_equal(plain.labels.array, flipped.labels.array)


def test_flips_change_what_a_lopsided_network_says_and_are_the_same_in_every_storage_order() -> None:
    network = Network(CARD, two_channels)
    flipped = segment(volume(), network, flips=("columns",), keep_probabilities=True)
    assert np.abs(flipped.probabilities - segment(volume(), network, keep_probabilities=True).probabilities).max() > 0.1
    axes, turns = ALL_48[29]
    stored = segment(stored_as(volume(), axes, turns), network, flips=("columns",))
    again = stored_as(flipped.labels, axes, turns)
    np.testing.assert_array_equal(stored.labels.array, again.array)


def test_an_unknown_flip_is_refused() -> None:
    with pytest.raises(InputError, match="rows or columns"):
        segment(volume(), Network(CARD, two_channels), flips=("depth",))


@pytest.mark.parametrize("threshold", [None, 0.3, 0.62])
@pytest.mark.parametrize("settings", [None, PostProcessing(minimum_part_mm3=8), PostProcessing(hysteresis_low=0.2)])
def test_kept_scores_decide_exactly_as_a_run_with_these_choices(threshold, settings) -> None:
    network = Network(CARD, two_channels)
    kept = segment(volume(), network, keep_scores=True)
    assert segment(volume(), network).scores is None
    wanted = segment(volume(), network, threshold=threshold, postprocessing=settings)
    labels, counts = kept.scores.decide(kept.labels, kept.card, threshold, settings)
    np.testing.assert_array_equal(labels.array, wanted.labels.array)
    assert counts == wanted.voxel_counts
    assert labels.same_grid(kept.labels)


def test_softmax_without_a_threshold_is_decided_again_by_the_background() -> None:
    card = copy.deepcopy(CARD)
    card["output"] = {"activation": "softmax", "labels": [{"value": 1, "name": "thing"}]}
    network = Network(card, lambda batch: np.concatenate([np.full_like(batch, 1.2), batch], axis=1))
    kept = segment(volume(), network, keep_scores=True)
    labels, _ = kept.scores.decide(kept.labels, kept.card, None, PostProcessing(keep_largest_parts=1))
    wanted = segment(volume(), network, postprocessing=PostProcessing(keep_largest_parts=1))
    np.testing.assert_array_equal(labels.array, wanted.labels.array)
    assert 0 < (labels.array > 0).sum() < (kept.labels.array > 0).sum()


def test_changes_to_the_post_processing_are_validated_as_a_card_is() -> None:
    card = Network(CARD, two_channels).card
    assert changed_postprocessing(card, None) is None
    changed = changed_postprocessing(card, {"minimum_part_mm3": 20, "keep_largest_parts": None})
    assert changed == PostProcessing(minimum_part_mm3=20)
    with pytest.raises(InputError, match="minimum_part_mm3"):
        changed_postprocessing(card, {"minimum_part_mm3": -1})


@pytest.mark.parametrize("count", [1, 2, 5])
def test_the_most_probable_is_argmax_with_ties(count) -> None:
    scores = np.random.default_rng(count).integers(0, 3, (count, 7, 9)).astype(np.float32)
    best, top = most_probable(scores)
    np.testing.assert_array_equal(best, scores.argmax(axis=0))
    np.testing.assert_array_equal(top, scores.max(axis=0))
    assert not np.shares_memory(top, scores)


@pytest.mark.parametrize("threshold", [None, 0.05, 0.3, 0.62, 0.9])
@pytest.mark.parametrize("low", [None, 0.2])
def test_where_the_last_label_wins_another_threshold_may_let_another_label_win(threshold, low) -> None:
    """A voxel may reach the threshold with two labels; which one wins then depends on the threshold."""
    card = copy.deepcopy(CARD)
    labels = [{"value": 5, "name": "whole", "channel": 0}, {"value": 2, "name": "core", "channel": 1}]
    card["output"] = {"activation": "sigmoid", "labels": labels, "threshold": 0.5, "overlap": "last"}
    network = Network(card, lambda batch: np.concatenate([batch[:, :1] + 1, 0.5 - 2 * batch[:, :1]], axis=1))
    kept = segment(volume(), network, keep_scores=True)
    settings = PostProcessing(hysteresis_low=low)
    wanted = segment(volume(), network, threshold=threshold, postprocessing=settings)
    decided, counts = kept.scores.decide(kept.labels, kept.card, threshold, settings)
    np.testing.assert_array_equal(decided.array, wanted.labels.array)
    assert counts == wanted.voxel_counts and all(counts.values())
    whole = segment(volume(), network, keep_probabilities=True).probabilities
    part = kept.scores.part(0.3)
    box = tuple(slice(c, c + n) for c, n in zip(part["corner"], part["planes"].shape[1:], strict=True))
    np.testing.assert_array_equal(part["planes"], whole[(slice(None), *box)])
    assert not (np.delete(whole, np.r_[box[0]], axis=1) >= 0.3).any()


def test_the_part_that_a_preview_needs_holds_all_that_reaches_the_floor() -> None:
    network = Network(CARD, two_channels)
    kept = segment(volume(), network, keep_scores=True)
    floor = float(np.sort(kept.scores.top.ravel())[-3])
    part = kept.scores.part(floor)
    whole = np.zeros(kept.scores.top.shape, np.float32)
    whole[tuple(slice(c, c + n) for c, n in zip(part["corner"], part["top"].shape, strict=True))] = part["top"]
    np.testing.assert_array_equal(whole >= floor, kept.scores.top >= floor)
    assert part["top"].size < kept.scores.top.size
    assert kept.scores.part(1.1)["best"].size == 0
