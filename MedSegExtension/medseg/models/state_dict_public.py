"""The plain 2D U-Nets that circulate as weights, told by the public names of their tensors.

They share one plan (U-Net, Ronneberger et al. 2015): two convolutions a level, pooling, upsampling, concatenation. What
differs is written down in `LAYOUTS`: how tensors are named, and what names cannot tell (order of concatenation, kind of
interpolation), as each project documents it. The network itself is `medseg.networks.plain_unet.PlainUNet`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Shapes = Mapping[str, tuple[int, ...]]
Namer = Callable[[int, int], str]

_TENSORS = ("weight", "bias", "running_mean", "running_var")


@dataclass(frozen=True)
class Layout:
    """Names of one family. ``level`` counts from 0 at full size; ``levels`` is their number, the coarsest counted.

    ``encoder`` and ``decoder`` give the beginning of a level's names from (level, levels); ``parts`` the ends for the
    first convolution, its norm, the second convolution, its norm; ``up`` the upsampling's own convolution and norm.
    """

    family: str
    encoder: Namer
    decoder: Namer
    parts: tuple[str, str, str, str]
    up: tuple[Namer, Namer | None]
    head: str
    skip_first: bool
    interpolation: str = "bilinear-corners"
    head_activation: str = "none"
    #: Beginning of the names of an attention gate, whose parts are W_g, W_x and psi.
    gate: Namer | None = None
    #: Whether the upsampling's own convolution goes with interpolation and is not transposed.
    interpolates: bool = False
    #: Of LeakyReLU; 0 for ReLU.
    slope: float = 0.0
    #: Beginning of the names of heads that only training uses.
    unused: str | None = None


def _level(text: str, last: str | None = None, first: str | None = None) -> Namer:
    """Names with ``{level}`` from 0, ``{one}`` from 1, and ``{rise}`` from the coarsest decoder level, from 1."""

    def name(level: int, levels: int) -> str:
        pattern = (
            first if first is not None and level == 0 else last if last is not None and level == levels - 1 else text
        )
        rise = levels - 1 - level
        return pattern.format(level=level, one=level + 1, rise=rise, up=2 * (rise - 1), conv=2 * (rise - 1) + 1)

    return name


LAYOUTS = (
    Layout(
        "U-Net with the tensor names inc, down1, up1, outc",
        _level("down{level}.maxpool_conv.1.double_conv.", first="inc.double_conv."),
        _level("up{rise}.conv.double_conv."),
        ("0", "1", "3", "4"),
        (_level("up{rise}.up"), None),
        "outc.conv",
        True,
    ),
    Layout(
        "U-Net with the older tensor names inc, down1, up1, outc",
        _level("down{level}.mpconv.1.conv.", first="inc.conv.conv."),
        _level("up{rise}.conv.conv."),
        ("0", "1", "3", "4"),
        (_level("up{rise}.up"), None),
        "outc.conv",
        True,
    ),
    Layout(
        "U-Net for brain MRI of the PyTorch Hub (encoder1.enc1conv1, …)",
        _level("encoder{one}.enc{one}", last="bottleneck.bottleneck"),
        _level("decoder{one}.dec{one}"),
        ("conv1", "norm1", "conv2", "norm2"),
        (_level("upconv{one}"), None),
        "conv",
        False,
        head_activation="sigmoid",
    ),
    *(
        Layout(
            f"{kind} with the tensor names Conv1, {named}, Up_conv5, {head}",
            _level("Conv{one}.conv."),
            lambda level, levels: f"Up_conv{level + 2}.conv.",
            ("0", "1", "3", "4"),
            (lambda level, levels: f"Up{level + 2}.up.1", lambda level, levels: f"Up{level + 2}.up.2"),
            head,
            True,
            interpolation="nearest",
            gate=gate,
        )
        for head in ("Conv_1x1", "Conv")
        for kind, named, gate in (
            ("U-Net", "Up5", None),
            ("attention U-Net", "Att5", lambda level, levels: f"Att{level + 2}."),
        )
    ),
    *(
        Layout(
            "U-Net with the tensor names down_convs.0.conv1, up_convs.0.upconv, conv_final",
            _level("down_convs.{level}."),
            lambda level, levels: f"up_convs.{levels - 2 - level}.",
            ("conv1", "", "conv2", ""),
            (_level_up, None),
            "conv_final",
            False,
            interpolation="bilinear",
            interpolates=interpolates,
        )
        for interpolates, _level_up in (
            (False, lambda level, levels: f"up_convs.{levels - 2 - level}.upconv"),
            (True, lambda level, levels: f"up_convs.{levels - 2 - level}.upconv.1"),
        )
    ),
    Layout(
        "U-Net with the tensor names conv0_0, conv4_0, conv0_4, final",
        _level("conv{level}_0."),
        lambda level, levels: f"conv{level}_{levels - 1 - level}.",
        ("conv1", "bn1", "conv2", "bn2"),
        (lambda *_: "", None),
        "final",
        True,
    ),
    Layout(
        "U-Net with the tensor names dconv_down1, dconv_up3, conv_last",
        _level("dconv_down{one}."),
        _level("dconv_up{one}."),
        ("0", "", "2", ""),
        (lambda *_: "", None),
        "conv_last",
        False,
    ),
    Layout(
        "U-Net with the tensor names downs, ups, bottleneck, final_conv",
        _level("downs.{level}.conv.", last="bottleneck.conv."),
        _level("ups.{conv}.conv."),
        ("0", "1", "3", "4"),
        (_level("ups.{up}"), None),
        "final_conv",
        True,
    ),
    Layout(
        "U-Net with the tensor names e1.conv, b, d1.up, outputs",
        _level("e{one}.conv.", last="b."),
        _level("d{rise}.conv."),
        ("conv1", "bn1", "conv2", "bn2"),
        (_level("d{rise}.up"), None),
        "outputs",
        False,
    ),
    *(
        Layout(
            "U-Net of semi-supervised learning (encoder.in_conv.conv_conv, decoder.up1, decoder.out_conv)",
            _level("encoder.down{level}.maxpool_conv.1.conv_conv.", first="encoder.in_conv.conv_conv."),
            _level("decoder.up{rise}.conv.conv_conv."),
            ("0", "1", "4", "5"),
            (_level("decoder.up{rise}." + part), None),
            "decoder.out_conv",
            True,
            interpolates=part == "conv1x1",
            slope=0.01,
            unused="decoder.out_conv_dp",
        )
        for part in ("up", "conv1x1")
    ),
)


_NESTED = re.compile(r"conv\d_\d\.(conv|bn)[12]\.\w+|final[1-9]?\.\w+")


def _nested(shapes: Shapes) -> dict[str, Any] | None:
    """UNet++ with the names conv0_0, conv0_1, …: every node of the triangle, and one head or one for each node."""
    if "conv0_1.conv1.weight" not in shapes or not all(_NESTED.fullmatch(name) for name in shapes):
        return None
    levels = 1
    while f"conv{levels}_0.conv1.weight" in shapes:
        levels += 1
    if f"conv{levels - 2}_1.conv1.weight" not in shapes:
        return None
    last = f"final{levels - 1}" if f"final{levels - 1}.weight" in shapes else "final"
    left = tuple(sorted(name for name in shapes if name.startswith("final") and not name.startswith(f"{last}.")))
    return {
        "family": "UNet++ with the tensor names conv0_0, conv0_1, final",
        "architecture": "nested-unet",
        "arguments": {
            "in_channels": shapes["conv0_0.conv1.weight"][1],
            "out_channels": shapes[f"{last}.weight"][0],
            "widths": [shapes[f"conv{level}_0.conv2.weight"][0] for level in range(levels)],
        },
        "names": {name: name.replace(f"{last}.", "final.") for name in shapes if name not in left},
        "left": left,
        "assumed": ("bilinear upsampling with corners aligned", "ReLU"),
    }


def recognise_public(shapes: Shapes) -> dict[str, Any] | None:
    """The U-Net of one of `LAYOUTS`, or the UNet++ of `_nested`, with every tensor accounted for, or None."""
    found = _nested(shapes)
    if found is not None:
        return found
    for layout in LAYOUTS:
        if f"{layout.head}.weight" not in shapes:
            continue
        for levels in range(9, 1, -1):
            found = _fit(layout, levels, shapes)
            if found is not None:
                return found
    return None


def _fit(layout: Layout, levels: int, shapes: Shapes) -> dict[str, Any] | None:
    if not all(layout.encoder(level, levels) + layout.parts[0] + ".weight" in shapes for level in range(levels)):
        return None
    names: dict[str, str] = {}

    def take(theirs: str, ours: str) -> None:
        names.update(
            {f"{theirs}.{tensor}": f"{ours}.{tensor}" for tensor in _TENSORS if f"{theirs}.{tensor}" in shapes}
        )

    for level in range(levels):
        sides = (("encoder", layout.encoder), ("decoder", layout.decoder))[: 1 if level == levels - 1 else 2]
        for side, namer in sides:
            for part, ours in zip(layout.parts, ("conv1", "norm1", "conv2", "norm2"), strict=True):
                if part:
                    take(namer(level, levels) + part, f"{side}.{level}.{ours}")
        if level < levels - 1:
            take(layout.up[0](level, levels), f"up.{level}.conv")
            if layout.up[1] is not None:
                take(layout.up[1](level, levels), f"up.{level}.norm")
            if layout.gate is not None:
                for theirs, ours in (("W_g", "below"), ("W_x", "skip"), ("psi", "out")):
                    take(f"{layout.gate(level, levels)}{theirs}.0", f"gates.{level}.{ours}_conv")
                    take(f"{layout.gate(level, levels)}{theirs}.1", f"gates.{level}.{ours}_norm")
    take(layout.head, "head")
    left = tuple(name for name in shapes if layout.unused is not None and name.startswith(layout.unused))
    if {*names, *left} != set(shapes):
        return None
    renamed = {names[name]: shape for name, shape in shapes.items() if name in names}
    described = _describe(layout, levels, renamed, names)
    return {**described, "left": left} if _concatenates(described["arguments"], renamed) else None


def _concatenates(arguments: dict[str, Any], ours: Shapes) -> bool:
    """Whether each decoder level takes the skip connection beside the upsampled values, and not their sum."""
    skips, below = arguments["widths"][:-1], (*arguments["decoder_widths"][1:], arguments["widths"][-1])
    raised = arguments.get("up_widths", below)
    return all(
        ours[f"decoder.{level}.conv1.weight"][1] == skip + up
        for level, (skip, up) in enumerate(zip(skips, raised, strict=True))
    )


def _describe(layout: Layout, levels: int, ours: Shapes, names: dict[str, str]) -> dict[str, Any]:
    first = ours["encoder.0.conv1.weight"]
    norm = (
        "none"
        if "encoder.0.norm1.weight" not in ours
        else "batch"
        if "encoder.0.norm1.running_mean" in ours
        else "instance"
    )
    has_up = "up.0.conv.weight" in ours
    widths = [ours[f"encoder.{level}.conv2.weight"][0] for level in range(levels)]
    arguments: dict[str, Any] = {
        "in_channels": first[1],
        "out_channels": ours["head.weight"][0],
        "widths": widths,
        "middle_widths": [ours[f"encoder.{level}.conv1.weight"][0] for level in range(levels)],
        "decoder_widths": [ours[f"decoder.{level}.conv2.weight"][0] for level in range(levels - 1)],
        "decoder_middle_widths": [ours[f"decoder.{level}.conv1.weight"][0] for level in range(levels - 1)],
        "kernel": first[2],
        "norm": norm,
        "bias": "encoder.0.conv1.bias" in ours,
        "skip_first": layout.skip_first,
        "head_kernel": ours["head.weight"][2],
        "head_activation": layout.head_activation,
    }
    if layout.gate is not None:
        arguments["gate_widths"] = [ours[f"gates.{level}.out_conv.weight"][1] for level in range(levels - 1)]
    assumed = [
        f"concatenation of {'the skip connection first' if layout.skip_first else 'the upsampled values first'}",
        f"LeakyReLU with slope {layout.slope}" if layout.slope else "ReLU",
    ]
    if layout.slope:
        arguments["slope"] = layout.slope
    if has_up and layout.up[1] is None and not layout.interpolates:
        arguments["upsampling"] = "transposed"
        arguments["up_kernel"] = ours["up.0.conv.weight"][2]
        arguments["up_widths"] = [ours[f"up.{level}.conv.weight"][1] for level in range(levels - 1)]
    else:
        arguments["upsampling"] = layout.interpolation
        assumed.append(f"upsampling {layout.interpolation}")
        if has_up:
            arguments["up_kernel"] = ours["up.0.conv.weight"][2]
            arguments["up_widths"] = [ours[f"up.{level}.conv.weight"][0] for level in range(levels - 1)]
            arguments["up_norm"] = "up.0.norm.weight" in ours
    if layout.head_activation != "none":
        assumed.append(f"a {layout.head_activation} at the end")
    return {
        "family": layout.family,
        "architecture": "plain-unet",
        "arguments": arguments,
        "names": names,
        "assumed": tuple(assumed),
        "ends_in": layout.head_activation if layout.head_activation != "none" else None,
    }
