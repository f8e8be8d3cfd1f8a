"""MONAI's 2D networks, told by the names and shapes of their weights (names as MONAI 0.8 to 1.6 write them).

What a network's weights cannot tell is taken from MONAI's own defaults and named in ``assumed``; where weights show
that the default was not used, and not what was used instead, it is named in ``unknown`` and asked for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

Shapes = Mapping[str, tuple[int, ...]]


def recognise_monai(shapes: Shapes) -> dict[str, Any] | None:
    """`UNet`, `BasicUNet`, `BasicUNetPlusPlus`, `DynUNet`, `AttentionUnet` or `SegResNet` of MONAI, or None."""
    for recogniser in (_basic, _plus_plus, _dynunet, _attention, _segresnet, _unet):
        try:
            found = recogniser(shapes)
        except (KeyError, IndexError):
            continue
        if found is not None:
            return found
    return None


def _norm(shapes: Shapes, prefix: str) -> tuple[Any, tuple[str, ...]]:
    if f"{prefix}.running_mean" in shapes:
        return "batch", ()
    if f"{prefix}.weight" in shapes:
        return ["instance", {"affine": True}], ("instance norm (a group norm has the same tensors)",)
    return "instance", ("instance norm without weights, MONAI's default (no norm at all looks the same)",)


def _kernel(shape: tuple[int, ...]) -> int | list[int]:
    return shape[2] if shape[2] == shape[3] else [shape[2], shape[3]]


def _basic(shapes: Shapes) -> dict[str, Any] | None:
    if "conv_0.conv_0.conv.weight" not in shapes or "upcat_1.convs.conv_0.conv.weight" not in shapes:
        return None
    known = re.compile(
        r"(conv_0|down_[1-4]\.convs|upcat_[1-4]\.convs)\.conv_[01]\.(conv|adn\.[NA])\.\w+|"
        r"upcat_[1-4]\.upsample\.(deconv|preconv)\.\w+|final_conv\.\w+"
    )
    if not all(known.fullmatch(name) for name in shapes):
        return None
    features = [shapes["conv_0.conv_0.conv.weight"][0]]
    features += [shapes[f"down_{level}.convs.conv_0.conv.weight"][0] for level in range(1, 5)]
    features.append(shapes["upcat_1.convs.conv_0.conv.weight"][0])
    norm, assumed = _norm(shapes, "conv_0.conv_0.adn.N")
    prelu = "conv_0.conv_0.adn.A.weight" in shapes
    arguments = {
        "in_channels": shapes["conv_0.conv_0.conv.weight"][1],
        "out_channels": shapes["final_conv.weight"][0],
        "features": features,
        "norm": norm,
        "bias": "conv_0.conv_0.conv.bias" in shapes,
        "act": "prelu" if prelu else ["leakyrelu", {"negative_slope": 0.1}],
        "upsample": "deconv" if "upcat_1.upsample.deconv.weight" in shapes else "nontrainable",
    }
    if not prelu:
        assumed += ("LeakyReLU with slope 0.1, MONAI's default",)
    return {
        "family": "BasicUNet (MONAI)",
        "architecture": "monai-basic-unet",
        "arguments": arguments,
        "names": {name: name for name in shapes},
        "assumed": assumed,
    }


def _plus_plus(shapes: Shapes) -> dict[str, Any] | None:
    if "conv_0_0.conv_0.conv.weight" not in shapes or "final_conv_0_4.weight" not in shapes:
        return None
    known = re.compile(
        r"(conv_0_0|conv_[1-4]_0\.convs|upcat_\d_\d\.convs)\.conv_[01]\.(conv|adn\.[NA])\.\w+|"
        r"upcat_\d_\d\.upsample\.(deconv|preconv)\.\w+|final_conv_0_[1-4]\.\w+"
    )
    if not all(known.fullmatch(name) for name in shapes):
        return None
    features = [shapes["conv_0_0.conv_0.conv.weight"][0]]
    features += [shapes[f"conv_{level}_0.convs.conv_0.conv.weight"][0] for level in range(1, 5)]
    features.append(shapes["upcat_0_4.convs.conv_0.conv.weight"][0])
    norm, assumed = _norm(shapes, "conv_0_0.conv_0.adn.N")
    prelu = "conv_0_0.conv_0.adn.A.weight" in shapes
    return {
        "family": "BasicUNetPlusPlus (MONAI)",
        "architecture": "monai-basic-unet-plus-plus",
        "arguments": {
            "in_channels": shapes["conv_0_0.conv_0.conv.weight"][1],
            "out_channels": shapes["final_conv_0_4.weight"][0],
            "features": features,
            "norm": norm,
            "bias": "conv_0_0.conv_0.conv.bias" in shapes,
            "act": "prelu" if prelu else ["leakyrelu", {"negative_slope": 0.1}],
            "upsample": "deconv" if "upcat_0_1.upsample.deconv.weight" in shapes else "nontrainable",
        },
        "names": {name: name for name in shapes},
        "assumed": assumed if prelu else (*assumed, "LeakyReLU with slope 0.1, MONAI's default"),
    }


def _segresnet(shapes: Shapes) -> dict[str, Any] | None:
    if "convInit.conv.weight" not in shapes or "conv_final.2.conv.weight" not in shapes:
        return None
    known = re.compile(
        r"convInit\.conv\.\w+|(down|up)_layers\.\d\.\d+\.((norm|conv)[12](\.conv)?|conv)\.\w+|"
        r"up_samples\.\d\.([01]\.)(conv|deconv)\.\w+|conv_final\.(0|2\.conv)\.\w+"
    )
    if not all(known.fullmatch(name) for name in shapes):
        return None
    down: list[int] = []
    up: list[int] = []
    while f"down_layers.{len(down)}.1.conv1.conv.weight" in shapes:
        count = 1
        while f"down_layers.{len(down)}.{count + 1}.conv1.conv.weight" in shapes:
            count += 1
        down.append(count)
    while f"up_layers.{len(up)}.0.conv1.conv.weight" in shapes:
        count = 1
        while f"up_layers.{len(up)}.{count}.conv1.conv.weight" in shapes:
            count += 1
        up.append(count)
    first = shapes["convInit.conv.weight"]
    batch = "conv_final.0.running_mean" in shapes
    trained = "up_samples.0.1.deconv.weight" in shapes
    assumed = ["ReLU", *([] if batch else ["group norm in 8 groups, MONAI's default"])]
    return {
        "family": "SegResNet (MONAI)",
        "architecture": "monai-segresnet",
        "arguments": {
            "in_channels": first[1],
            "out_channels": shapes["conv_final.2.conv.weight"][0],
            "init_filters": first[0],
            "blocks_down": down,
            "blocks_up": up,
            "norm": "batch" if batch else ["group", {"num_groups": 8}],
            "upsample_mode": "deconv" if trained else "nontrainable",
        },
        "names": {name: name for name in shapes},
        "assumed": tuple(assumed),
    }


def _dynunet(shapes: Shapes) -> dict[str, Any] | None:
    if "input_block.conv1.conv.weight" not in shapes or "output_block.conv.conv.weight" not in shapes:
        return None
    blocks = ["input_block"]
    while f"downsamples.{len(blocks) - 1}.conv1.conv.weight" in shapes:
        blocks.append(f"downsamples.{len(blocks) - 1}")
    blocks.append("bottleneck")
    kernels = [shapes[f"{block}.conv1.conv.weight"] for block in blocks]
    ups = [shapes[f"upsamples.{number}.transp_conv.conv.weight"] for number in range(len(blocks) - 1)]
    left = {name for name in shapes if name.startswith("deep_supervision_heads.") or ".super_head." in name}
    norm, assumed = _norm(shapes, "input_block.norm1")
    arguments = {
        "in_channels": kernels[0][1],
        "out_channels": shapes["output_block.conv.conv.weight"][0],
        "filters": [kernel[0] for kernel in kernels],
        "kernel_size": [_kernel(kernel) for kernel in kernels],
        # The transposed convolution of each level has the kernel and stride by which the level was shrunk.
        "strides": [1, *(_kernel(kernel) for kernel in reversed(ups))],
        "upsample_kernel_size": [_kernel(kernel) for kernel in reversed(ups)],
        "norm_name": norm,
        "res_block": "bottleneck.conv3.conv.weight" in shapes,
        "trans_bias": "upsamples.0.transp_conv.conv.bias" in shapes,
    }
    return {
        "family": "DynUNet (MONAI)",
        "architecture": "monai-dynunet",
        "arguments": arguments,
        "names": {name: name for name in shapes if name not in left},
        "left": tuple(sorted(left)),
        "assumed": (*assumed, "LeakyReLU with slope 0.01, MONAI's default", "strides as the transposed kernels"),
    }


def _attention(shapes: Shapes) -> dict[str, Any] | None:
    if "model.0.conv.0.conv.weight" not in shapes or "model.1.upconv.up.conv.weight" not in shapes:
        return None
    first = shapes["model.0.conv.0.conv.weight"]
    channels, place = [first[0]], "model.1."
    while f"{place}submodule.0.conv.0.conv.weight" in shapes:
        channels.append(shapes[f"{place}submodule.0.conv.0.conv.weight"][0])
        place += "submodule.1."
    channels.append(shapes[f"{place}submodule.conv.0.conv.weight"][0])
    arguments = {
        "in_channels": first[1],
        "out_channels": shapes["model.2.conv.weight"][0],
        "channels": channels,
        "strides": [2] * (len(channels) - 1),
        "kernel_size": _kernel(first),
        "up_kernel_size": _kernel(shapes["model.1.upconv.up.conv.weight"]),
    }
    return {
        "family": "AttentionUnet (MONAI)",
        "architecture": "monai-attention-unet",
        "arguments": arguments,
        "names": {name: name for name in shapes},
        "assumed": ("strides of 2",),
    }


def _unet(shapes: Shapes) -> dict[str, Any] | None:
    units = 0
    while f"model.0.conv.unit{units}.conv.weight" in shapes:
        units += 1
    down = "conv.unit0.conv.weight" if units else "conv.weight"
    if f"model.0.{down}" not in shapes or not any(name.startswith("model.1.submodule.") for name in shapes):
        return None
    channels: list[int] = []
    strides: list[int] = []
    assumed: tuple[str, ...] = ()
    place = "model."
    while f"{place}0.{down}" in shapes:
        kernel = shapes[f"{place}0.{down}"]
        channels.append(kernel[0])
        if units:
            # A shortcut that shrinks has the block's kernel, one that only changes the width 1×1.
            shortcut = shapes.get(f"{place}0.residual.weight")
            strides.append(2 if shortcut is not None and (shortcut[2] > 1 or kernel[2] == 1) else 1)
        else:
            strides.append(2)
        place += "1.submodule."
    channels.append(shapes[f"{place}{down}"][0])
    up = shapes["model.2.0.conv.weight" if units else "model.2.conv.weight"]
    adn = "model.0.conv.unit0.adn" if units else "model.0.adn"
    norm, assumed = _norm(shapes, f"{adn}.N")
    assumed += ("steps of 2 wherever a level shrinks",) if units else ("strides of 2",)
    arguments: dict[str, Any] = {
        "in_channels": shapes[f"model.0.{down}"][1],
        "out_channels": up[1],
        "channels": channels,
        "strides": strides,
        "kernel_size": _kernel(shapes[f"model.0.{down}"]),
        "up_kernel_size": _kernel(up),
        "num_res_units": units,
        "norm": norm,
        "bias": f"model.0.{down.removesuffix('weight')}bias" in shapes,
    }
    unknown: tuple[str, ...] = ()
    if f"{adn}.A.weight" in shapes:
        arguments["act"] = "prelu"
    else:
        unknown = ("act",)
    return {
        "family": "UNet (MONAI)",
        "architecture": "monai-unet",
        "arguments": arguments,
        "names": {name: name for name in shapes},
        "assumed": assumed,
        "unknown": unknown,
    }
