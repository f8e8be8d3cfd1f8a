"""What the voxels show: bright fluids, a task that thresholds cannot solve, and the statistics of the scanner."""

from __future__ import annotations

import numpy as np
import pytest
from medseg.phantom import PhantomSettings, make_phantom
from medseg.phantom.randomness import Draws
from medseg.phantom.scanner import acquire
from scipy import ndimage

HALF = PhantomSettings(shape=(36, 160, 160), spacing=(2.2, 2.2, 2.4))


def best_threshold_dice(image: np.ndarray, mask: np.ndarray) -> float:
    """The highest Dice that any one threshold reaches."""
    image = image.astype(np.int64).ravel()
    above = np.bincount(image)[::-1].cumsum()
    hits = np.bincount(image[mask.ravel()], minlength=int(image.max()) + 1)[::-1].cumsum()
    return float((2.0 * hits / (above + mask.sum())).max())


@pytest.fixture(scope="module")
def phantom():
    """The test case in which thresholding does best (of seeds 9000 … 9009)."""
    return make_phantom(9005)


def test_best_threshold_knows_a_known_answer():
    image = np.array([[0, 1, 5, 9]], dtype=np.int16)
    assert best_threshold_dice(image, np.array([[False, False, True, True]])) == 1.0
    assert best_threshold_dice(image, np.array([[True, False, False, True]])) == pytest.approx(2.0 / 3.0)


def test_types_grid_and_labels(phantom):
    assert phantom.volume.array.shape == (72, 320, 320) and phantom.volume.array.dtype == np.int16
    assert phantom.labels.array.dtype == np.uint8 and phantom.labels.same_grid(phantom.volume, 0.0)
    assert set(np.unique(phantom.labels.array)) == {0, 1, 2, 3}
    assert phantom.name == "phantom-09005"


def test_thresholding_is_no_answer(phantom):
    assert best_threshold_dice(phantom.volume.array, phantom.labels.array == 1) <= 0.60


@pytest.mark.parametrize("seed", range(9000, 9010, 3))
def test_thresholding_is_no_answer_at_half_the_resolution(seed):
    case = make_phantom(seed, HALF)
    assert best_threshold_dice(case.volume.array, case.labels.array == 1) <= 0.60


def test_ducts_can_be_told_from_what_is_next_to_them(phantom):
    """Within two voxels of the ducts a threshold nearly suffices: what is labelled is visible."""
    mask = phantom.labels.array == 1
    near = ndimage.binary_dilation(mask, iterations=2)
    assert best_threshold_dice(phantom.volume.array[near], mask[near]) >= 0.95


def test_labelled_ducts_hang_together_without_strictures(phantom):
    parts, count = ndimage.label(phantom.labels.array == 1, np.ones((3, 3, 3)))
    sizes = np.bincount(parts.ravel())[1:]
    assert count < 12 and sizes.max() / sizes.sum() > 0.97


def test_bile_is_much_brighter_than_solid_organs(phantom):
    image = phantom.volume.array
    wide = ndimage.binary_erosion(phantom.labels.array == 1)
    assert np.median(image[wide]) > 5.0 * np.median(image)
    assert np.median(image[wide]) == pytest.approx(phantom.truth["scanner"]["bile_signal"], rel=0.25)


def test_fluids_other_than_bile_are_bright_too(phantom):
    image = phantom.volume.array
    bright = image > 0.7 * phantom.truth["scanner"]["bile_signal"]
    elsewhere = bright & ~ndimage.binary_dilation(phantom.labels.array > 0, iterations=3)
    assert elsewhere.sum() > 2 * (phantom.labels.array == 1).sum()


def test_same_seed_same_voxels():
    tiny = PhantomSettings(shape=(12, 64, 64), spacing=(5.0, 5.0, 7.0))
    one, two, other = (make_phantom(seed, tiny) for seed in (3, 3, 4))
    assert np.array_equal(one.volume.array, two.volume.array) and one.truth == two.truth
    assert not np.array_equal(one.volume.array, other.volume.array)


def test_cases_differ_in_brightness_and_noise():
    empty, rng = np.zeros((4, 8, 8), dtype=np.float32), np.random.default_rng(1)
    small = PhantomSettings(shape=(4, 8, 8))
    scanners = [acquire(empty.copy(), small, Draws(seed, "scanner"), rng)[1] for seed in range(12)]
    bile = [s["bile_signal"] for s in scanners]
    noise = [s["noise_sd_of_bile"] for s in scanners]
    assert max(bile) > 2.0 * min(bile) and max(noise) > 1.5 * min(noise)


def test_noise_without_signal_has_the_mean_of_a_rayleigh_distribution():
    """Rician noise around zero is Rayleigh: its mean is sigma · sqrt(pi / 2)."""
    settings = PhantomSettings(blur_voxels=0.0, breathing=0.0, bias=0.0, noise=4.0)
    for seed in (1, 2, 3):
        empty = np.zeros((16, 96, 96), dtype=np.float32)
        voxels, drawn = acquire(empty, settings, Draws(seed, "scanner"), np.random.default_rng(seed))
        sigma = drawn["noise_sd_of_bile"] * drawn["bile_signal"]
        assert voxels.mean() == pytest.approx(sigma * (np.pi / 2.0) ** 0.5, rel=0.03)


def test_without_noise_and_blur_the_scanner_only_scales():
    settings = PhantomSettings(blur_voxels=0.0, breathing=0.0, bias=0.0, noise=0.0)
    image = np.linspace(0.0, 1.0, 4 * 8 * 8, dtype=np.float32).reshape(4, 8, 8)
    voxels, drawn = acquire(image.copy(), settings, Draws(1, "scanner"), np.random.default_rng(1))
    assert np.abs(voxels - image * drawn["bile_signal"]).max() <= 0.51


def test_ghosts_appear_along_the_columns_only():
    settings = PhantomSettings(blur_voxels=0.0, breathing=1.0, bias=0.0, noise=0.0)
    image = np.zeros((3, 64, 160), dtype=np.float32)
    image[1, 32, 80] = 1000.0
    voxels, drawn = acquire(image, settings, Draws(2, "scanner"), np.random.default_rng(1))
    assert drawn["ghost_of_signal"] > 0.001
    assert voxels[[0, 2]].max() == 0
    row = np.flatnonzero(voxels[1].max(axis=0))
    assert set(np.diff(row)) != {1} and len(row) == 3 and row[1] == 80 and row[2] - row[1] == row[1] - row[0]
