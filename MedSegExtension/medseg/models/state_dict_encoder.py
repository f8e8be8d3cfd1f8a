"""U-Nets and UNet++ on image-classification encoders, with the tensor names of segmentation_models_pytorch.

Encoders: ResNet and its grouped, wide and squeezed relatives, VGG, MobileNetV2, EfficientNet b0 to b7, DenseNet. The
network is `medseg.networks.encoder_unet.EncoderUNet` (for a plain U-Net on a ResNet `state_dict_resnet` comes first).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from .state_dict_resnet import resnet_encoder

Shapes = Mapping[str, tuple[int, ...]]

_DECODER = re.compile(
    r"decoder\.blocks\.(\d|x_\d_\d)\.(conv[12]\.[01]\.\w+|attention[12]\.attention\.(cSE\.[13]|sSE\.0)\.\w+)|"
    r"decoder\.center\.[01]\.[01]\.\w+|segmentation_head\.0\.\w+"
)
#: Sizes that EfficientNets were published for, by blocks and channels of the last stage; their padding depends on it.
EFFICIENTNET_SIDES = {
    (16, 320): 224, (23, 320): 240, (23, 352): 260, (26, 384): 300,
    (32, 448): 380, (39, 512): 456, (45, 576): 528, (55, 640): 600,
}  # fmt: skip


def recognise_encoder(shapes: Shapes) -> dict[str, Any] | None:
    """`EncoderUNet`, or None."""
    dense = "decoder.blocks.x_0_0.conv1.0.weight" in shapes
    if "segmentation_head.0.weight" not in shapes or not (dense or "decoder.blocks.0.conv1.0.weight" in shapes):
        return None
    first = "x_0_0" if dense else "0"
    widths = _decoder_widths(shapes, dense)
    left = {name for name in shapes if name.startswith("classification_head.")}
    for kind, reader in ENCODER_READERS.items():
        found = reader(shapes, len(widths))
        if found is None:
            continue
        encoder, label, known, unused, assumed = found
        left |= {name for name in shapes if unused.fullmatch(name)}
        names = {name: name for name in shapes if name not in left}
        if not all(_DECODER.fullmatch(name) or known.fullmatch(name) for name in names):
            return None
        family = f"{'UNet++' if dense else 'U-Net'} with a {label} encoder (segmentation_models_pytorch)"
        return {
            "family": family,
            "architecture": "encoder-unet",
            "arguments": {
                "in_channels": encoder.pop("in_channels"),
                "out_channels": shapes["segmentation_head.0.weight"][0],
                "encoder": {"kind": kind, **encoder},
                "decoder": "unet++" if dense else "unet",
                "decoder_widths": widths,
                "decoder_norm": f"decoder.blocks.{first}.conv1.1.running_mean" in shapes,
                "attention": f"decoder.blocks.{first}.attention1.attention.cSE.1.weight" in shapes,
                "center": "decoder.center.0.0.weight" in shapes,
                "head_kernel": shapes["segmentation_head.0.weight"][2],
            },
            "names": names,
            "left": tuple(sorted(left)),
            "assumed": ("nearest upsampling", "no activation at the end", *assumed),
        }
    return None


def _decoder_widths(shapes: Shapes, dense: bool) -> list[int]:
    widths: list[int] = []
    pattern = "decoder.blocks.x_0_{}.conv2.0.weight" if dense else "decoder.blocks.{}.conv2.0.weight"
    while pattern.format(len(widths)) in shapes:
        widths.append(shapes[pattern.format(len(widths))][0])
    return widths


#: Arguments, what to call it, names that belong to it, names the network does not use, what was taken on trust.
Encoder = tuple[dict[str, Any], str, re.Pattern[str], re.Pattern[str], tuple[str, ...]]
_NONE = re.compile(r"(?!)")


def _resnet(shapes: Shapes, levels: int) -> Encoder | None:
    found = resnet_encoder(shapes, levels - 1)
    if found is None:
        return None
    arguments, label = found
    known = re.compile(r"encoder\.(conv1|bn1|layer[1-4]\.\d+\.(conv[1-3]|bn[1-3]|downsample\.[01]))\.\w+")
    above = "".join(str(number) for number in range(levels, 5)) or "0"
    return arguments, label, known, re.compile(rf"encoder\.(fc|layer[{above}])\..*"), ("ReLU",)


def _squeezed(shapes: Shapes, levels: int) -> Encoder | None:
    stem = shapes.get("encoder.layer0.conv1.weight")
    if stem is None or "encoder.layer1.0.se_module.fc1.weight" not in shapes or not 2 <= levels <= 5:
        return None
    stages = []
    for stage in range(1, 5):
        count = 0
        while f"encoder.layer{stage}.{count}.conv1.weight" in shapes:
            count += 1
        stages.append(count)
    inner = shapes["encoder.layer1.0.conv2.weight"]
    groups = inner[0] // inner[1]
    # Three convolutions in place of the stem's one, and 3×3 shortcuts, are SENet-154's, which is another network.
    if stem[2] != 7 or shapes["encoder.layer1.0.downsample.0.weight"][2] != 1 or groups not in (1, 32):
        return None
    arguments = {"in_channels": stem[1], "blocks": stages[: levels - 1], "width": inner[0], "groups": groups}
    count = 3 * sum(stages) + 2
    label = f"{'SE-ResNet' if groups == 1 else 'SE-ResNeXt'}-{count}"
    known = re.compile(
        r"encoder\.(layer0\.(conv1|bn1)|"
        r"layer[1-4]\.\d+\.(conv[1-3]|bn[1-3]|downsample\.[01]|se_module\.fc[12]))\.\w+"
    )
    above = "|".join(["last_linear", *(f"layer{number}" for number in range(levels, 5))])
    unused = re.compile(rf"encoder\.({above})\..*")
    return arguments, label, known, unused, ("ReLU",)


def _vgg(shapes: Shapes, levels: int) -> Encoder | None:
    if "encoder.features.0.bias" not in shapes:
        return None
    numbers = sorted({int(name.split(".")[2]) for name in shapes if name.startswith("encoder.features.")})
    norm = "encoder.features.1.running_mean" in shapes
    groups: list[list[int]] = [[]]
    position = 0
    for number in numbers:
        shape = shapes[f"encoder.features.{number}.weight"]
        if len(shape) == 1:  # a norm
            continue
        if number > position:  # a pooling stands between
            groups.append([])
            position += 1
        groups[-1].append(shape[0])
        position += 3 if norm else 2
    if len(groups) != levels:
        return None
    arguments = {"in_channels": shapes["encoder.features.0.weight"][1], "widths": groups, "norm": norm}
    count = sum(map(len, groups)) + 3
    return arguments, f"VGG-{count}", re.compile(r"encoder\.features\.\d+\.\w+"), _NONE, ("ReLU",)


def _mobilenet(shapes: Shapes, levels: int) -> Encoder | None:
    if "encoder.features.17.conv.2.weight" not in shapes or levels != 5:
        return None
    hidden, widths = [], []
    for number in range(1, 18):
        place = f"encoder.features.{number}.conv"
        expands = f"{place}.3.weight" in shapes
        hidden.append(shapes[f"{place}.{1 if expands else 0}.0.weight"][0])
        widths.append(shapes[f"{place}.{2 if expands else 1}.weight"][0])
    stem = shapes["encoder.features.0.0.weight"]
    head = shapes["encoder.features.18.0.weight"][0]
    arguments = {"in_channels": stem[1], "stem": stem[0], "hidden": hidden, "widths": widths, "head": head}
    known = re.compile(r"encoder\.features\.\d+(\.conv)?\.\d(\.\d)?\.\w+")
    return arguments, "MobileNetV2", known, _NONE, ("ReLU6", "strides as published")


def _efficientnet(shapes: Shapes, levels: int) -> Encoder | None:
    if "encoder._conv_stem.weight" not in shapes or levels != 5:
        return None
    blocks: list[list[int]] = []
    while f"encoder._blocks.{len(blocks)}._depthwise_conv.weight" in shapes:
        place = f"encoder._blocks.{len(blocks)}."
        depthwise = shapes[place + "_depthwise_conv.weight"]
        squeezed = shapes[place + "_se_reduce.weight"][0]
        blocks.append([shapes[place + "_project_conv.weight"][0], depthwise[2], depthwise[0], squeezed])
    side = EFFICIENTNET_SIDES.get((len(blocks), blocks[-1][0]), 224)
    variant = f"-b{list(EFFICIENTNET_SIDES.values()).index(side)}"
    stem = shapes["encoder._conv_stem.weight"]
    arguments: dict[str, Any] = {"in_channels": stem[1], "stem": stem[0], "blocks": blocks, "side": side}
    if variant == "-b0":
        arguments["taken"] = [2, 4, 8, 15]  # the library takes the third level from the middle of a stage here
    known = re.compile(r"encoder\.(_conv_stem|_bn0|_blocks\.\d+\._\w+)\.\w+")
    unused = re.compile(r"encoder\.(_conv_head|_bn1|_fc)\..*")
    return arguments, f"EfficientNet{variant}", known, unused, ("swish", "strides as published")


def _densenet(shapes: Shapes, levels: int) -> Encoder | None:
    if "encoder.features.denseblock4.denselayer1.conv1.weight" not in shapes or levels != 5:
        return None
    layers = []
    for block in range(1, 5):
        number = 0
        while f"encoder.features.denseblock{block}.denselayer{number + 1}.conv1.weight" in shapes:
            number += 1
        layers.append(number)
    growing = shapes["encoder.features.denseblock1.denselayer1.conv2.weight"]
    stem = shapes["encoder.features.conv0.weight"]
    arguments = {
        "in_channels": stem[1], "stem": stem[0], "layers": layers, "growth": growing[0], "middle": growing[1]
    }  # fmt: skip
    known = re.compile(
        r"encoder\.features\.(conv0|norm[05]|transition\d\.(norm|conv)|denseblock\d\.denselayer\d+\.(norm|conv)[12])\.\w+"
    )
    return arguments, f"DenseNet-{2 * sum(layers) + 5}", known, _NONE, ("ReLU",)


ENCODER_READERS: dict[str, Callable[[Shapes, int], Encoder | None]] = {
    "resnet": _resnet,
    "se-resnet": _squeezed,
    "vgg": _vgg,
    "mobilenet-v2": _mobilenet,
    "efficientnet": _efficientnet,
    "densenet": _densenet,
}
