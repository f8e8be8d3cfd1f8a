"""Brightness, sharpness, k-space: known answers, with scipy and numpy as oracles."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from medseg_training.augment import fourier, intensity
from medseg_training.augment.settings import AmplitudeMix, Blur, Cutout, Gamma, Ghost, Gibbs, Noise, Spike
from scipy import ndimage, stats


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _images(seed: int = 0, count: int = 3, size: tuple[int, int] = (32, 40)) -> torch.Tensor:
    return torch.rand(count, 2, *size, generator=_generator(seed)) * 2 - 0.5


def test_noise_has_the_strength_asked_for_and_no_bias() -> None:
    images = _images(size=(200, 200))
    values = {"strength": torch.tensor([0.0, 0.5, 1.0])}
    added = intensity.noise(images, values, _generator()) - images
    for n, strength in enumerate((0.0, 0.5, 1.0)):
        assert float(added[n].std()) == pytest.approx(strength * float(images[n].std()), rel=0.02, abs=1e-6)
        assert abs(float(added[n].mean())) < 0.01
    drawn = intensity.draw_noise(Noise(strength=0.4), 3000, _generator())["strength"].numpy()
    assert stats.kstest(drawn, stats.uniform(0, 0.4).cdf).pvalue > 0.01


def test_brightness_contrast_gamma_are_their_formulas() -> None:
    images = _images()
    array = images.numpy().astype(float)
    shifted = intensity.brightness(images, {"shift": torch.tensor([0.0, 1.0, -0.5])}, None).numpy()
    for n, shift in enumerate((0.0, 1.0, -0.5)):
        assert np.allclose(shifted[n], array[n] + shift * array[n].std(ddof=1), atol=1e-5)
    stretched = intensity.contrast(images, {"factor": torch.tensor([1.0, 2.0, 0.5])}, None).numpy()
    for n, factor in enumerate((1.0, 2.0, 0.5)):
        assert np.allclose(stretched[n], (array[n] - array[n].mean()) * factor + array[n].mean(), atol=1e-5)
    bent = intensity.gamma(images, {"exponent": torch.tensor([1.0, 2.0, 0.5])}, None).numpy()
    for n, exponent in enumerate((1.0, 2.0, 0.5)):
        low, high = array[n].min(), array[n].max()
        assert np.allclose(bent[n], ((array[n] - low) / (high - low)) ** exponent * (high - low) + low, atol=1e-5)
    drawn = intensity.draw_gamma(Gamma(factor=2.0), 3000, _generator())["exponent"].log().numpy()
    assert stats.kstest(drawn, stats.uniform(-math.log(2), 2 * math.log(2)).cdf).pvalue > 0.01


def test_blur_is_scipys() -> None:
    images = _images(size=(32, 40))
    sigma = torch.tensor([0.0, 0.7, 1.6])
    after = intensity.blur(images, {"sigma": sigma}, None).numpy()
    for n in range(3):
        for channel in range(2):
            wanted = ndimage.gaussian_filter(images[n, channel].numpy(), float(sigma[n]), mode="nearest", truncate=5)
            assert np.abs(after[n, channel] - wanted).max() < 2e-4
    drawn = intensity.draw_blur(Blur(sigma=2.0), 3000, _generator())["sigma"].numpy()
    assert stats.kstest(drawn, stats.uniform(0, 2).cdf).pvalue > 0.01


def test_low_resolution_keeps_every_other_pixel_and_goes_straight_between() -> None:
    images = _images(size=(33, 41))
    after = intensity.low_resolution(images, {"factor": torch.tensor([1.0, 2.0, 4.0])}, None)
    assert torch.allclose(after[0], images[0], atol=1e-4)
    for n, factor in ((1, 2), (2, 4)):
        assert torch.allclose(after[n, :, ::factor, ::factor], images[n, :, ::factor, ::factor], atol=1e-3)
        middle = (images[n, :, ::factor][:, :-1] + images[n, :, ::factor][:, 1:]) / 2
        assert torch.allclose(after[n, :, factor // 2 :: factor, ::factor], middle[:, :, ::factor], atol=1e-3)


def test_bias_field_multiplies_smoothly_what_lies_above_the_lowest() -> None:
    images = torch.ones(2, 1, 40, 40)
    images[:, :, 0, 0] = 0
    field = torch.stack([torch.full((1, 4, 4), math.log(2.0)), torch.randn(1, 4, 4, generator=_generator()) * 0.3])
    after = intensity.bias_field(images, {"field": field}, None)
    assert torch.allclose(after[0, 0, 1:, 1:], torch.tensor(2.0)) and float(after[0, 0, 0, 0]) == 0
    inside = after[1, 0, 1:, 1:]
    assert float(inside.std()) > 0.02 and float(inside.diff(dim=0).abs().max()) < 0.15 and float(inside.min()) > 0


def test_cutout_hides_the_rectangles_and_nothing_else() -> None:
    images = _images(size=(40, 50))
    values = {
        "middle": torch.tensor([[[0.5, 0.5]], [[0.0, 0.0]], [[0.25, 0.5]]]),
        "half": torch.tensor([[[0.1, 0.2]], [[0.1, 0.1]], [[0.05, 0.5]]]),
    }
    after = intensity.cutout(images, values, None)
    wanted = images.clone()
    for n, (rows, columns) in enumerate(
        ((slice(16, 24), slice(15, 35)), (slice(0, 4), slice(0, 5)), (slice(8, 12), slice(0, 50)))
    ):
        wanted[n, :, rows, columns] = images[n].mean()
    assert torch.allclose(after, wanted)
    drawn = intensity.draw_cutout(Cutout(holes=3, share=0.4), 1000, _generator())
    assert (
        drawn["half"].shape == (1000, 3, 2) and 0.05 <= float(drawn["half"].min()) < float(drawn["half"].max()) <= 0.2
    )


@pytest.mark.parametrize("size", [(32, 40), (33, 41)])
def test_gibbs_is_numpys_truncated_spectrum(size: tuple[int, int]) -> None:
    images = _images(size=size)
    keep = torch.tensor([1.5, 0.6, 0.3])
    after = fourier.gibbs(images, {"keep": keep}, None).numpy()
    frequencies = np.hypot(np.fft.fftfreq(size[0])[:, None] * 2, np.fft.fftfreq(size[1])[None] * 2)
    for n in range(3):
        space = np.fft.fft2(images[n].numpy()) * (frequencies <= float(keep[n]))
        assert np.abs(after[n] - np.fft.ifft2(space).real).max() < 1e-5
    assert np.allclose(after[0], images[0].numpy(), atol=1e-5)
    assert float(fourier.draw_gibbs(Gibbs(keep=0.5), 1000, _generator())["keep"].min()) >= 0.5


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("copies", [2, 4])
def test_ghosts_stand_where_they_must_and_keep_the_mean(axis: int, copies: int) -> None:
    """A point gets ``copies`` faint images of itself, the axis's length over ``copies`` apart."""
    images = torch.zeros(1, 1, 32, 48)
    images[0, 0, 6, 10] = 1
    values = {"copies": torch.tensor([float(copies)]), "strength": torch.tensor([0.4]), "axis": torch.tensor([axis])}
    after = fourier.ghost(images, values, None)[0, 0]
    assert float(after.mean()) == pytest.approx(1 / (32 * 48), rel=1e-4)
    length = (32, 48)[axis]
    places = [(start + n * length // copies) % length for n in range(1, copies) for start in [(6, 10)[axis]]]
    line = after[:, 10] if axis == 0 else after[6]
    ghosts = sorted(line.abs().topk(copies).indices.tolist())
    assert ghosts == sorted([(6, 10)[axis], *places])
    # Weakening one line in n takes strength/n from the point; the lowest line is spared, on the scale of the length.
    assert float(line[places[0]]) == pytest.approx(-0.4 / copies + 0.4 / length, abs=1e-5)
    drawn = fourier.draw_ghost(Ghost(copies=(2, 5)), 1000, _generator())
    assert set(drawn["copies"].tolist()) == {2.0, 3.0, 4.0, 5.0} and set(drawn["axis"].tolist()) == {0, 1}


def test_a_spike_is_one_point_of_k_space() -> None:
    images = _images(count=1, size=(32, 32))
    values = {"rows": torch.tensor([4 / 32]), "columns": torch.tensor([7 / 32]), "phase": torch.tensor([0.3]),
              "strength": torch.tensor([0.5])}  # fmt: skip
    added = (fourier.spike(images, values, None) - images)[0, 0].numpy()
    space = np.abs(np.fft.fft2(added))
    high = np.argwhere(space > 1e-2 * space.max())
    assert sorted(map(tuple, high.tolist())) == [(4, 7), (28, 25)]
    assert np.abs(added).max() == pytest.approx(0.5 * float(images.std()), rel=0.01)
    drawn = fourier.draw_spike(Spike(), 1000, _generator())
    frequency = torch.hypot(drawn["rows"], drawn["columns"])
    assert float(frequency.min()) >= 0.05 and float(frequency.max()) <= 0.45 + 1e-6


def test_amplitude_mixing_lends_low_frequencies_and_keeps_phases() -> None:
    mine, theirs = _images(1, size=(32, 40)), _images(2, size=(32, 40)) * 3
    values = {"strength": torch.tensor([0.0, 0.5, 1.0]), "share": torch.full((3,), 0.2)}
    after = fourier.amplitude_mix(mine, values, theirs).numpy()
    assert np.allclose(after[0], mine[0].numpy(), atol=1e-5)
    rows, columns = np.abs(np.fft.fftfreq(32)) * 2, np.abs(np.fft.fftfreq(40)) * 2
    low = np.maximum(rows[:, None], columns[None]) <= 0.2
    for n, strength in ((1, 0.5), (2, 1.0)):
        before, other = np.fft.fft2(mine[n].numpy()), np.fft.fft2(theirs[n].numpy())
        wanted = np.where(low, (1 - strength) * np.abs(before) + strength * np.abs(other), np.abs(before))
        assert np.allclose(after[n], np.fft.ifft2(wanted * np.exp(1j * np.angle(before))).real, atol=1e-4)
    partners = fourier.draw_amplitude_mix(AmplitudeMix(), torch.arange(8), 8, _generator())["partner"]
    assert bool((partners != torch.arange(8)).all()) and int(partners.max()) < 8
