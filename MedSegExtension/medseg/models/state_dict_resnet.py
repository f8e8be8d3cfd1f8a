"""U-Nets with a ResNet encoder, with the tensor names of segmentation_models_pytorch (`smp.Unet`)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

Shapes = Mapping[str, tuple[int, ...]]

_KNOWN = re.compile(
    r"encoder\.(conv1|bn1|layer[1-4]\.\d+\.(conv[1-3]|bn[1-3]|downsample\.[01]))\.\w+|"
    r"decoder\.blocks\.\d\.conv[12]\.[01]\.\w+|segmentation_head\.0\.\w+"
)


def recognise_resnet(shapes: Shapes) -> dict[str, Any] | None:
    """`medseg.networks.resnet_unet.ResNetUNet`, or None."""
    if "decoder.blocks.0.conv1.0.weight" not in shapes:
        return None
    names = {name: name for name in shapes if _KNOWN.fullmatch(name)}
    decoder = [shapes[f"decoder.blocks.{number}.conv2.0.weight"][0] for number in range(_count(shapes))]
    used = len(decoder) - 1  # one level is made by the first convolution alone
    found = resnet_encoder(shapes, used)
    if found is None:
        return None
    encoder, label = found
    left = {name for name in shapes if re.match(r"encoder\.layer(\d)\.", name) and int(name[13]) > used}
    left |= {name for name in shapes if name.startswith(("encoder.fc.", "classification_head."))}
    if set(shapes) - set(names) - left:
        return None
    return {
        "family": f"U-Net with a {label} encoder (segmentation_models_pytorch)",
        "architecture": "resnet-unet",
        "arguments": {
            "in_channels": encoder.pop("in_channels"),
            "out_channels": shapes["segmentation_head.0.weight"][0],
            **encoder,
            "decoder_widths": decoder,
            "decoder_norm": "decoder.blocks.0.conv1.1.running_mean" in shapes,
            "head_kernel": shapes["segmentation_head.0.weight"][2],
        },
        "names": {name: ours for name, ours in names.items() if name not in left},
        "left": tuple(sorted(left)),
        "assumed": ("nearest upsampling", "ReLU", "no activation at the end"),
    }


def resnet_encoder(shapes: Shapes, used: int) -> tuple[dict[str, Any], str] | None:
    """Arguments of the encoder with its first ``used`` stages, ``in_channels`` among them, and what to call it."""
    if "encoder.layer1.0.conv1.weight" not in shapes or "encoder.conv1.weight" not in shapes:
        return None
    stages: list[int] = []
    while f"encoder.layer{len(stages) + 1}.0.conv1.weight" in shapes:
        stage = f"encoder.layer{len(stages) + 1}"
        number = 0
        while f"{stage}.{number}.conv1.weight" in shapes:
            number += 1
        stages.append(number)
    if not 1 <= used <= len(stages):
        return None
    bottleneck = "encoder.layer1.0.conv3.weight" in shapes
    width = shapes["encoder.layer1.0.conv1.weight"][0]
    groups = width // shapes["encoder.layer1.0.conv2.weight"][1] if bottleneck else 1
    known = {"2 2 2 2": "18", "3 4 6 3": "50" if bottleneck else "34", "3 4 23 3": "101", "3 8 36 3": "152"}
    name = known.get(" ".join(map(str, stages)), "")
    label = ("ResNeXt" if groups > 1 else "wide ResNet" if width > 64 else "ResNet") + (f"-{name}" if name else "")
    arguments = {
        "in_channels": shapes["encoder.conv1.weight"][1],
        "blocks": stages[:used],
        "bottleneck": bottleneck,
        "width": width,
        "groups": groups,
    }
    return arguments, label


def _count(shapes: Shapes) -> int:
    number = 0
    while f"decoder.blocks.{number}.conv2.0.weight" in shapes:
        number += 1
    return number
