"""What segmentation_models_pytorch's networks give: run in `.venv-peers`, it writes names, shapes and outputs.

    .venv-peers/bin/python Testing/peers/smp_models.py OUT.npz [--few]

``--few`` made ``Testing/models_state_dict/fixtures/smp.npz`` (smp 0.6.0, torch 2.13.0). Weights come from
`seeded_weights`, so that the file holds none.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import segmentation_models_pytorch as smp
import torch
from recording import record

SMALL = {"decoder_channels": (32, 32, 24, 16, 16)}
FEW: list[tuple[str, str, dict[str, Any]]] = [
    ("Unet", "resnet18", {**SMALL, "decoder_attention_type": "scse"}),
    ("Unet", "mobilenet_v2", SMALL),
    ("Unet", "efficientnet-b0", SMALL),
    ("UnetPlusPlus", "efficientnet-b2", SMALL),
    ("Unet", "densenet121", SMALL),
    ("Unet", "vgg11_bn", SMALL),
    ("Linknet", "resnet18", {}),
    ("FPN", "efficientnet-b0", {"decoder_merge_policy": "cat"}),
    ("MAnet", "resnet18", SMALL),
    ("DeepLabV3", "resnet18", {"decoder_channels": 64}),
    ("DeepLabV3Plus", "efficientnet-b0", {}),
    ("PSPNet", "resnet18", {}),
    ("Unet", "se_resnext50_32x4d", SMALL),
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
    ("Linknet", "resnet50", {"encoder_depth": 4}),
    ("Linknet", "resnet18", {"decoder_use_norm": False}),
    ("Linknet", "mobilenet_v2", {}),
    ("Linknet", "vgg11_bn", {}),
    ("FPN", "resnet18", {"aux_params": {"classes": 3}}),
    ("FPN", "resnext50_32x4d", {"in_channels": 3}),
    ("FPN", "densenet121", {}),
    ("MAnet", "efficientnet-b0", {"decoder_pab_channels": 32}),
    ("DeepLabV3", "mobilenet_v2", {}),
    ("DeepLabV3", "efficientnet-b1", {}),
    ("DeepLabV3Plus", "resnet50", {}),
    ("DeepLabV3Plus", "mobilenet_v2", {}),
    ("DeepLabV3Plus", "efficientnet-b3", {}),
    ("PSPNet", "resnet50", {"decoder_use_norm": False}),
    ("Unet", "se_resnet50", {}),
    ("UnetPlusPlus", "se_resnext50_32x4d", SMALL),
    ("Linknet", "se_resnet50", {"encoder_depth": 4}),
    ("DeepLabV3Plus", "se_resnext50_32x4d", {}),
]


def networks(models: list[tuple[str, str, dict[str, Any]]]) -> Iterator[tuple[str, torch.nn.Module, int]]:
    """Key, network and input channels of each."""
    for architecture, encoder, options in models:
        given = {"in_channels": 1, "classes": 2, **options}
        network = getattr(smp, architecture)(encoder, encoder_weights=None, **given)
        yield json.dumps([architecture, encoder, options]), network, given["in_channels"]


if __name__ == "__main__":
    record(Path(sys.argv[1]), networks(FEW if "--few" in sys.argv else ALL))
