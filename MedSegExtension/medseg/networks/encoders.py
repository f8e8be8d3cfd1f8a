"""Encoders from image classification, for U-Nets whose weights exist; tensors are named as torchvision names them.

Each has ``levels``: the channels it gives at 1/2, 1/4, … of the size, fine to coarse. Sources: VGG (Simonyan 2015,
arXiv:1409.1556), MobileNetV2 (Sandler 2018, arXiv:1801.04381), EfficientNet (Tan 2019, arXiv:1905.11946; tensors named
as in the first PyTorch port), DenseNet (Huang 2017, arXiv:1608.06993); the residual one is in `resnet_unet`.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import InputError
from .arguments import check_channels, check_flag, check_whole

#: Blocks of one encoder; the deepest in use (EfficientNet-b7) has 55.
MAX_BLOCKS = 128


def check_counts(name: str, values: Any, least: int, most: int, limit: int) -> tuple[int, ...]:
    """``values`` where they are ``least`` to ``most`` whole numbers from 1 to ``limit``. Raises InputError."""
    fits = not isinstance(values, str) and isinstance(values, Sequence) and least <= len(values) <= most
    if not fits or any(not 1 <= check_whole(name, value) <= limit for value in values):
        raise InputError(
            f"architecture argument {name} is {str(values)[:60]}",
            mend=f"give {least} to {most} whole numbers from 1 to {limit}",
        )
    return tuple(values)


class VggEncoder(nn.Module):
    """3×3 convolutions in groups, each followed by pooling; ``widths`` of every convolution, a list for each group."""

    def __init__(self, in_channels: int, widths: Sequence[Sequence[int]], norm: bool = False) -> None:
        super().__init__()
        check_flag("norm", norm)
        if isinstance(widths, str) or not 2 <= len(widths) <= 7:
            raise InputError(f"architecture argument widths is {str(widths)[:60]}", mend="give a list for each group")
        layers: list[nn.Module] = []
        self.taken: list[int] = []
        before = in_channels
        for group in widths:
            for width in check_counts("widths", group, 1, 16, 4096):
                layers.append(nn.Conv2d(before, width, 3, padding=1))
                layers += [nn.BatchNorm2d(width)] if norm else []
                layers.append(nn.ReLU())
                before = width
            self.taken.append(len(layers) - 1)
            layers.append(nn.MaxPool2d(2))
        self.taken.append(len(layers) - 1)
        self.features = nn.Sequential(*layers)
        # What is at full size is not used by the decoder; what is pooled last is.
        self.levels = [group[-1] for group in widths[1:]] + [widths[-1][-1]]

    def forward(self, x: Tensor) -> list[Tensor]:
        values = []
        for number, layer in enumerate(self.features):
            x = layer(x)
            if number in self.taken:
                values.append(x)
        return values[1:]


def _kernel_norm_act(before: int, after: int, kernel: int, stride: int, groups: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU6(),
    )


class _Inverted(nn.Module):
    def __init__(self, before: int, hidden: int, after: int, stride: int) -> None:
        super().__init__()
        layers = [_kernel_norm_act(before, hidden, 1, 1)] if hidden != before else []
        layers.append(_kernel_norm_act(hidden, hidden, 3, stride, hidden))
        self.conv = nn.Sequential(*layers, nn.Conv2d(hidden, after, 1, bias=False), nn.BatchNorm2d(after))
        self.adds = stride == 1 and before == after

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.adds else self.conv(x)


class MobileNetEncoder(nn.Module):
    """MobileNetV2: ``stem`` channels, then of each block ``hidden`` and ``widths``, and ``head`` channels."""

    #: Blocks that halve the size, counted from the stem as 0; the block before each is a level.
    HALVING = (2, 4, 7, 14)

    def __init__(self, in_channels: int, stem: int, hidden: Sequence[int], widths: Sequence[int], head: int) -> None:
        super().__init__()
        check_channels("stem", stem)
        check_channels("head", head)
        wide = check_counts("widths", widths, 17, 17, 4096)
        inner = check_counts("hidden", hidden, 17, 17, 16384)
        layers: list[nn.Module] = [_kernel_norm_act(in_channels, stem, 3, 2)]
        before = stem
        for number, (middle, after) in enumerate(zip(inner, wide, strict=True), start=1):
            layers.append(_Inverted(before, middle, after, 2 if number in self.HALVING else 1))
            before = after
        layers.append(_kernel_norm_act(before, head, 1, 1))
        self.features = nn.Sequential(*layers)
        self.levels = [*(wide[number - 2] for number in self.HALVING), head]

    def forward(self, x: Tensor) -> list[Tensor]:
        values = []
        for number, layer in enumerate(self.features):
            x = layer(x)
            if number + 1 in self.HALVING or number == len(self.features) - 1:
                values.append(x)
        return values


class SamePadded(nn.Conv2d):
    """Padded as TensorFlow pads at the size ``side``, whatever size comes: more at the end where that is odd."""

    def __init__(self, before: int, after: int, kernel: int, stride: int, side: int, groups: int = 1) -> None:
        super().__init__(before, after, kernel, stride, groups=groups, bias=False)
        extra = max((ceil(side / stride) - 1) * stride + kernel - side, 0)
        self.around = (extra // 2, extra - extra // 2) * 2

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(F.pad(x, self.around))


class _SqueezedBlock(nn.Module):
    def __init__(self, before: int, entry: Sequence[int], stride: int, side: int) -> None:
        super().__init__()
        after, kernel, hidden, squeezed = entry
        self.expands = hidden != before
        if self.expands:
            self._expand_conv = nn.Conv2d(before, hidden, 1, bias=False)
            self._bn0 = nn.BatchNorm2d(hidden, eps=1e-3)
        self._depthwise_conv = SamePadded(hidden, hidden, kernel, stride, side, hidden)
        self._bn1 = nn.BatchNorm2d(hidden, eps=1e-3)
        self._se_reduce = nn.Conv2d(hidden, squeezed, 1)
        self._se_expand = nn.Conv2d(squeezed, hidden, 1)
        self._project_conv = nn.Conv2d(hidden, after, 1, bias=False)
        self._bn2 = nn.BatchNorm2d(after, eps=1e-3)
        self.adds = stride == 1 and before == after

    def forward(self, x: Tensor) -> Tensor:
        y = F.silu(self._bn0(self._expand_conv(x))) if self.expands else x
        y = F.silu(self._bn1(self._depthwise_conv(y)))
        scale = self._se_expand(F.silu(self._se_reduce(y.mean((2, 3), keepdim=True))))
        y = self._bn2(self._project_conv(torch.sigmoid(scale) * y))
        return x + y if self.adds else y


class EfficientNetEncoder(nn.Module):
    """EfficientNet: ``blocks`` are (channels, kernel, hidden, squeezed); ``side`` is the size its padding was made for.

    The seven stages are told by their channels; their strides are the paper's. ``taken`` are the blocks whose output
    the decoder takes, after the stem's; where left out, the last ones of stages 2, 3, 5 and 7.
    """

    STRIDES = (1, 2, 2, 2, 1, 2, 1)

    def __init__(
        self,
        in_channels: int,
        stem: int,
        blocks: Sequence[Sequence[int]],
        side: int = 224,
        taken: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        check_channels("stem", stem)
        if isinstance(blocks, str) or not 7 <= len(blocks) <= MAX_BLOCKS:
            raise InputError(f"architecture argument blocks is {str(blocks)[:60]}", mend="give a list for each block")
        if not 32 <= check_whole("side", side) <= 2048:
            raise InputError(f"architecture argument side is {side}", mend="give 224 for b0, 240 for b1, 260 for b2, …")
        entries = [check_counts("blocks", entry, 4, 4, 16384) for entry in blocks]
        self._conv_stem = SamePadded(in_channels, stem, 3, 2, side)
        self._bn0 = nn.BatchNorm2d(stem, eps=1e-3)
        side = ceil(side / 2)
        self._blocks = nn.ModuleList()
        last: list[int] = []  # the last block of each stage
        before, stage = stem, -1
        for number, entry in enumerate(entries):
            starts = number == 0 or entry[0] != before
            stage += starts
            if stage >= len(self.STRIDES) or entry[1] not in (3, 5, 7):
                raise InputError("architecture argument blocks is no EfficientNet", mend="give blocks of seven stages")
            if starts and number:
                last.append(number - 1)
            stride = self.STRIDES[stage] if starts else 1
            self._blocks.append(_SqueezedBlock(before, entry, stride, side))
            side, before = ceil(side / stride), entry[0]
        last.append(len(entries) - 1)
        if len(last) != len(self.STRIDES):
            raise InputError("architecture argument blocks is no EfficientNet", mend="give blocks of seven stages")
        self.taken = [last[stage] for stage in (1, 2, 4, 6)]
        if taken is not None:
            self.taken = sorted(set(check_counts("taken", taken, 4, 4, len(entries) - 1)))
            # One block in each of the parts between two halvings.
            bounds = [(last[0], last[1]), (last[1], last[2]), (last[2], last[4]), (last[4], last[6])]
            if len(self.taken) != 4 or any(
                not low < number <= high for number, (low, high) in zip(self.taken, bounds, strict=True)
            ):
                raise InputError(f"architecture argument taken is {taken}", mend="give a block at each size")
        self.levels = [stem, *(entries[number][0] for number in self.taken)]

    @property
    def blocks(self) -> nn.ModuleList:
        """The blocks in their order."""
        return self._blocks

    def forward(self, x: Tensor) -> list[Tensor]:
        x = F.silu(self._bn0(self._conv_stem(x)))
        values = [x]
        for number, block in enumerate(self._blocks):
            x = block(x)
            if number in self.taken:
                values.append(x)
        return values


class _Dense(nn.Module):
    def __init__(self, before: int, growth: int, middle: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(before)
        self.conv1 = nn.Conv2d(before, middle, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(middle)
        self.conv2 = nn.Conv2d(middle, growth, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv2(F.relu(self.norm2(self.conv1(F.relu(self.norm1(x))))))


class DenseNetEncoder(nn.Module):
    """DenseNet: ``stem`` channels, ``layers`` of four dense blocks, ``growth`` of each layer, ``middle`` inside it."""

    def __init__(self, in_channels: int, stem: int, layers: Sequence[int], growth: int, middle: int) -> None:
        super().__init__()
        for name, value in (("stem", stem), ("growth", growth), ("middle", middle)):
            check_channels(name, value)
        counts = check_counts("layers", layers, 4, 4, MAX_BLOCKS)
        self.features = nn.Module()
        self.features.conv0 = nn.Conv2d(in_channels, stem, 7, 2, 3, bias=False)
        self.features.norm0 = nn.BatchNorm2d(stem)
        self.levels, channels = [stem], stem
        for block, count in enumerate(counts, start=1):
            dense = nn.Module()
            for layer in range(1, count + 1):
                dense.add_module(f"denselayer{layer}", _Dense(channels, growth, middle))
                channels += growth
            self.features.add_module(f"denseblock{block}", dense)
            self.levels.append(channels)
            if block < 4:
                transition = nn.Module()
                transition.norm = nn.BatchNorm2d(channels)
                transition.conv = nn.Conv2d(channels, channels // 2, 1, bias=False)
                self.features.add_module(f"transition{block}", transition)
                channels //= 2
        self.features.norm5 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> list[Tensor]:
        parts: Any = self.features
        x = F.relu(parts.norm0(parts.conv0(x)))
        values = [x]
        x = F.max_pool2d(x, 3, 2, 1)
        for block in range(1, 5):
            for layer in getattr(parts, f"denseblock{block}").children():
                x = torch.cat((x, layer(x)), 1)
            if block == 4:
                values.append(parts.norm5(x))
                break
            transition = getattr(parts, f"transition{block}")
            x = F.relu(transition.norm(x))
            values.append(x)
            x = F.avg_pool2d(transition.conv(x), 2)
        return values
