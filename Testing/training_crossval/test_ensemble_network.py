"""The network that holds the models of all folds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from medseg.card import Architecture
from medseg.errors import InputError
from medseg.inference import activate
from medseg.models import open_model
from medseg.models.detect import Format
from medseg.models.writing.write import slice_shape
from medseg.networks import build_network
from medseg_training.config import parse_config
from medseg_training.crossval.ensemble import ensemble_architecture
from medseg_training.export_files import ALWAYS, targets_of, write_files

UNET = Architecture("unet2d", {"in_channels": 3, "out_channels": 2, "widths": [4, 8]})
MONAI = Architecture("monai-basic-unet", {"in_channels": 3, "out_channels": 2, "features": [4, 4, 8, 8, 8, 4]})


@pytest.mark.parametrize(
    ("member", "activation", "formats"), [(UNET, "softmax", ALWAYS), (UNET, "sigmoid", ()), (MONAI, "sigmoid", ())]
)
def test_it_is_the_mean_of_its_members_probabilities(
    tiny: dict[str, Any], tmp_path: Path, member: Architecture, activation: str, formats: Sequence[Format]
) -> None:
    labels = (
        [{"value": 1, "name": "one"}] if activation == "softmax" else [{"value": n, "name": str(n)} for n in (1, 2)]
    )
    data = {**tiny["card"], "output": {"activation": activation, "labels": labels}}
    data["input"] = {**data["input"], "size": {"mode": "native", "multiple_of": 16}}
    card = parse_config({**tiny, "card": data}).draft
    torch.manual_seed(0)
    members = [build_network(member).eval() for _ in range(2)]
    architecture = ensemble_architecture(replace(card, architecture=member), 2)
    ensemble: Any = build_network(architecture).eval()
    for mine, its in zip(ensemble.members, members, strict=True):
        mine.load_state_dict(its.state_dict())
    slices = np.random.default_rng(0).standard_normal((2, 3, 32, 48), dtype=np.float32)
    with torch.inference_mode():
        each = [activate(m(torch.from_numpy(slices)).numpy(), activation) for m in members]
    mean = np.mean(each, axis=0)
    assert np.abs(each[0] - mean).max() > 1e-3
    out = replace(card.output, activation="none")
    card = replace(card, output=out, architecture=architecture)
    # MONAI's networks do not say what sizes they take: the card does.
    assert slice_shape(ensemble, card).step == (16 if member is MONAI else 2)
    files = write_files(ensemble, card, targets_of(tmp_path / "e.safetensors", always=formats), slices)
    for one in files:
        with open_model(one.file, backend="onnxruntime" if one.format == "onnx" else "torch", device="cpu") as model:
            assert np.abs(model.run(slices) - mean).max() < 1e-6
            if activation == "softmax":
                assert model.card is not None and model.card.output.background_channel


def test_a_card_from_a_stranger_builds_no_giant() -> None:
    for arguments, words in (
        ({"members": 1_000_000}, "from 1 to 32"),
        ({"members": True}, "whole number"),
        ({"network": "ensemble"}, "no ensembles"),
        ({"activation": "none"}, "activation"),
        ({"arguments": {"widht": 3}}, "has no argument 'widht'"),
    ):
        with pytest.raises(InputError, match=words):
            build_network(Architecture("ensemble", arguments))


def test_an_ensemble_is_not_trained(tiny: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="medseg crossval makes it"):
        parse_config({**tiny, "network": {"name": "ensemble"}})
