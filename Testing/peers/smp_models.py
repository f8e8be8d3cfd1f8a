"""What segmentation_models_pytorch's networks give: run in `.venv-peers`, it writes names, shapes and outputs.

    .venv-peers/bin/python Testing/peers/smp_models.py OUT.npz [--few]

``--few`` made ``Testing/models_state_dict/fixtures/smp.npz`` (smp 0.6.0, torch 2.13.0). Weights come from
`seeded_weights`, so that the file holds none.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import segmentation_models_pytorch as smp
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from seeded_weights import seeded, seeded_slices

SMALL = {"decoder_channels": (32, 32, 24, 16, 16)}
FEW: list[tuple[str, str, dict[str, Any]]] = [
    ("Unet", "resnet18", {**SMALL, "decoder_attention_type": "scse"}),
    ("Unet", "mobilenet_v2", SMALL),
    ("Unet", "efficientnet-b0", SMALL),
    ("UnetPlusPlus", "efficientnet-b2", SMALL),
    ("Unet", "densenet121", SMALL),
    ("Unet", "vgg11_bn", SMALL),
]
ALL: list[tuple[str, str, dict[str, Any]]] = [
    *FEW,
    ("Unet", "resnet18", {}),
    ("Unet", "resnet34", {"in_channels": 3, "classes": 1}),
    ("Unet", "resnet50", {"encoder_depth": 4, "decoder_channels": (64, 32, 16, 8)}),
    ("Unet", "resnext50_32x4d", {}),
    ("Unet", "resnet18", {"decoder_use_norm": False}),
    ("Unet", "resnet18", {"aux_params": {"classes": 3}}),
    ("Unet", "vgg13", {}),
    ("Unet", "efficientnet-b1", {}),
    ("Unet", "efficientnet-b3", SMALL),
    ("Unet", "densenet161", SMALL),
    ("UnetPlusPlus", "resnet18", {}),
    ("UnetPlusPlus", "vgg11_bn", {}),
    ("UnetPlusPlus", "resnet18", {"decoder_attention_type": "scse"}),
]


def record(out: Path, models: list[tuple[str, str, dict[str, Any]]]) -> None:
    """Names and shapes (JSON) and every third row and column of the output of each model on the same slices."""
    arrays: dict[str, np.ndarray] = {}
    for architecture, encoder, options in models:
        given = {"in_channels": 1, "classes": 2, **options}
        network = getattr(smp, architecture)(encoder, encoder_weights=None, **given).eval()
        state = {
            name: torch.from_numpy(seeded(name, tensor.shape)) if tensor.is_floating_point() else tensor
            for name, tensor in network.state_dict().items()
        }
        network.load_state_dict(state)
        with torch.inference_mode():
            output = network(torch.from_numpy(seeded_slices((1, given["in_channels"], 64, 96))))
        if isinstance(output, tuple):
            output = output[0]
        key = json.dumps([architecture, encoder, options])
        shapes = [[name, list(tensor.shape)] for name, tensor in state.items() if tensor.is_floating_point()]
        arrays[f"shapes {key}"] = np.frombuffer(json.dumps(shapes).encode(), np.uint8)
        arrays[f"output {key}"] = output.numpy()[:, :, 1::3, 2::3]
    np.savez_compressed(out, **arrays)


if __name__ == "__main__":
    record(Path(sys.argv[1]), FEW if "--few" in sys.argv else ALL)
