"""Both sides do the same work: what MONAI's transforms draw is distributed as what ours draw.

Measured on what comes out, not on what the transforms say of themselves: pictures of their own coordinates show where
each pixel came from.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from medseg_training.augment import PRESETS, Augmentation, Augmenter
from medseg_training.bench.policies import (
    BICUBIC_HALF,
    BICUBIC_SPREAD,
    POLICIES,
    augmentation,
    monai_elastic,
    monai_transforms,
)
from scipy import stats

pytest.importorskip("monai", reason="the peer itself")

SIZE = 96


def _coordinates() -> torch.Tensor:
    grid = torch.meshgrid(*(torch.arange(SIZE, dtype=torch.float32),) * 2, indexing="ij")
    return torch.stack(grid)


def _ours(settings: dict[str, Any], image: torch.Tensor, count: int) -> np.ndarray:
    size = image.shape[-1]
    augment = Augmenter(Augmentation.model_validate(settings), (size, size))
    images, planes = image.repeat(count, 1, 1, 1), torch.zeros(count, 1, size, size)
    centres = torch.full((count, 2), size // 2)
    return augment(images, planes, centres, torch.Generator().manual_seed(1))[0].numpy()


def _theirs(settings: dict[str, Any], image: torch.Tensor, count: int, *, tuned: bool = False) -> np.ndarray:
    from monai.transforms import Compose

    do = Compose(monai_transforms(Augmentation.model_validate(settings), tuned=tuned)).set_random_state(1)
    label = torch.zeros_like(image[:1])
    return np.stack([np.asarray(do({"image": image.clone(), "label": label})["image"]) for _ in range(count)])


def _both(name: str, image: torch.Tensor, count: int, figure: Callable[[np.ndarray], float]) -> tuple[list, list]:
    settings = {name: {**POLICIES["basic"].get(name, PRESETS["mixed"].get(name)), "probability": 1}}
    if name == "flip":
        settings["flip"]["probability"] = 0.75
    return tuple([figure(one) for one in do(settings, image, count)] for do in (_ours, _theirs))  # type: ignore[return-value]


def _same(one: list[float], other: list[float]) -> None:
    assert stats.ks_2samp(one, other).pvalue > 0.01
    assert np.std(one) > 0


def _angle(picture: np.ndarray) -> float:
    """Degrees, from how the row coordinate rises about the middle."""
    middle = slice(SIZE // 2 - 12, SIZE // 2 + 12)
    rows = picture[0, middle, middle]
    return float(np.degrees(np.arctan2(np.diff(rows, axis=1).mean(), np.diff(rows, axis=0).mean())))


def test_rotation() -> None:
    one, other = _both("rotation", _coordinates(), 150, _angle)
    assert 14 < max(map(abs, other)) < 15.1
    _same(one, other)


def test_flips() -> None:
    def turned(picture: np.ndarray) -> float:
        return 2.0 * (picture[0, -1, 0] < picture[0, 0, 0]) + 1.0 * (picture[1, 0, -1] < picture[1, 0, 0])

    for found in _both("flip", _coordinates(), 400, turned):
        assert np.bincount(np.array(found, int), minlength=4) / 400 == pytest.approx([0.25] * 4, abs=0.08)


@pytest.mark.parametrize("name", ["noise", "brightness"])
def test_noise_and_brightness(name: str) -> None:
    image = torch.randn(1, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    image = (image - image.mean()) / image.std()

    def changed(picture: np.ndarray) -> float:
        difference = picture - image.numpy()
        return float(difference.std() if name == "noise" else difference.mean())

    _same(*_both(name, image, 150, changed))


@pytest.mark.parametrize("name", ["contrast", "gamma"])
def test_contrast_and_gamma_have_the_same_limits(name: str) -> None:
    """Ours are uniform in the logarithm, MONAI's in the factor."""
    image = torch.rand(1, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    at = np.unravel_index(int((image - 0.25).abs().argmin()), image.shape)

    def factor(picture: np.ndarray) -> float:
        if name == "contrast":
            return float(picture.std() / image.numpy().std())
        low, high = float(image.min()), float(image.max())
        return float(np.log((picture[at] - low) / (high - low)) / np.log((image.numpy()[at] - low) / (high - low)))

    most = PRESETS["mixed"][name]["factor"]
    for found in _both(name, image, 120, factor):
        assert 1 / most - 0.01 < min(found) < 0.8 and most + 0.01 > max(found) > 1.2


def test_elastic_deformations_are_as_large_and_reach_as_far() -> None:
    """But for what MONAI moves every picture by: cubic interpolation of its grid bends straight lines a little."""
    settings = {"elastic": {**POLICIES["basic"]["elastic"]}}
    size, inside = 192, slice(34, 158)  # four times MONAI's pitch; the border is repeated, and not seen to move
    picture = torch.stack(torch.meshgrid(*(torch.arange(size, dtype=torch.float32),) * 2, indexing="ij"))
    fields = [do(settings, picture, 80)[:, :, inside, inside] for do in (_ours, _theirs)]
    fields = [field - field.mean(0) for field in fields]
    spreads = [float(field.std()) for field in fields]
    assert spreads[1] == pytest.approx(spreads[0], rel=0.1)
    step = round(1.6651 * 12.5)
    halves = [float((f[:, :, step:] * f[:, :, :-step]).mean() / (f**2).mean()) for f in fields]
    assert halves == pytest.approx([0.5, 0.5], abs=0.1)


def test_the_constants_of_bicubic_interpolation_are_those_of_torch() -> None:
    pitch, points = 32, 24
    weights = torch.nn.functional.interpolate(
        torch.eye(points)[None, None], size=(points * pitch, points), mode="bicubic", align_corners=False
    )[0, 0]
    middle = weights[8 * pitch : 16 * pitch]
    variance = float((middle**2).sum(1).mean())
    assert variance == pytest.approx(BICUBIC_SPREAD, rel=1e-3)  # two directions: the root of its square
    there = weights[8 * pitch + round(BICUBIC_HALF * pitch) : 16 * pitch + round(BICUBIC_HALF * pitch)]
    assert float((middle * there).sum(1).mean()) / variance == pytest.approx(0.5, abs=0.02)
    assert monai_elastic((0.0, 200.0), (10.0, 10.0))["magnitude_range"][0] == 0


def test_the_tuned_pipeline_turns_as_far_and_has_fewer_warps() -> None:
    stock, tuned = (monai_transforms(augmentation("basic"), tuned=t) for t in (False, True))
    assert [type(t).__name__ for t in stock].count("RandRotated") == 1
    assert [type(t).__name__ for t in tuned] == ["RandFlipd", "RandFlipd", "Rand2DElasticd", "RandGaussianNoised"]
    settings = {name: POLICIES["basic"][name] for name in ("rotation", "elastic")}
    calm = {**settings, "elastic": {**settings["elastic"], "alpha": [0, 1e-3]}}
    _same(
        [_angle(p) for p in _ours(calm, _coordinates(), 120)],
        [_angle(p) for p in _theirs(calm, _coordinates(), 120, tuned=True)],
    )


@pytest.mark.parametrize("name", sorted(POLICIES))
@pytest.mark.parametrize("tuned", [False, True])
def test_every_policy_has_a_counterpart_that_runs(name: str, tuned: bool) -> None:
    image = torch.randn(1, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    always = {n: {**each, "probability": 1} for n, each in POLICIES[name].items() if n != "flip"}
    out = _theirs(always, image, 2, tuned=tuned)
    assert out.shape == (2, 1, SIZE, SIZE) and np.isfinite(out).all()
    assert len(monai_transforms(augmentation(name), tuned=tuned)) >= len(augmentation(name).transforms) - 1


def test_what_has_no_counterpart_is_refused() -> None:
    for settings in ({"spike": {}}, {"flip": {"probability": 0.5}}):
        with pytest.raises(ValueError, match="counterpart"):
            monai_transforms(Augmentation.model_validate(settings), tuned=False)
