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
    if "decoder.blocks.0.conv1.0.weight" not in shapes or "encoder.layer1.0.conv1.weight" not in shapes:
        return None
    names = {name: name for name in shapes if _KNOWN.fullmatch(name)}
    decoder = [shapes[f"decoder.blocks.{number}.conv2.0.weight"][0] for number in range(_count(shapes))]
    stages: list[int] = []
    while f"encoder.layer{len(stages) + 1}.0.conv1.weight" in shapes:
        stage = f"encoder.layer{len(stages) + 1}"
        number = 0
        while f"{stage}.{number}.conv1.weight" in shapes:
            number += 1
        stages.append(number)
    used = len(decoder) - 1  # one level is made by the first convolution alone
    left = {name for name in shapes if re.match(r"encoder\.layer(\d)\.", name) and int(name[13]) > used}
    left |= {name for name in shapes if name.startswith(("encoder.fc.", "classification_head."))}
    if set(shapes) - set(names) - left or not 1 <= used <= len(stages):
        return None
    bottleneck = "encoder.layer1.0.conv3.weight" in shapes
    second = shapes["encoder.layer1.0.conv2.weight"]
    width = shapes["encoder.layer1.0.conv1.weight"][0]
    batch_norm = "decoder.blocks.0.conv1.1.running_mean" in shapes
    arguments = {
        "in_channels": shapes["encoder.conv1.weight"][1],
        "out_channels": shapes["segmentation_head.0.weight"][0],
        "blocks": stages[:used],
        "bottleneck": bottleneck,
        "width": width,
        "groups": width // second[1] if bottleneck else 1,
        "decoder_widths": decoder,
        "decoder_norm": batch_norm,
        "head_kernel": shapes["segmentation_head.0.weight"][2],
    }
    known = {"2 2 2 2": "18", "3 4 6 3": "50" if bottleneck else "34", "3 4 23 3": "101", "3 8 36 3": "152"}
    name = known.get(" ".join(map(str, stages)), "")
    return {
        "family": f"U-Net with a ResNet{'-' + name if name else ''} encoder (segmentation_models_pytorch)",
        "architecture": "resnet-unet",
        "arguments": arguments,
        "names": {name: ours for name, ours in names.items() if name not in left},
        "left": tuple(sorted(left)),
        "assumed": ("nearest upsampling", "ReLU", "no activation at the end"),
    }


def _count(shapes: Shapes) -> int:
    number = 0
    while f"decoder.blocks.{number}.conv2.0.weight" in shapes:
        number += 1
    return number
