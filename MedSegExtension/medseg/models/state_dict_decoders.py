"""Segmentation networks other than U-Nets on image-classification encoders, by segmentation_models_pytorch's names.

Linknet, FPN, MAnet, DeepLabV3, DeepLabV3+ and PSPNet; the network is `medseg.networks.encoder_decoders.EncoderDecoder`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .state_dict_encoder import ENCODER_READERS

Shapes = Mapping[str, tuple[int, ...]]


#: Encoders that the library dilates.
_DILATED = ("resnet", "se-resnet", "mobilenet-v2", "efficientnet")


@dataclass(frozen=True)
class Decoder:
    """A decoder as its tensors tell it: arguments, the encoder's levels, its names, and what was taken on trust."""

    family: str
    arguments: dict[str, Any]
    levels: int
    names: re.Pattern[str]
    multiple: int
    assumed: tuple[str, ...] = ()


def recognise_decoder(shapes: Shapes) -> dict[str, Any] | None:
    """`EncoderDecoder`, or None."""
    if "segmentation_head.0.weight" not in shapes:
        return None
    ours = _current_names(shapes)
    renamed = {ours[name]: shape for name, shape in shapes.items()}
    for read in _READERS:
        decoder = read(renamed)
        if decoder is not None:
            return _with_encoder(renamed, decoder, {new: old for old, new in ours.items()})
    return None


def _current_names(shapes: Shapes) -> dict[str, str]:
    """DeepLabV3's decoder was a plain sequence in the library's first years."""
    parts = {"0": "aspp", "1": "conv", "2": "bn"}
    old = "decoder.0.convs.0.0.weight" in shapes

    def current(name: str) -> str:
        match = re.fullmatch(r"decoder\.([012])\.(.+)", name) if old else None
        return name if match is None else f"decoder.{parts[match[1]]}.{match[2]}"

    return {name: current(name) for name in shapes}


def _with_encoder(shapes: Shapes, decoder: Decoder, theirs: Mapping[str, str]) -> dict[str, Any] | None:
    for kind, reader in ENCODER_READERS.items():
        found = reader(shapes, decoder.levels)
        if found is None:
            continue
        encoder, label, known, unused, assumed = found
        if decoder.arguments["kind"].startswith("deeplab") and kind not in _DILATED:
            return None
        left = {name for name in shapes if unused.fullmatch(name) or name.startswith("classification_head.")}
        names = [name for name in shapes if name not in left]
        head = re.compile(r"segmentation_head\.0\.(weight|bias)")
        if not all(_pattern(name, decoder.names, known, head).fullmatch(name) for name in names):
            return None
        return {
            "family": f"{decoder.family} with a {label} encoder (segmentation_models_pytorch)",
            "architecture": "encoder-decoder",
            "arguments": {
                "in_channels": encoder.pop("in_channels"),
                "out_channels": shapes["segmentation_head.0.weight"][0],
                "encoder": {"kind": kind, **encoder},
                "decoder": decoder.arguments,
                "head_kernel": shapes["segmentation_head.0.weight"][2],
            },
            "names": {theirs[name]: name for name in names},
            "left": tuple(sorted(theirs[name] for name in left)),
            "assumed": (*decoder.assumed, "no activation at the end", *assumed),
            "multiple_of": decoder.multiple,
        }
    return None


def _pattern(name: str, decoder: re.Pattern[str], encoder: re.Pattern[str], head: re.Pattern[str]) -> re.Pattern[str]:
    """The pattern that the beginning of a name asks for."""
    return decoder if name.startswith("decoder.") else head if name.startswith("segmentation_head.") else encoder


def _count(shapes: Shapes, pattern: str) -> int:
    number = 0
    while pattern.format(number) in shapes:
        number += 1
    return number


def _linknet(shapes: Shapes) -> Decoder | None:
    levels = _count(shapes, "decoder.blocks.{}.block.0.0.weight")
    if levels < 2:
        return None
    return Decoder(
        "Linknet",
        {
            "kind": "linknet",
            "width": shapes[f"decoder.blocks.{levels - 1}.block.2.0.weight"][0],
            "norm": "decoder.blocks.0.block.0.1.running_mean" in shapes,
        },
        levels,
        re.compile(r"decoder\.blocks\.\d\.block\.[0-2]\.[01]\.\w+"),
        2**levels,
    )


