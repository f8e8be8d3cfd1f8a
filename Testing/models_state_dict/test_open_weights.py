"""The doors: opening, looking into and converting weights alone, with a card and without."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from medseg.card import ModelCard
from medseg.errors import InputError
from medseg.models import inspect_model, open_model
from medseg.models.converting import convert_model
from public_unets import BrainHub, IncDownUp, randomise

CARD: dict[str, Any] = {
    "schema_version": 1,
    "name": "ducts",
    "plane": "axial",
    "orientation": "PLS",
    "input": {"size": {"mode": "native", "multiple_of": 16}, "normalisation": {"kind": "zscore"}},
    "output": {"activation": "softmax", "labels": [{"value": 1, "name": "ducts"}]},
}


@pytest.fixture
def saved(tmp_path: Path) -> tuple[torch.nn.Module, Path]:
    network = randomise(IncDownUp(width=2))
    path = tmp_path / "best.pth"
    torch.save({"epoch": 1, "model_state_dict": network.state_dict()}, path)
    return network, path


def test_a_checkpoint_opens_without_a_card_and_says_what_is_missing(saved) -> None:
    network, path = saved
    x = np.random.default_rng(0).normal(size=(2, 1, 32, 48)).astype(np.float32)
    with open_model(path, device="cpu") as model:
        assert model.format == "state_dict" and (model.in_channels, model.out_channels) == (1, 2)
        with torch.inference_mode():
            np.testing.assert_allclose(model.run(x), network(torch.from_numpy(x)).numpy(), atol=1e-5)
    report = inspect_model(path)
    assert report.multiple_of == 16 and "plane" in report.missing and "architecture" in report.inferred
    assert report.draft["architecture"]["name"] == "plain-unet"
    assert json.dumps(report.as_dict())
    draft = {**report.draft, "plane": "axial", "orientation": "PLS"}
    draft["input"]["normalisation"] = {"kind": "zscore"}
    assert ModelCard.from_dict(draft).architecture is not None


def test_a_sigmoid_inside_makes_the_activation_none(tmp_path) -> None:
    torch.save(randomise(BrainHub(width=2)).state_dict(), tmp_path / "brain.pt")
    report = inspect_model(tmp_path / "brain.pt")
    assert report.draft["output"]["activation"] == "none" and report.in_channels == 3


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_conversion_carries_numbers_card_and_architecture_over(saved, tmp_path, suffix) -> None:
    network, path = saved
    done = convert_model(path, tmp_path / f"new{suffix}", card=CARD)
    assert done.largest_probability_difference is not None and done.largest_probability_difference <= 1e-5
    x = np.random.default_rng(0).normal(size=(1, 1, 32, 32)).astype(np.float32)
    with open_model(tmp_path / f"new{suffix}", device="cpu") as model, torch.inference_mode():
        np.testing.assert_allclose(model.run(x), network(torch.from_numpy(x)).numpy(), atol=1e-5)
        assert model.card is not None and model.card.architecture.name == "plain-unet"
        assert model.card.training["conversion"]["from"] == "state_dict"


def test_a_card_that_names_another_network_is_told_the_difference(saved) -> None:
    _, path = saved
    with pytest.raises(InputError, match=r"do not fit the architecture unet2d: .* is missing"):
        open_model(
            path, card={**CARD, "architecture": {"name": "unet2d", "arguments": {"out_channels": 2}}}, device="cpu"
        )
    with pytest.raises(InputError, match=r"no architecture .os.system."):
        open_model(path, card={**CARD, "architecture": {"name": "os.system"}}, device="cpu")


def test_a_card_can_correct_what_was_assumed(tmp_path) -> None:
    network = randomise(IncDownUp(width=2, bilinear=True))
    path = tmp_path / "w.pt"
    torch.save(network.state_dict(), path)
    x = np.random.default_rng(0).normal(size=(1, 1, 32, 32)).astype(np.float32)
    card = {**CARD, "architecture": {"name": "plain-unet", "arguments": {"upsampling": "bilinear"}}}
    with open_model(path, device="cpu") as plain, open_model(path, card=card, device="cpu") as corrected:
        assert np.abs(plain.run(x) - corrected.run(x)).max() > 1e-4


@pytest.mark.parametrize("prefix", ["", "model.", "module.net."])
def test_a_safetensors_file_of_a_public_network_opens_without_a_card(tmp_path, prefix) -> None:
    from safetensors.torch import save_file

    network = randomise(IncDownUp(width=2))
    path = tmp_path / "model.safetensors"
    save_file({prefix + name: tensor for name, tensor in network.state_dict().items()}, path)
    report = inspect_model(path)
    assert report.draft["architecture"]["name"] == "plain-unet" and "architecture" in report.inferred
    x = np.random.default_rng(0).normal(size=(1, 1, 32, 48)).astype(np.float32)
    for card in (None, CARD):
        with open_model(path, card=card, device="cpu") as model, torch.inference_mode():
            np.testing.assert_allclose(model.run(x), network(torch.from_numpy(x)).numpy(), atol=1e-5)
    save_file({"strange.weight": torch.zeros(4, 4, 3, 3)}, path)
    with pytest.raises(InputError, match="not recognised"):
        open_model(path, device="cpu")
