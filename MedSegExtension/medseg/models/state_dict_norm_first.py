"""2D U-Nets of torch_em and pytorch-3dunet, which normalise before each convolution, told by names and shapes.

The network is `medseg.networks.norm_first_unet.NormFirstUNet`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Shapes = Mapping[str, tuple[int, ...]]

_TENSORS = ("weight", "bias", "running_mean", "running_var")


class _Names:
    """The network's names for the file's tensors, collected part by part."""

    def __init__(self, shapes: Shapes) -> None:
        self.shapes = shapes
        self.found: dict[str, str] = {}

    def take(self, theirs: str, ours: str) -> None:
        for tensor in _TENSORS:
            if f"{theirs}.{tensor}" in self.shapes:
                self.found[f"{theirs}.{tensor}"] = f"{ours}.{tensor}"

    def complete(self) -> bool:
        return set(self.found) == set(self.shapes)

    def kernels(self, side: str, count: int, number: int) -> list[tuple[int, ...]]:
        ours = {name: shape for theirs, name in self.found.items() for shape in [self.shapes[theirs]]}
        return [ours[f"{side}.{level}.conv{number}.weight"] for level in range(count)]


def recognise_norm_first(shapes: Shapes) -> dict[str, Any] | None:
    """`NormFirstUNet`, or None."""
    return _torch_em(shapes) or _three_d(shapes)


def _torch_em(shapes: Shapes) -> dict[str, Any] | None:
    if "encoder.blocks.0.block.1.weight" in shapes:
        parts = ("0", "1", "3", "4")
    elif "encoder.blocks.0.block.2.weight" in shapes and "base.block.2.weight" in shapes:
        parts = ("", "0", "", "2")  # without norms
    else:
        return None
    depth = 0
    while f"encoder.blocks.{depth}.block.{parts[1]}.weight" in shapes:
        depth += 1
    names = _Names(shapes)
    for level in range(depth + 1):
        place = f"encoder.blocks.{level}" if level < depth else "base"
        _take_level(names, f"{place}.block.", parts, f"encoder.{level}")
        if level < depth:
            _take_level(names, f"decoder.blocks.{depth - 1 - level}.block.", parts, f"decoder.{level}")
            names.take(f"decoder.samplers.{depth - 1 - level}.conv", f"up.{level}")
    names.take("out_conv", "head")
    if not names.complete():
        return None
    first = "encoder.blocks.0.block.0."
    norm = (
        "none"
        if not parts[0]
        else "batch"
        if f"{first}running_mean" in shapes
        else "group"
        if f"{first}weight" in shapes
        else "instance"
    )
    told = _describe(names, depth, norm, "head")
    told["arguments"] |= {"groups": 32, "few": "each", "upsampling": "bilinear", "skip_first": False}
    told["arguments"]["up_widths"] = [
        shapes[f"decoder.samplers.{depth - 1 - level}.conv.weight"][0] for level in range(depth)
    ]
    assumed = ["upsampling bilinear", "ReLU", "no activation at the end"]
    if norm == "group":
        assumed.append("32 groups")
    return {**told, "family": "U-Net of torch_em", "assumed": tuple(assumed)}


def _take_level(names: _Names, theirs: str, parts: tuple[str, ...], ours: str) -> None:
    for part, kind in zip(parts, ("norm1", "conv1", "norm2", "conv2"), strict=True):
        if part:
            names.take(theirs + part, f"{ours}.{kind}")


def _three_d(shapes: Shapes) -> dict[str, Any] | None:
    single = "{}.{}.basic_module.SingleConv{}.{}"
    if single.format("encoders", 0, 1, "conv") + ".weight" not in shapes:
        return None
    levels = 0
    while single.format("encoders", levels, 1, "conv") + ".weight" in shapes:
        levels += 1
    group = single.format("encoders", 0, 2, "groupnorm") + ".weight" in shapes
    batch = single.format("encoders", 0, 2, "batchnorm") + ".weight" in shapes
    names = _Names(shapes)
    for side, count in (("encoder", levels), ("decoder", levels - 1)):
        for level in range(count):
            theirs = level if side == "encoder" else levels - 2 - level
            for number in (1, 2):
                names.take(single.format(side + "s", theirs, number, "conv"), f"{side}.{level}.conv{number}")
                norm = single.format(side + "s", theirs, number, "groupnorm" if group else "batchnorm")
                names.take(norm, f"{side}.{level}.norm{number}")
                if group or batch:
                    # A norm behind its convolution has as many channels as come out of it.
                    kernel = shapes[single.format(side + "s", theirs, number, "conv") + ".weight"]
                    if shapes[f"{norm}.weight"] != (kernel[1],):
                        return None
    names.take("final_conv", "head")
    if not names.complete() or not _norm_stands_first(shapes, group, batch):
        return None
    told = _describe(names, levels - 1, "group" if group else "batch" if batch else "none", "head")
    told["arguments"] |= {"groups": 8, "few": "one", "upsampling": "nearest", "skip_first": True}
    assumed = ["upsampling nearest", "ReLU", "no activation at the end"]
    if group:
        assumed.append("8 groups")
    return {**told, "family": "2D U-Net of pytorch-3dunet", "assumed": tuple(assumed)}


def _norm_stands_first(shapes: Shapes, group: bool, batch: bool) -> bool:
    """Whether somewhere a convolution changes its channels, so that the norm's place is known from its size."""
    if not (group or batch):
        return True
    return any(len(shape) == 4 and shape[0] != shape[1] for name, shape in shapes.items() if "SingleConv" in name)


def _describe(names: _Names, depth: int, norm: str, head: str) -> dict[str, Any]:
    first, second = names.kernels("encoder", depth + 1, 1), names.kernels("encoder", depth + 1, 2)
    shapes, renamed = names.shapes, {ours: theirs for theirs, ours in names.found.items()}
    return {
        "architecture": "norm-first-unet",
        "arguments": {
            "in_channels": first[0][1],
            "out_channels": shapes[renamed[f"{head}.weight"]][0],
            "widths": [kernel[0] for kernel in second],
            "middle_widths": [kernel[0] for kernel in first],
            "decoder_widths": [kernel[0] for kernel in names.kernels("decoder", depth, 2)],
            "decoder_middle_widths": [kernel[0] for kernel in names.kernels("decoder", depth, 1)],
            "kernel": first[0][2],
            "norm": norm,
            "bias": "encoder.0.conv1.bias" in renamed,
        },
        "names": names.found,
    }
