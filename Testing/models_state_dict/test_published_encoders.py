"""U-Nets of segmentation_models_pytorch, told by their weights, against what the library itself gave.

``fixtures/smp.npz`` holds names, shapes and outputs (``Testing/peers/smp_models.py`` made it, and `make test-peers`
makes more of them); the weights are made here again from the names of the tensors.
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
