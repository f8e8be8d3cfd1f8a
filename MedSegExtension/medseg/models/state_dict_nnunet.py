"""The 2D network of nnU-Net's first version, told by its checkpoint's names; what is trained with plans of the second
version comes as a folder (`nnunet_folder`).

The network is `medseg.networks.nnunet_v1.FirstNnUNet`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

Shapes = Mapping[str, tuple[int, ...]]

_KNOWN = re.compile(
    r"(conv_blocks_(context|localization)\.\d+(\.[01])?\.blocks\.\d\.(conv|instnorm)|tu\.\d+|seg_outputs\.\d+)\.\w+"
)


def recognise_first_nnunet(shapes: Shapes) -> dict[str, Any] | None:
    """`FirstNnUNet`, or None."""
    if "conv_blocks_context.0.blocks.0.conv.weight" not in shapes or not all(map(_KNOWN.fullmatch, shapes)):
        return None
    depth = 0
    while f"conv_blocks_context.{depth}.blocks.0.conv.weight" in shapes:
        depth += 1
    stages = [f"conv_blocks_context.{stage}." for stage in range(depth)] + [f"conv_blocks_context.{depth}.0."]
    first = [shapes[f"{stage}blocks.0.conv.weight"] for stage in stages]
    convolutions = 0
    while f"conv_blocks_context.0.blocks.{convolutions}.conv.weight" in shapes:
        convolutions += 1
    ups = [shapes[f"tu.{number}.weight"] for number in range(depth)]
    decoder = [shapes[f"conv_blocks_localization.{number}.0.blocks.0.conv.weight"] for number in range(depth)]
    if any(len(kernel) != 4 for kernel in (*first, *ups, *decoder)):  # a 3D configuration
        return None
    return {
        "family": "2D network of nnU-Net's first version",
        "architecture": "nnunet-v1",
        "arguments": {
            "in_channels": first[0][1],
            "out_channels": shapes[f"seg_outputs.{depth - 1}.weight"][0],
            "widths": [kernel[0] for kernel in first],
            "strides": [list(up[2:]) for up in reversed(ups)],
            "kernels": [list(kernel[2:]) for kernel in first],
            "decoder_kernels": [list(kernel[2:]) for kernel in decoder],
            "convolutions": convolutions,
            "norm": "batch" if "conv_blocks_context.0.blocks.0.instnorm.running_mean" in shapes else "instance",
            "head_bias": "seg_outputs.0.bias" in shapes,
        },
        "names": {name: name for name in shapes},
        "assumed": ("strided convolutions in place of pooling", "LeakyReLU with slope 0.01"),
    }
