"""Networks of segmentation_models_pytorch, told by their weights, against what the library itself gave.

``fixtures/smp.npz`` holds names, shapes and outputs (``Testing/peers/smp_models.py`` made it, and `make test-peers`
makes more of them); the weights are made here again from the names of the tensors.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from medseg.models import open_model
from medseg.models.state_dict_recognise import recognise
from seeded_weights import seeded, seeded_slices

FIXTURE = np.load(Path(__file__).parent / "fixtures" / "smp.npz")
MODELS = [name.removeprefix("output ") for name in FIXTURE.files if name.startswith("output ")]


def shapes_of(model: str) -> dict[str, tuple[int, ...]]:
    return {name: tuple(shape) for name, shape in json.loads(FIXTURE[f"shapes {model}"].tobytes())}


@pytest.mark.parametrize("model", MODELS)
def test_the_library_and_we_give_the_same(model: str, tmp_path: Path) -> None:
    state = {name: torch.from_numpy(seeded(name, shape)) for name, shape in shapes_of(model).items()}
    torch.save({"state_dict": {"model." + name: tensor for name, tensor in state.items()}}, tmp_path / "best.ckpt")
    wanted = FIXTURE[f"output {model}"]
    with open_model(tmp_path / "best.ckpt", device="cpu") as opened:
        assert opened.in_channels == 1 and opened.out_channels == 2
        found = opened.run(seeded_slices((1, 1, 64, 96)))[:, :, 1::3, 2::3]
    assert wanted.std() > 0.01
    # Weights that nobody trained give raw outputs of up to some hundred: 1e-5 of these.
    assert np.abs(found - wanted).max() <= 1e-5 * max(1.0, np.abs(wanted).max())


@pytest.mark.parametrize("model", MODELS)
def test_one_strange_tensor_means_another_network(model: str) -> None:
    shapes = shapes_of(model)
    assert recognise(shapes) is not None
    assert recognise({**shapes, "encoder.extra.weight": (8, 8, 1, 1)}) is None


def test_the_first_names_of_deeplab_and_a_separable_one() -> None:
    """DeepLabV3's decoder was a sequence once; a separable one has no published default rates, and stays unknown."""
    shapes = shapes_of(next(model for model in MODELS if model.startswith('["DeepLabV3",')))
    old = {
        re.sub(r"^decoder\.(aspp|conv|bn)\.", lambda m: f"decoder.{['aspp', 'conv', 'bn'].index(m[1])}.", name): shape
        for name, shape in shapes.items()
    }
    found, again = recognise(shapes), recognise(old)
    assert found is not None and again is not None and "decoder.0.project.0.weight" in again.names
    assert set(again.names.values()) == set(found.names.values()) and again.arguments == found.arguments
    separable = {n.replace("convs.1.0.weight", "convs.1.0.0.weight"): shape for n, shape in shapes.items()}
    assert recognise(separable) is None


def test_what_slices_must_be_a_multiple_of() -> None:
    told = {json.loads(model)[0]: recognise(shapes_of(model)) for model in MODELS}
    multiples = {name: None if found is None else found.multiple_of for name, found in told.items()}
    wanted = {"Linknet": 32, "FPN": 32, "MAnet": 32, "DeepLabV3": 8, "DeepLabV3Plus": 16, "PSPNet": 8}
    assert wanted.items() <= multiples.items()
