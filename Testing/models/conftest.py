"""Small networks in every format, made once for a run."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from medseg.card import ModelCard
from medseg.models import embed_card
from medseg.networks import build_network
from safetensors.torch import save_file


def small_card(**changes: Any) -> dict[str, Any]:
    """A valid card of the small network, with some of its parts replaced."""
    data = {
        "schema_version": 1,
        "name": "small",
        "plane": "axial",
        "orientation": "PLS",
        "modality": "MR",
        "input": {"size": {"mode": "native", "multiple_of": 8}, "normalisation": {"kind": "zscore"}},
        "output": {"activation": "sigmoid", "labels": [{"value": 1, "name": "ducts"}]},
        "architecture": {"name": "unet2d", "arguments": {"widths": [4, 8, 8, 8]}},
    }
    return {**data, **changes}


@pytest.fixture(scope="session")
def card_data() -> Callable[..., dict[str, Any]]:
    return small_card


@pytest.fixture(scope="session")
def card() -> ModelCard:
    return ModelCard.from_dict(small_card())


@pytest.fixture(scope="session")
def network(card: ModelCard) -> torch.nn.Module:
    """A network whose running statistics are not the identity, as after training."""
    assert card.architecture is not None
    torch.manual_seed(7)
    net = build_network(card.architecture)
    with torch.no_grad():
        for _ in range(3):
            net(torch.randn(2, 1, 32, 32) * 3 + 1)
    return net.eval()


@pytest.fixture(scope="session")
def slices() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(3, 1, 40, 56)).astype(np.float32)


@pytest.fixture(scope="session")
def expected(network: torch.nn.Module, slices: np.ndarray) -> np.ndarray:
    """What the network itself answers."""
    with torch.inference_mode():
        return network(torch.from_numpy(slices)).numpy()


def export_onnx(module: Any, path: Path, example: torch.Tensor, *, free: bool = True, opset: int = 18) -> None:
    """Write with the exporter of today, weights inside, batch and size free in steps of 8."""
    dynamic = None
    if free:
        axes = {0: torch.export.Dim("b"), 2: 8 * torch.export.Dim("h"), 3: 8 * torch.export.Dim("w")}
        dynamic = (axes,)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            (example,),
            str(path),
            dynamo=True,
            external_data=False,
            opset_version=opset,
            dynamic_shapes=dynamic,
            verbose=False,
        )


@pytest.fixture(scope="session")
def export() -> Callable[..., None]:
    return export_onnx


@pytest.fixture(scope="session")
def model_files(network: torch.nn.Module, card: ModelCard, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The network without a card as safetensors, traced and frozen TorchScript, and ONNX of free and fixed size."""
    folder = tmp_path_factory.mktemp("models")
    files = {
        kind: folder / name
        for kind, name in (
            ("safetensors", "small.safetensors"),
            ("torchscript", "small.pt"),
            ("frozen", "frozen.pt"),
            ("onnx", "small.onnx"),
            ("fixed", "fixed.onnx"),
        )
    }
    save_file(network.state_dict(), files["safetensors"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(network, torch.zeros(1, 1, 32, 32))
        traced.save(str(files["torchscript"]))
        torch.jit.freeze(traced).save(str(files["frozen"]))
    export_onnx(network, files["onnx"], torch.zeros(2, 1, 32, 32))
    export_onnx(network, files["fixed"], torch.zeros(2, 1, 40, 56), free=False)
    return files


@pytest.fixture
def carded(model_files: dict[str, Path], card: ModelCard, tmp_path: Path) -> dict[str, Path]:
    """Copies of `model_files` with the card inside."""
    return {kind: embed_card(file, card, tmp_path / file.name) for kind, file in model_files.items()}
