"""The whole way, with a small network written here: geometry, thresholds, cancelling, a full device."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from function_networks import Network, lopsided
from medseg.errors import Cancelled, DeviceOutOfMemory, InputError, MedSegError
from medseg.orientation import PLANES
from medseg.pipeline import segment
from medseg.volume import Volume
from storage_orders import ALL_48, stored_as

CARD = {
    "schema_version": 1,
    "name": "test",
    "plane": "axial",
    "orientation": "PLS",
    "input": {"size": {"mode": "native"}, "normalisation": {"kind": "zscore"}},
    "output": {"activation": "sigmoid", "labels": [{"value": 1, "name": "thing"}]},
}


def made(**changes) -> dict:
    card = copy.deepcopy(CARD)
    for key, value in changes.items():
        target = card["output"] if key in ("activation", "labels", "threshold", "background_channel") else card
        target = card["input"] if key in ("size", "normalisation", "context") else target
        target[key] = value
    return card


@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
@pytest.mark.parametrize(
    "size",
    [
        {"mode": "native"},
        {"mode": "resize", "height": 16, "width": 12},
        {"mode": "resample", "spacing_mm": [1.3, 0.9], "multiple_of": 4},
    ],
)
def test_every_storage_order_gives_the_same_voxels(plane: str, size: dict) -> None:
    rng = np.random.default_rng(7)
    volume = Volume(rng.normal(size=(9, 10, 11)), (1.0, 1.5, 2.0), (3.0, -4.0, 5.0))
    card = made(plane=plane, orientation=PLANES[plane], size=size, context=1)
    expected = segment(volume, Network(card, lopsided)).labels
    assert 0.05 < expected.array.mean() < 0.95
    for axes, flips in ALL_48:
        other = stored_as(volume, axes, flips)
        found = segment(other, Network(card, lopsided)).labels
        assert found.same_grid(other)
        again = stored_as(expected, axes, flips)  # the expected labels, stored the same way
        np.testing.assert_array_equal(found.array, again.array)


def test_an_oblique_volume_comes_back_on_its_own_grid() -> None:
    a = np.radians(30)
    direction = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    volume = Volume(np.random.default_rng(0).random((4, 9, 8)), (0.7, 0.8, 3.0), (10.0, 20.0, 30.0), direction)
    result = segment(volume, Network(made(size={"mode": "resize", "height": 32, "width": 32}), lopsided))
    assert result.labels.same_grid(volume, tolerance_mm=0) and result.labels.array.shape == (4, 9, 8)
    assert any("30°" in warning for warning in result.warnings)


def test_threshold_comes_after_resampling_back() -> None:
    # The network sees 2×2 of an 8×8 slice and answers 0.9 in one corner: the border between pixels lies where the
    # interpolated probability falls through one half, not at the coarse pixel's edge alone.
    def corner(batch: np.ndarray) -> np.ndarray:
        out = np.zeros((len(batch), 1, 8, 8), np.float32)
        out[:, :, :4, :4] = 0.9
        return out

    card = made(activation="none", size={"mode": "resize", "height": 8, "width": 8})
    volume = Volume(np.random.default_rng(0).random((1, 32, 32)))
    low = segment(volume, Network(card, corner), threshold=0.1).voxel_counts[1]
    high = segment(volume, Network(card, corner), threshold=0.8).voxel_counts[1]
    assert high < 256 < low  # 16×16 is what the coarse mask alone would give at any threshold


def test_softmax_takes_the_most_probable_and_sigmoid_the_threshold() -> None:
    def planes(batch: np.ndarray) -> np.ndarray:
        out = np.zeros((len(batch), 3, *batch.shape[2:]), np.float32)
        out[:, 0, :, 0], out[:, 1, :, 1], out[:, 2, :, 2] = 5, 5, 5
        return out

    labels = [{"value": 7, "name": "a"}, {"value": 300, "name": "b"}]
    volume = Volume(np.random.default_rng(0).random((2, 4, 4)))
    result = segment(volume, Network(made(activation="softmax", labels=labels), planes))
    assert result.labels.array.dtype == np.uint16
    assert (result.labels.array[:, :, 1] == 7).all() and (result.labels.array[:, :, 2] == 300).all()
    assert not result.labels.array[:, :, [0, 3]].any()
    assert result.voxel_counts == {7: 8, 300: 8}
    labels = [{"value": 1, "name": "a", "channel": 2}]
    result = segment(volume, Network(made(labels=labels), planes))  # sigmoid(0) = 0.5 reaches the threshold of 0.5
    assert result.voxel_counts == {1: 32}
    assert segment(volume, Network(made(labels=labels), planes), threshold=0.6).voxel_counts == {1: 8}


def test_probabilities_are_kept_only_when_asked_and_fit_the_labels() -> None:
    volume = stored_as(Volume(np.random.default_rng(0).normal(size=(5, 6, 7))), (2, 0, 1), (True, False, True))
    assert segment(volume, Network(CARD, lopsided)).probabilities is None
    result = segment(volume, Network(CARD, lopsided), keep_probabilities=True)
    assert result.probabilities.shape == (1, *volume.array.shape)
    np.testing.assert_array_equal(result.probabilities[0] >= 0.5, result.labels.array == 1)
    assert result.highest_probability[1] == result.probabilities.max()


def test_an_empty_result_explains_itself() -> None:
    volume = Volume(np.zeros((2, 8, 8), np.int16))
    result = segment(volume, Network(CARD, lambda batch: np.full((len(batch), 1, 8, 8), -3.0)))
    assert result.empty
    assert any("highest probability seen was thing 0.05" in warning for warning in result.warnings)
    assert any("same value everywhere" in warning for warning in result.warnings)


def test_the_answer_does_not_depend_on_the_batch_size() -> None:
    volume = Volume(np.random.default_rng(2).normal(size=(7, 8, 9)))
    one = segment(volume, Network(CARD, lopsided), batch_size=1)
    three = Network(CARD, lopsided)
    np.testing.assert_array_equal(segment(volume, three, batch_size=3).labels.array, one.labels.array)
    assert three.batches == [3, 3, 1]


def test_out_of_memory_halves_the_batch_then_takes_the_cpu_and_says_so() -> None:
    volume = Volume(np.random.default_rng(2).normal(size=(9, 8, 9)))
    expected = segment(volume, Network(CARD, lopsided)).labels.array

    def small_device(batch: np.ndarray) -> np.ndarray:
        if network.choice.device != "cpu":
            raise DeviceOutOfMemory("full")
        return lopsided(batch)

    network = Network(CARD, small_device, device="cuda:0")
    result = segment(volume, network, batch_size=4)
    np.testing.assert_array_equal(result.labels.array, expected)
    assert network.batches == [4, 2, 1] + [1] * 9 and result.device == "cpu"
    assert "CPU" in result.warnings[0] and "4 slices" in result.warnings[1] and "2 slices" in result.warnings[2]
    with pytest.raises(MedSegError, match="not enough memory"):
        segment(volume, Network(CARD, lambda batch: (_ for _ in ()).throw(DeviceOutOfMemory("full"))))


def test_cancelling_is_heard_between_batches() -> None:
    calls: list[int] = []
    network = Network(CARD, lopsided)
    with pytest.raises(Cancelled):
        segment(
            Volume(np.random.default_rng(0).random((9, 4, 4))),
            network,
            cancelled=lambda: calls.append(1) or len(calls) > 3,
        )
    assert len(network.batches) == 3


def test_progress_grows_to_one_and_reads_well() -> None:
    seen = []
    segment(Volume(np.random.default_rng(0).random((6, 4, 4))), Network(CARD, lopsided), progress=seen.append)
    fractions = [p.fraction for p in seen]
    assert fractions == sorted(fractions) and fractions[-1] == 1.0 and len(seen) == 7
    assert str(seen[2]).startswith("network 3/6 (") and str(seen[2]).endswith("s left)")


def test_a_network_that_returns_nan_is_an_error_not_a_result() -> None:
    with pytest.raises(MedSegError, match="NaN"):
        segment(
            Volume(np.random.default_rng(0).random((2, 4, 4))),
            Network(CARD, lambda batch: np.full((len(batch), 1, 4, 4), np.nan)),
        )


def test_a_fixed_input_size_that_does_not_fit_is_refused_before_the_run() -> None:
    network = Network(CARD, lopsided)
    network.fixed_size = (256, 256)
    with pytest.raises(InputError, match="256×256, the card gives it 4×4"):
        segment(Volume(np.random.default_rng(0).random((2, 4, 4))), network)
    assert not network.batches


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 40, 40), (40, 3, 40), (40, 40, 3), (1, 64, 64)])
def test_thin_volumes_go_through(shape: tuple[int, int, int]) -> None:
    card = made(size={"mode": "native", "multiple_of": 16}, context=1)
    result = segment(Volume(np.random.default_rng(0).random(shape)), Network(card, lopsided))
    assert result.labels.array.shape == shape


def test_hysteresis_and_parts_reach_the_result() -> None:
    def lines(batch: np.ndarray) -> np.ndarray:
        out = np.zeros((len(batch), 1, 16, 16), np.float32)
        out[:, 0, 2, :10] = 0.3
        out[:, 0, 2, 5] = 0.9
        out[:, 0, 9, :10] = 0.3
        return out

    card = made(activation="none", postprocessing={"hysteresis_low": 0.25})
    result = segment(Volume(np.random.default_rng(0).random((1, 16, 16))), Network(card, lines))
    assert result.voxel_counts == {1: 10}
