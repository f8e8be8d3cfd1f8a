"""A bundle that we write is run by MONAI itself, and its masks are ours."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import medseg
import numpy as np
import pytest
import torch
from medseg.card import ModelCard
from medseg.models import open_model
from medseg.models.writing import write_model
from medseg.models.writing.bundle_config import differences
from medseg.networks import build_network
from medseg.preprocess import SlicePreparer
from medseg.volume import Volume
from scipy.ndimage import gaussian_filter

pytest.importorskip("ignite")
pytest.importorskip("nibabel")
TWO = {"activation": "softmax", "labels": [{"value": 1, "name": "a"}, {"value": 3, "name": "b"}]}
MONAI_UNET = {"name": "monai-unet", "arguments": {"out_channels": 3, "channels": [4, 8, 8], "strides": [2, 2]}}
#: What is replaced in the small network's card, and the direction cosines of the volume.
CARDS: dict[str, dict[str, Any]] = {
    "native, padded with each slice's minimum": {},
    "neighbours as channels, coronal": {
        "plane": "coronal",
        "orientation": "ILP",
        "input": {"context": 1, "size": {"mode": "native", "multiple_of": 8}, "normalisation": {"kind": "minmax"}},
        "architecture": {"name": "unet2d", "arguments": {"widths": [4, 8, 8, 8], "in_channels": 3}},
    },
    "MONAI's own network, resized, each slice normalised": {
        "plane": "acquisition",
        "orientation": None,
        "input": {
            "size": {"mode": "resize", "height": 48, "width": 64},
            "normalisation": {"kind": "percentile", "percentiles": [1, 99], "scope": "slice"},
        },
        "output": TWO,
        "architecture": MONAI_UNET,
    },
    "padded and cropped, a fixed window": {
        "input": {
            "size": {"mode": "pad_or_crop", "height": 32, "width": 64, "pad_value": 0},
            "normalisation": {"kind": "window", "window": [-2, 2]},
        },
        "output": {**TWO, "threshold": 0.33},
        "architecture": {"name": "unet2d", "arguments": {"widths": [4, 8, 8, 8], "out_channels": 3}},
    },
}


@pytest.fixture
def volume() -> Volume:
    c, s = np.cos(0.2), np.sin(0.2)
    array = gaussian_filter(np.random.default_rng(0).normal(size=(19, 43, 50)), 1.5).astype(np.float32) * 8
    direction = np.array([[c, -s, 0], [0, 0, -1], [s, c, 0]])
    return Volume(array, (1.0, 1.2, 3.0), (5.0, 6.0, 7.0), direction)


def balanced(card: ModelCard, volume: Volume) -> torch.nn.Module:
    """A network of the card's architecture whose outputs are even on the volume, so that every label occurs."""
    assert card.architecture is not None
    torch.manual_seed(7)
    network = build_network(card.architecture)
    preparer = SlicePreparer([volume], card)
    noise = torch.from_numpy(np.stack([preparer.prepare(index) for index in range(0, preparer.count, 4)]))
    with torch.no_grad():
        for _ in range(3):
            network(noise)
        network.eval()
        last = [m for m in network.modules() if isinstance(m, (torch.nn.Conv2d, torch.nn.ConvTranspose2d))][-1]
        last.bias -= network(noise).mean((0, 2, 3))
    return network


@pytest.mark.parametrize("name", CARDS)
def test_monai_runs_the_bundle_and_gives_our_masks(card_data, volume, tmp_path, monkeypatch, name) -> None:
    from monai.bundle import ConfigWorkflow

    card = ModelCard.from_dict(card_data(**CARDS[name]))
    bundle = write_model(balanced(card, volume), card, tmp_path / "bundle").path
    image = bundle / "data" / "case.nii.gz"
    image.parent.mkdir()
    medseg.write_volume(volume, image)
    # As `python -m monai.bundle run --config_file configs/inference.json --bundle_root .` does it in that folder.
    monkeypatch.chdir(bundle)
    workflow = ConfigWorkflow("configs/inference.json", workflow_type="infer", bundle_root=".")
    workflow.initialize()
    assert not workflow.check_properties()
    workflow.run()
    theirs = medseg.read_volume(bundle / "eval" / "case_seg.nii.gz")
    with open_model(bundle, device="cpu") as model:
        assert model.card is not None and model.card.name == card.name and model.warnings == []
        ours = medseg.segment(medseg.read_volume(image), model)
    assert theirs.same_grid(volume)
    assert {label.value for label in card.output.labels} <= set(np.unique(ours.labels.array))
    # Both add up in float32, in another order: a voxel in ten thousand may stand on the threshold itself.
    assert np.mean(theirs.array != ours.labels.array) <= 1e-4


def test_the_bundle_is_complete_and_its_weights_need_no_pickled_code(card_data, tmp_path) -> None:
    card = ModelCard.from_dict(card_data(architecture=MONAI_UNET, output=TWO, licence="Apache-2.0"))
    bundle = write_model(build_network(card.architecture).eval(), card, tmp_path / "bundle").path
    found = {str(file.relative_to(bundle)).replace(os.sep, "/") for file in bundle.rglob("*") if file.is_file()}
    wanted = {"configs/metadata.json", "configs/inference.json", "models/model.pt", "docs/README.md", "LICENSE"}
    assert found == wanted
    state = torch.load(bundle / "models" / "model.pt", weights_only=True)
    assert all(isinstance(tensor, torch.Tensor) for tensor in state.values())
    metadata = json.loads((bundle / "configs" / "metadata.json").read_text(encoding="utf-8"))
    assert ModelCard.from_dict(metadata["medseg"]).architecture == card.architecture
    for key in ("version", "changelog", "monai_version", "pytorch_version", "numpy_version", "network_data_format"):
        assert metadata[key], key  # what MONAI's schema requires
    assert "Apache-2.0" in (bundle / "LICENSE").read_text() and str(tmp_path) not in json.dumps(metadata)


def test_what_monai_cannot_do_alike_is_said(card_data, volume, tmp_path) -> None:
    card = ModelCard.from_dict(card_data(postprocessing={"fill_holes": True, "keep_largest_parts": 2}))
    bundle = write_model(balanced(card, volume), card, tmp_path / "bundle").path
    text = Path(bundle / "docs" / "README.md").read_text(encoding="utf-8")
    assert len(differences(card)) == 2 and all(words in text for words in differences(card))
    assert differences(ModelCard.from_dict(card_data())) == []
