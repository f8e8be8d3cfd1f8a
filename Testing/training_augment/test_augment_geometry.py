"""What moves pixels: scipy as the oracle, image and labels never apart, parameters as configured."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from medseg_training.augment import Augmentation, Augmenter
from medseg_training.augment.elastic import displacement
from medseg_training.augment.geometry import Warp, draw_warp, warp_crop
from medseg_training.augment.policy import choose
from scipy import ndimage, stats

EVERY_MOVE = {
    "flip": {"axes": ["rows", "columns"]},
    "rotation": {"degrees": 40},
    "zoom": {"factor": 1.4},
    "shear": {"degrees": 15},
    "shift": {"share": 0.1},
    "elastic": {"probability": 0.7, "alpha": [50, 200], "sigma": [6, 12]},
}


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _smooth(seed: int, size: tuple[int, int]) -> np.ndarray:
    return ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=size), 2).astype(np.float32)


def _warp_of(settings: dict[str, object], batch: int, seed: int, crop: tuple[int, int] = (40, 48)) -> Warp:
    asked = Augmentation.model_validate(settings)
    generator = _generator(seed)
    return draw_warp(asked, choose(asked, batch, generator), batch, crop, generator)


@pytest.mark.parametrize("name", ["flip", "rotation", "zoom", "shear", "shift"])
def test_each_move_is_what_scipy_makes_of_its_matrix(name: str) -> None:
    crop, centre = (40, 48), np.array([45, 52])
    picture = _smooth(1, (90, 100))
    marks = (picture > 0).astype(np.uint8)
    warp = _warp_of({name: {**EVERY_MOVE[name], "probability": 1}}, 3, seed=5, crop=crop)
    images = torch.from_numpy(picture).repeat(3, 1, 1, 1)
    planes = torch.from_numpy(marks).repeat(3, 1, 1, 1)
    cut, moved = warp_crop(images, planes, torch.from_numpy(centre).repeat(3, 1), crop, warp)
    middle = (np.array(crop) - 1) / 2
    for n in range(3):
        matrix = warp.matrix[n].numpy().astype(float)
        start = centre - np.array(crop) // 2 + middle + warp.shift[n].numpy() - matrix @ middle
        wanted = ndimage.affine_transform(picture, matrix, start, crop, order=1, mode="nearest")
        assert np.abs(cut[n, 0].numpy() - wanted).max() < 1e-4
        nearest = ndimage.affine_transform(marks, matrix, start, crop, order=0, mode="constant")
        # Half-way between two pixels either is right.
        assert (moved[n, 0].numpy() != nearest).mean() < 0.002
    assert not torch.equal(cut[0], cut[1]) or name == "flip"


def test_elastic_moves_by_the_displacement_it_drew() -> None:
    crop = (40, 48)
    picture = _smooth(2, crop)
    alpha, sigma = torch.tensor([150.0]), torch.tensor([8.0])
    warp = Warp(torch.eye(2)[None], torch.zeros(1, 2), (torch.tensor([0]), alpha, sigma))
    images, planes = torch.from_numpy(picture)[None, None], torch.zeros(1, 1, *crop)
    cut, _ = warp_crop(images, planes, torch.tensor([[20, 24]]), crop, warp, _generator(3))
    moved = displacement(alpha, sigma, crop, torch.device("cpu"), _generator(3))[0].numpy()
    wanted = ndimage.map_coordinates(picture, np.indices(crop) + moved, order=1, mode="nearest")
    assert np.abs(moved).max() > 1
    assert np.abs(cut[0, 0].numpy() - wanted).max() < 1e-4


@pytest.mark.parametrize(("alpha", "sigma"), [(100.0, 10.0), (300.0, 15.0), (40.0, 3.0)])
def test_elastic_displacements_are_spread_and_correlated_as_the_full_computation(alpha: float, sigma: float) -> None:
    """Against uniform noise smoothed by scipy at full size: standard deviation, and correlation one sigma apart."""
    count = 60
    ours = displacement(torch.full((count,), alpha), torch.full((count,), sigma), (96, 96), torch.device("cpu"),
                        _generator(0)).reshape(-1, 96, 96).numpy()  # fmt: skip
    rng = np.random.default_rng(0)
    margin = int(4 * sigma)
    noise = rng.uniform(-1, 1, (2 * count, 96 + 2 * margin, 96 + 2 * margin)).astype(np.float32)
    theirs = ndimage.gaussian_filter(noise, (0, sigma, sigma))[:, margin:-margin, margin:-margin] * alpha
    expected = alpha / (math.sqrt(12 * math.pi) * sigma)
    assert ours.std() == pytest.approx(expected, rel=0.08)
    assert ours.std() == pytest.approx(theirs.std(), rel=0.1)
    # As wide at the edge of the crop as inside.
    assert ours[:, :4].std() == pytest.approx(ours[:, 40:56].std(), rel=0.2)
    for field in (ours, theirs):
        step = round(sigma)
        apart = (field[:, :, step:] * field[:, :, :-step]).mean() / field.var()
        assert apart == pytest.approx(math.exp(-(step**2) / (4 * sigma**2)), abs=0.06)


def test_wide_and_narrow_displacements_in_one_batch_are_each_as_spread_as_alone() -> None:
    """They share a coarse grid, which is as fine as the narrowest needs."""
    alpha, sigma = torch.tensor([100.0, 300.0]).repeat(40), torch.tensor([4.0, 16.0]).repeat(40)
    fields = displacement(alpha, sigma, (64, 96), torch.device("cpu"), _generator(4)).reshape(40, 2, 2, 64, 96)
    for n, (a, s) in enumerate(((100, 4), (300, 16))):
        assert float(fields[:, n].std()) == pytest.approx(a / (math.sqrt(12 * math.pi) * s), rel=0.1)


def test_samples_without_elastic_are_not_moved_by_that_of_the_others() -> None:
    crop = (32, 40)
    images = torch.rand(6, 1, 50, 60, generator=_generator(1))
    planes, centres = (images * 5).to(torch.uint8), torch.tensor([[25, 30]]).repeat(6, 1)
    plain = _warp_of({"rotation": {"probability": 1, "degrees": 30}}, 6, seed=3, crop=crop)
    some = (torch.tensor([1, 4]), torch.tensor([200.0, 300.0]), torch.tensor([8.0, 12.0]))
    one = warp_crop(images, planes, centres, crop, plain, _generator(5))
    two = warp_crop(images, planes, centres, crop, Warp(plain.matrix, plain.shift, some), _generator(5))
    for before, after in zip(one, two, strict=True):
        same = [torch.equal(a, b) for a, b in zip(before, after, strict=True)]
        assert same == [True, False, True, True, False, True]


def test_image_and_labels_are_never_apart() -> None:
    """Every pixel carries its own coordinates, once as image and once as label: after any warp they still agree."""
    size, crop, batch = (120, 130), (48, 56), 64
    rows, columns = torch.meshgrid(*(torch.arange(n, dtype=torch.float32) for n in size), indexing="ij")
    both = torch.stack([rows, columns]).repeat(batch, 1, 1, 1)
    centres = torch.tensor([[60, 65]]).repeat(batch, 1)
    augment = Augmenter(Augmentation.model_validate(EVERY_MOVE), crop)
    images, planes = augment(both, both.to(torch.int16) + 1, centres, _generator(7))
    inside = (planes > 0).all(1, keepdim=True).expand_as(planes)  # labels are 0 outside, images go on
    assert float(inside.float().mean()) > 0.9
    assert float((images - (planes - 1)).abs()[inside].max()) <= 0.5 + 1e-3
    moved = (images[:, 0] - rows[36:84, 37:93]).abs().amax((1, 2)) > 0.5
    assert int(moved.sum()) > batch // 2


def test_a_flip_is_exact_and_its_own_inverse() -> None:
    images = torch.rand(30, 2, 16, 20)
    planes = (images[:, :1] * 9).to(torch.uint8)
    augment = Augmenter(
        Augmentation.model_validate({"flip": {"probability": 1, "axes": ["rows", "columns"]}}), (16, 20)
    )
    cut, marks = augment(images, planes, torch.tensor([[8, 10]]).repeat(30, 1), _generator(0))
    kinds = set()
    for before, after, label, mark in zip(images, cut, planes, marks, strict=True):
        which = [axes for axes in ((1,), (2,), (1, 2)) if torch.equal(mark, label.flip(axes).float())]
        assert len(which) == 1 and torch.allclose(after, before.flip(which[0]), atol=1e-4)
        kinds.add(which[0])
    assert kinds == {(1,), (2,), (1, 2)}


def test_nothing_is_mirrored_unless_asked_for() -> None:
    moves = {name: {**settings, "probability": 1} for name, settings in EVERY_MOVE.items() if name != "flip"}
    assert bool((torch.linalg.det(_warp_of(moves, 500, seed=2).matrix) > 0).all())
    only_columns = _warp_of({"flip": {"probability": 1, "axes": ["columns"]}}, 50, seed=2).matrix
    assert bool((only_columns == torch.diag(torch.tensor([1.0, -1.0]))).all())


def test_parameters_are_distributed_as_configured() -> None:
    turned = _warp_of({"rotation": {"probability": 1, "degrees": 25}}, 4000, seed=1).matrix
    angles = torch.atan2(turned[:, 1, 0], turned[:, 0, 0]).rad2deg().numpy()
    assert stats.kstest(angles, stats.uniform(-25, 50).cdf).pvalue > 0.01
    zoomed = _warp_of({"zoom": {"probability": 1, "factor": 1.5}}, 4000, seed=2).matrix
    logs = zoomed[:, 0, 0].log().numpy()
    assert torch.equal(zoomed[:, 0, 0], zoomed[:, 1, 1])
    assert stats.kstest(logs, stats.uniform(-math.log(1.5), 2 * math.log(1.5)).cdf).pvalue > 0.01
    shifted = _warp_of({"shift": {"probability": 1, "share": 0.25}}, 4000, seed=3, crop=(40, 80)).shift.numpy()
    assert stats.kstest(shifted[:, 0], stats.uniform(-10, 20).cdf).pvalue > 0.01
    assert stats.kstest(shifted[:, 1], stats.uniform(-20, 40).cdf).pvalue > 0.01
    leaning = _warp_of({"shear": {"probability": 1, "degrees": 20}}, 4000, seed=4).matrix[:, 1, 0]
    assert stats.kstest(leaning.atan().rad2deg().numpy(), stats.uniform(-20, 40).cdf).pvalue > 0.01
