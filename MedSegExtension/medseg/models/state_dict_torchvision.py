"""DeepLabV3 and FCN on ResNet-50 and -101 as torchvision names their tensors (`torchvision.models.segmentation`).

The network is `medseg.networks.torchvision_segmenter.TorchvisionSegmenter`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .state_dict_resnet import resnet_encoder

Shapes = Mapping[str, tuple[int, ...]]

_BACKBONE = r"backbone\.(conv1|bn1|layer[1-4]\.\d+\.(conv[1-3]|bn[1-3]|downsample\.[01]))\.\w+"
_DEEPLAB = re.compile(rf"{_BACKBONE}|classifier\.(0\.convs\.[0-4]\.[0-2]|0\.project\.[01]|[124])\.\w+")
_FCN = re.compile(rf"{_BACKBONE}|classifier\.[014]\.\w+")


def recognise_torchvision(shapes: Shapes) -> dict[str, Any] | None:
    """`TorchvisionSegmenter`, or None."""
    if "backbone.conv1.weight" not in shapes or "classifier.4.weight" not in shapes:
        return None
    deeplab = "classifier.0.convs.0.0.weight" in shapes
    left = {name for name in shapes if name.startswith(("aux_classifier.", "backbone.fc."))}
    names = {name: name for name in shapes if name not in left}
    if not all(map((_DEEPLAB if deeplab else _FCN).fullmatch, names)):
        return None
    found = resnet_encoder({name.replace("backbone.", "encoder.", 1): shape for name, shape in shapes.items()}, 4)
    if found is None:
        return None
    encoder, label = found
    # torchvision dilates bottlenecks alone, and its two networks of this kind are neither grouped nor wide.
    if not encoder["bottleneck"] or encoder["groups"] != 1 or encoder["width"] != 64:
        return None
    last = shapes["classifier.4.weight"]
    arguments: dict[str, Any] = {
        "in_channels": encoder["in_channels"],
        "out_channels": last[0],
        "blocks": encoder["blocks"],
        "head": "deeplabv3" if deeplab else "fcn",
        "channels": last[1],
    }
    assumed = ["output stride 8", "ReLU"]
    if deeplab:
        arguments["rates"] = [12, 24, 36]
        assumed.insert(0, "rates 12, 24 and 36")
    return {
        "family": f"{'DeepLabV3' if deeplab else 'FCN'} on {label} (torchvision)",
        "architecture": "torchvision-segmenter",
        "arguments": arguments,
        "names": names,
        "left": tuple(sorted(left)),
        "assumed": tuple(assumed),
        "multiple_of": 1,
    }
