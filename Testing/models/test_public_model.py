"""A public U-Net that was not made here, in two formats, against the output its authors published with it."""

from __future__ import annotations

import numpy as np
import pytest
from medseg.models import inspect_model, open_model

CARD = {
    "schema_version": 1,
    "name": "nuclei",
    "plane": "acquisition",
    "orientation": None,
    "input": {
        "size": {"mode": "resize", "height": 512, "width": 512},
        "normalisation": {"kind": "zscore", "scope": "slice"},
    },
    "output": {"activation": "sigmoid", "labels": [{"value": 1, "name": "nucleus"}]},
}


@pytest.fixture
def folder(shared_data):
    found = shared_data / "models" / "nuclei_unet2d"
    if not found.is_dir():
        pytest.skip("the public model is not on this machine")
    return found


@pytest.mark.parametrize(
    ("name", "backend"), [("weights.pt", "torch"), ("weights.onnx", "onnxruntime"), ("weights.onnx", "openvino")]
)
def test_it_gives_its_authors_output(folder, name, backend) -> None:
    image = np.load(folder / "test_input.npy").astype(np.float32)
    image = (image - image.mean()) / image.std()
    with open_model(folder / name, card=CARD, backend=backend, device="cpu") as model:
        logits = model.run(image)
    reference = np.load(folder / "test_output.npy")
    assert np.abs(1 / (1 + np.exp(-logits)) - reference).max() < 1e-5


def test_what_it_is_can_be_told_without_running_it(folder) -> None:
    scripted, graph = (inspect_model(folder / name) for name in ("weights.pt", "weights.onnx"))
    assert scripted.parameters == graph.parameters == 449_489
    assert (scripted.in_channels, scripted.out_channels) == (graph.in_channels, graph.out_channels) == (1, 1)
    assert graph.fixed_size == (512, 512) and graph.multiple_of == 8
