"""Who gets what: the policies, the seed, the device."""

from __future__ import annotations

import pytest
import torch
from medseg.errors import InputError
from medseg_training.augment import PRESETS, Augmentation, Augmenter
from medseg_training.augment.policy import choose
from medseg_training.config import Config, parse_config
from pydantic import ValidationError


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _chosen(settings: dict[str, object], batch: int = 6000) -> torch.Tensor:
    asked = Augmentation.model_validate(settings)
    chosen = choose(asked, batch, _generator(0))
    table = torch.zeros(batch, len(chosen), dtype=torch.bool)
    for n, indices in enumerate(chosen.values()):
        table[indices, n] = True
    return table


THREE = {"rotation": {"probability": 0.6}, "noise": {"probability": 0.3}, "gamma": {"probability": 0.1}}


def test_all_gives_each_by_its_own_chance() -> None:
    table = _chosen(THREE)
    # In the order of application: rotation, gamma, noise.
    assert table.float().mean(0).tolist() == pytest.approx([0.6, 0.1, 0.3], abs=0.03)
    both = (table[:, 0] & table[:, 2]).float().mean()
    assert float(both) == pytest.approx(0.18, abs=0.03)


def test_one_of_gives_exactly_one_by_weight() -> None:
    table = _chosen({"policy": "one_of", **THREE})
    assert bool((table.sum(1) == 1).all())
    assert table.float().mean(0).tolist() == pytest.approx([0.6, 0.1, 0.3], abs=0.03)


def test_some_of_gives_as_many_different_ones_as_drawn() -> None:
    table = _chosen({"policy": "some_of", "count": [1, 2], **THREE, "blur": {"probability": 0}})
    assert set(table.sum(1).tolist()) == {1, 2}
    assert float((table.sum(1) == 2).float().mean()) == pytest.approx(0.5, abs=0.03)
    assert int(table[:, 1].sum()) == 0  # blur has no weight


def test_one_takes_one() -> None:
    with pytest.raises(ValidationError, match="takes one transform, here are 2"):
        Augmentation.model_validate({"policy": "one", "noise": {}, "blur": {}})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"policy": "one_of"}, "nothing to draw from"),
        ({"policy": "some_of", "noise": {}, "count": [1, 2]}, "from 1 to 1"),
        ({"elastic": {"sigma": [0.1, 2]}}, "at least 1 pixel"),
        ({"flip": {"axes": []}}, "rows, columns or both"),
        ({"noise": {"probability": 1.5}}, "less than or equal to 1"),
    ],
)
def test_what_cannot_be_is_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Augmentation.model_validate(settings)


def _config(augmentation: object) -> Config:
    card = {
        "name": "x",
        "plane": "axial",
        "orientation": "PLS",
        "input": {"size": {"mode": "native"}, "normalisation": {"kind": "zscore"}},
        "output": {"activation": "sigmoid", "labels": [{"value": 1, "name": "duct"}]},
    }
    return parse_config({"data": "somewhere", "card": card, "augmentation": augmentation})


def test_presets_are_known_by_name_and_misspellings_get_a_hint() -> None:
    for name in PRESETS:
        assert _config(name).augmentation == Augmentation.model_validate(PRESETS[name])
    with pytest.raises(InputError, match="did you mean rotation"):
        _config("rotations")
    with pytest.raises(InputError, match=r"unknown key augmentation\.rotation\.degree") as raised:
        _config({"rotation": {"degree": 3}})
    assert "did you mean degrees" in str(raised.value)


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_every_preset_is_reproducible_finite_and_keeps_the_shape(name: str) -> None:
    images = torch.rand(9, 3, 40, 44, generator=_generator(1)) * 3 - 1
    planes = (images[:, :1] > 0).to(torch.uint8)
    centres = torch.tensor([[20, 22]]).repeat(9, 1)
    augment = Augmenter(Augmentation.model_validate(PRESETS[name]), (32, 36))
    one, two, other = (augment(images, planes, centres, _generator(seed)) for seed in (4, 4, 5))
    assert torch.equal(one[0], two[0]) and torch.equal(one[1], two[1])
    assert one[0].shape == (9, 3, 32, 36) and one[1].shape == (9, 1, 32, 36)
    assert bool(torch.isfinite(one[0]).all()) and set(one[1].unique().tolist()) <= {0.0, 1.0}
    assert torch.equal(one[0], other[0]) == (name == "identity")


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_nothing_is_asked_back_from_the_device(name: str) -> None:
    """On the meta device there are no values: whoever asks for one, as ``.item()`` and ``nonzero`` do, fails."""
    images = torch.empty(16, 3, 40, 44, device="meta")
    planes = torch.empty(16, 2, 40, 44, dtype=torch.uint8, device="meta")
    centres = torch.empty(16, 2, dtype=torch.int64, device="meta")
    for seed in range(5):
        out = Augmenter(Augmentation.model_validate(PRESETS[name]), (32, 36))(images, planes, centres, _generator(seed))
        assert [tuple(t.shape) for t in out] == [(16, 3, 32, 36), (16, 2, 32, 36)]


def test_who_is_not_chosen_stays_bit_for_bit() -> None:
    images = torch.rand(40, 1, 24, 24)
    looks = {name: {"probability": 0.5} for name in ("noise", "blur", "gibbs", "ghost", "spike", "cutout", "gamma",
             "low_resolution", "bias_field", "amplitude_mix", "contrast", "brightness")}  # fmt: skip
    for name, settings in looks.items():
        asked = Augmentation.model_validate({name: settings})
        chosen = choose(asked, 40, _generator(3))
        after = Augmenter(asked, (24, 24)).vary(images, chosen, _generator(9), _generator(9))
        touched = torch.zeros(40, dtype=torch.bool)
        touched[chosen[name]] = True
        same = (after == images).all((1, 2, 3))
        assert bool(same[~touched].all()), name
        assert float(same[touched].float().mean()) < 0.2, name


def test_the_same_choices_for_any_number_of_channels() -> None:
    """Neighbouring slices of a 2.5D input get what their slice gets."""
    one = torch.rand(8, 1, 32, 32)
    three = one.repeat(1, 3, 1, 1)
    settings = {k: v for k, v in PRESETS["mixed"].items() if k != "noise"}
    augment = Augmenter(Augmentation.model_validate(settings), (32, 32))
    planes, centres = torch.zeros(8, 1, 32, 32), torch.full((8, 2), 16)
    single, triple = (augment(x, planes, centres, _generator(2))[0] for x in (one, three))
    # A standard deviation over three times as many pixels differs in the fourth digit.
    assert torch.allclose(triple, single.repeat(1, 3, 1, 1), atol=1e-3)
