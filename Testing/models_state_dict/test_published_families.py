"""Networks of torch_em, pytorch-3dunet, nnU-Net v1 and torchvision, told by their weights, against their own numbers.

``fixtures/families.npz`` holds names, shapes and outputs (``Testing/peers/family_models.py`` made it, and
`make test-peers` makes more of them); the weights are made here again from the names of the tensors.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from medseg.models import open_model
from medseg.models.state_dict_recognise import recognise
from seeded_weights import seeded, seeded_slices

FIXTURE = np.load(Path(__file__).parent / "fixtures" / "families.npz")
MODELS = [name.removeprefix("output ") for name in FIXTURE.files if name.startswith("output ")]


def shapes_of(model: str) -> dict[str, tuple[int, ...]]:
    return {name: tuple(shape) for name, shape in json.loads(FIXTURE[f"shapes {model}"].tobytes())}


@pytest.mark.parametrize("model", MODELS)
def test_the_family_and_we_give_the_same(model: str, tmp_path: Path) -> None:
    state = {name: torch.from_numpy(seeded(name, shape)) for name, shape in shapes_of(model).items()}
    torch.save({"epoch": 7, "model_state": state}, tmp_path / "best.pt")
    wanted = FIXTURE[f"output {model}"]
    with open_model(tmp_path / "best.pt", device="cpu") as opened:
        assert opened.in_channels is not None and opened.out_channels == wanted.shape[1]
        found = opened.run(seeded_slices((1, opened.in_channels, 64, 96)))[:, :, 1::3, 2::3]
    assert wanted.std() > 0.01 and found.shape == wanted.shape
    # Weights that nobody trained give raw outputs of up to some hundred: 1e-5 of these.
    assert np.abs(found - wanted).max() <= 1e-5 * max(1.0, np.abs(wanted).max())


@pytest.mark.parametrize("model", MODELS)
def test_one_strange_or_missing_tensor_means_another_network(model: str) -> None:
    shapes = shapes_of(model)
    assert recognise(shapes) is not None
    assert recognise({**shapes, "encoder.extra.weight": (8, 8, 1, 1)}) is None
    assert recognise({**shapes, "gates.0.weight": (8,)}) is None


def test_a_norm_behind_its_convolution_is_another_network() -> None:
    """pytorch-3dunet's order `cgr`: the same names, and norms as wide as what comes out."""
    shapes = shapes_of("pytorch-3dunet")
    after = {
        name: (shapes[name.replace("groupnorm", "conv").rpartition(".")[0] + ".weight"][0],)
        if ".groupnorm." in name
        else shape
        for name, shape in shapes.items()
    }
    assert recognise(after) is None


def test_what_nobody_can_tell_is_said() -> None:
    for model, word in {
        "torch_em, group norm": "32 groups",
        "pytorch-3dunet": "8 groups",
        "nnU-Net v1": "pooling",
    }.items():
        found = recognise(shapes_of(model))
        assert found is not None and any(word in text for text in found.assumed)
    found = recognise(shapes_of("torchvision, FCN"))
    assert found is not None and all(name.startswith("aux_classifier.") for name in found.left) and found.left


def test_a_3d_network_of_the_same_names_is_none_of_these() -> None:
    deep = {n: (*s, 3) if len(s) == 4 else s for n, s in shapes_of("nnU-Net v1").items()}
    assert recognise(deep) is None
