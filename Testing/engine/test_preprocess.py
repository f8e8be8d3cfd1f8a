"""What the network is fed: known numbers for intensities and sizes, and a way back that loses nothing it need not."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from medseg.card import ModelCard
from medseg.errors import InputError
from medseg.intensity import mean_and_deviation
from medseg.preprocess import SlicePreparer, resample_slice
from medseg.volume import Volume

BASE = {
    "schema_version": 1,
    "name": "test",
    "plane": "axial",
    "orientation": "PLS",
    "input": {"size": {"mode": "native"}, "normalisation": {"kind": "none"}},
    "output": {"activation": "none", "labels": [{"value": 1, "name": "thing"}]},
}


def preparer(volume: Volume | list[Volume], size: dict | None = None, normalisation: dict | None = None, **given):
    card = copy.deepcopy(BASE)
    card["input"] |= {"size": size or {"mode": "native"}, "normalisation": normalisation or {"kind": "none"}} | given
    return SlicePreparer(volume if isinstance(volume, list) else [volume], ModelCard.from_dict(card))


def ramp(k: int = 3, j: int = 4, i: int = 5) -> Volume:
    return Volume(np.arange(k * j * i, dtype=np.int16).reshape(k, j, i))


@pytest.mark.parametrize(
    ("normalisation", "expected"),
    [
        ({"kind": "none"}, [0, 10, 20, 30]),
        ({"kind": "divide", "divisor": 10}, [0, 1, 2, 3]),
        ({"kind": "minmax"}, [0, 1 / 3, 2 / 3, 1]),
        ({"kind": "window", "window": [10, 20]}, [0, 0, 1, 1]),
        ({"kind": "window", "window": [10, 20], "clip": False}, [-1, 0, 1, 2]),
        ({"kind": "zscore", "mean": 10, "standard_deviation": 5}, [-2, 0, 2, 4]),
        ({"kind": "zscore"}, np.array([-15, -5, 5, 15]) / np.sqrt(125)),
        ({"kind": "percentile", "percentiles": [0, 50]}, [0, 2 / 3, 1, 1]),
    ],
)
@pytest.mark.parametrize("scope", ["slice", "volume"])
def test_normalisations_have_known_answers(normalisation: dict, expected: list, scope: str) -> None:
    volume = Volume(np.array([[[0, 10], [20, 30]]], np.int16))
    got = preparer(volume, normalisation={**normalisation, "scope": scope}).prepare(0)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got.ravel(), expected, rtol=1e-6, atol=1e-6)


def test_scope_slice_and_volume_differ() -> None:
    volume = Volume(np.array([[[0.0, 1.0]], [[0.0, 4.0]]]))
    assert preparer(volume, normalisation={"kind": "minmax", "scope": "slice"}).prepare(0).max() == 1
    assert preparer(volume, normalisation={"kind": "minmax", "scope": "volume"}).prepare(0).max() == 0.25


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.float32, np.float64])
def test_mean_and_deviation_lose_no_digits_far_from_zero(dtype: type) -> None:
    """1 and 3 by turns have mean 2 and deviation 1, on any ground; sums of squares in float32 would be lost there."""
    ground = 200 if dtype is np.uint8 else 20_000
    voxels = (ground + np.tile([1, 3], 60)).astype(dtype).reshape(5, 4, 6)
    for shaped in (voxels, voxels[0], voxels.transpose(2, 0, 1)):
        assert mean_and_deviation(shaped) == (ground + 2, 1.0)


@pytest.mark.parametrize("kind", ["zscore", "minmax", "percentile"])
def test_a_constant_volume_becomes_zero_not_nan(kind: str) -> None:
    got = preparer(Volume(np.full((2, 3, 3), 7, np.int16)), normalisation={"kind": kind}).prepare(0)
    np.testing.assert_array_equal(got, np.zeros((1, 3, 3)))


def test_padding_does_not_shift_the_statistics() -> None:
    volume = Volume(np.random.default_rng(0).normal(100, 10, (1, 20, 20)))
    small = preparer(volume, {"mode": "native"}, {"kind": "zscore", "scope": "slice"}).prepare(0)
    padded = preparer(volume, {"mode": "pad_or_crop", "height": 32, "width": 40}, {"kind": "zscore", "scope": "slice"})
    np.testing.assert_array_equal(padded.prepare(0)[:, 6:26, 10:30], small)
    assert padded.prepare(0)[0, 0, 0] == small.min()


def test_native_is_padded_to_a_multiple_and_comes_back() -> None:
    p = preparer(ramp(), {"mode": "native", "multiple_of": 16, "pad_value": -1})
    assert p.network_shape == (16, 16)
    np.testing.assert_array_equal(p.restore(p.prepare(1))[0], ramp().array[1])
    assert (p.prepare(1) == -1).sum() == 256 - 20


def test_crop_keeps_the_middle_and_restores_zero_outside() -> None:
    p = preparer(ramp(1, 12, 14), {"mode": "pad_or_crop", "height": 8, "width": 8})
    assert p.cropped
    np.testing.assert_array_equal(p.prepare(0)[0], ramp(1, 12, 14).array[0, 2:10, 3:11])
    back = p.restore(np.ones((1, 8, 8), np.float32))[0]
    assert back.sum() == 64 and back[2:10, 3:11].all()


def test_resample_uses_the_spacing_of_the_slice_axes() -> None:
    volume = Volume(np.zeros((2, 40, 60), np.float32), spacing=(0.5, 1.0, 5.0))
    p = preparer(volume, {"mode": "resample", "spacing_mm": [2.0, 1.0], "multiple_of": 8})
    assert p.resampled_shape == (20, 30) and p.network_shape == (24, 32)
    assert p.restore(p.prepare(0)).shape == (1, 40, 60)


def test_resizing_keeps_edges_on_edges() -> None:
    # A ramp in x stays that ramp at the new pixel centres: (i + 0.5) * 2 - 0.5 away from the border.
    image = np.tile(np.arange(32, dtype=np.float32), (32, 1))
    half = resample_slice(image, (16, 16), "linear", antialias=False)
    np.testing.assert_allclose(half[5, 2:14], np.arange(2, 14) * 2 + 0.5, atol=1e-4)
    double = resample_slice(image, (64, 64), "linear", antialias=False)
    np.testing.assert_allclose(double[9, 4:60], (np.arange(4, 60) + 0.5) / 2 - 0.5, atol=1e-4)


def test_resizing_matches_pytorch() -> None:
    torch = pytest.importorskip("torch")
    image = np.random.default_rng(3).random((37, 52)).astype(np.float32)
    ours = resample_slice(image, (64, 64), "linear", antialias=False)
    theirs = torch.nn.functional.interpolate(torch.tensor(image)[None, None], (64, 64), mode="bilinear")[0, 0].numpy()
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_labels_follow_the_image() -> None:
    volume = Volume(np.zeros((2, 30, 40), np.float32))
    labels = np.zeros((2, 30, 40), np.uint8)
    labels[1, 10:20, 20:30] = 3
    p = preparer(volume, {"mode": "resize", "height": 60, "width": 80})
    got = p.prepare_labels(volume.with_array(labels), 1)
    assert set(np.unique(got)) == {0, 3} and (got[20:40, 40:60] == 3).all() and (got == 3).sum() == 400


def test_context_shows_the_neighbours_and_repeats_the_ends() -> None:
    volume = Volume(np.arange(4)[:, None, None] * np.ones((1, 8, 8)))
    p = preparer(volume, context=1)
    assert [plane.mean() for plane in p.prepare(1)] == [0, 1, 2]
    assert [plane.mean() for plane in p.prepare(0)] == [0, 0, 1]
    assert [plane.mean() for plane in p.prepare(3)] == [2, 3, 3]


def test_channels_come_from_where_the_card_says() -> None:
    first, second = Volume(np.zeros((3, 8, 8))), Volume(np.ones((3, 8, 8)))
    channels = [{"volume": 1, "offset": 0}, {"volume": 0, "offset": 0}, {"volume": 1, "offset": 0}]
    p = preparer([first, second], volumes=["T1", "T2"], channels=channels)
    assert [plane.mean() for plane in p.prepare(0)] == [1, 0, 1]


def test_what_cannot_be_prepared_is_refused() -> None:
    with pytest.raises(InputError, match=r"takes 2 input volume\(s\) \(T1, T2\), 1 given"):
        preparer(ramp(), volumes=["T1", "T2"])
    with pytest.raises(InputError, match="same grid"):
        preparer([ramp(), Volume(ramp().array, spacing=(2, 1, 1))], volumes=["T1", "T2"])
    bad = np.zeros((2, 3, 4))
    bad[0, 0, 0], bad[1, 1, 1] = np.nan, np.inf
    with pytest.raises(InputError, match="2 of 24 voxels are NaN or infinite"):
        preparer(Volume(bad))