def _fpn(shapes: Shapes) -> Decoder | None:
    if "decoder.p5.weight" not in shapes:
        return None
    channels, head = shapes["decoder.seg_blocks.0.block.0.block.0.weight"][0], shapes["segmentation_head.0.weight"][1]
    if head not in (channels, 4 * channels):
        return None
    return Decoder(
        "FPN",
        {
            "kind": "fpn",
            "pyramid": shapes["decoder.p5.weight"][0],
            "channels": channels,
            "merge": "add" if head == channels else "cat",
        },
        5,
        re.compile(r"decoder\.(p5|p[234]\.skip_conv|seg_blocks\.[0-3]\.block\.[0-2]\.block\.[01])\.\w+"),
        32,
        ("nearest upsampling", "four times the size at the end"),
    )


def _manet(shapes: Shapes) -> Decoder | None:
    if "decoder.center.top_conv.weight" not in shapes:
        return None
    levels = _count(shapes, "decoder.blocks.{}.conv2.0.weight")
    return Decoder(
        "MAnet",
        {
            "kind": "manet",
            "widths": [shapes[f"decoder.blocks.{number}.conv2.0.weight"][0] for number in range(levels)],
            "inner": shapes["decoder.center.top_conv.weight"][0],
            "norm": "decoder.blocks.0.conv1.1.running_mean" in shapes,
        },
        levels,
        re.compile(
            r"decoder\.(center\.(top|center|bottom|out)_conv|"
            r"blocks\.\d\.(hl_conv\.[01]\.[01]|SE_(ll|hl)\.[13]|conv[12]\.[01]))\.\w+"
        ),
        2**levels,
        ("nearest upsampling",),
    )


_ASPP = r"aspp(\.0)?\.(convs\.\d\.\d(\.\d)?|project\.[01])"


def _deeplab(shapes: Shapes) -> Decoder | None:
    if "decoder.aspp.convs.0.0.weight" not in shapes or "decoder.conv.weight" not in shapes:
        return None
    if "decoder.aspp.convs.1.0.0.weight" in shapes:  # separable, which nobody's default is
        return None
    return Decoder(
        "DeepLabV3",
        {
            "kind": "deeplabv3",
            "channels": shapes["decoder.aspp.convs.0.0.weight"][0],
            "rates": [12, 24, 36],
            "stride": 8,
        },
        5,
        re.compile(rf"decoder\.({_ASPP}|conv|bn)\.\w+"),
        8,
        ("rates 12, 24 and 36", "output stride 8"),
    )


def _deeplab_plus(shapes: Shapes) -> Decoder | None:
    if "decoder.block1.0.weight" not in shapes or "decoder.aspp.0.convs.1.0.1.weight" not in shapes:
        return None
    return Decoder(
        "DeepLabV3+",
        {
            "kind": "deeplabv3+",
            "channels": shapes["decoder.aspp.0.convs.0.0.weight"][0],
            "rates": [12, 24, 36],
            "stride": 16,
            "detail": shapes["decoder.block1.0.weight"][0],
        },
        5,
        re.compile(rf"decoder\.({_ASPP}|aspp\.[12](\.[01])?|block1\.[01]|block2\.[01](\.[01])?)\.\w+"),
        16,
        ("rates 12, 24 and 36", "output stride 16"),
    )


def _pspnet(shapes: Shapes) -> Decoder | None:
    if "decoder.psp.blocks.3.pool.1.0.weight" not in shapes or "decoder.psp.blocks.4.pool.1.0.weight" in shapes:
        return None
    return Decoder(
        "PSPNet",
        {
            "kind": "pspnet",
            "channels": shapes["decoder.conv.0.weight"][0],
            "norm": "decoder.conv.1.running_mean" in shapes,
        },
        3,
        re.compile(r"decoder\.(psp\.blocks\.[0-3]\.pool\.1|conv)\.[01]\.\w+"),
        8,
        ("means over 1, 2, 3 and 6 parts", "eight times the size at the end"),
    )


_READERS: tuple[Callable[[Shapes], Decoder | None], ...] = (
    _linknet,
    _fpn,
    _manet,
    _deeplab_plus,
    _deeplab,
    _pspnet,
)
