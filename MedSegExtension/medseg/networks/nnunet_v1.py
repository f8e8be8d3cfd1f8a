"""The 2D network of nnU-Net's first version (Isensee et al., Nature Methods 18, 2021), for weights that exist.

It names its tensors as that version's checkpoints do. How volumes are prepared for it stands in a pickle beside the
checkpoint, which nobody here reads: the card must say it.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import InputError
from .arguments import check_channels, check_choice, check_flag, check_whole, check_widths

Pair = tuple[int, int]


class FirstNnUNet(nn.Module):
    """Strided convolutions on the way down, transposed ones on the way up, instance norm and leaky ReLU.

    Parameters
    ----------
    in_channels, out_channels : channels of the slice and of the output.
    widths : channels of each stage, fine to coarse.
    strides : by how much each stage but the first shrinks (rows, columns).
    kernels : of each stage; ``decoder_kernels`` of each decoder stage, coarse to fine.
    convolutions : in each stage, 2 or more.
    norm : "instance" or "batch"; ``head_bias`` : whether the last convolution has one.

    Maps float32 (B, in_channels, H, W) to (B, out_channels, H, W); H and W must be multiples of `multiple_of`.
    """

    def __init__(
        self,
        in_channels: int = 1,
        out_channels: int = 2,
        widths: Sequence[int] = (32, 64, 128),
        strides: Sequence[Any] = ((2, 2), (2, 2)),
        kernels: Sequence[Any] = ((3, 3), (3, 3), (3, 3)),
        decoder_kernels: Sequence[Any] = ((3, 3), (3, 3)),
        convolutions: int = 2,
        norm: str = "instance",
        head_bias: bool = False,
    ) -> None:
        super().__init__()
        check_channels("in_channels", in_channels)
        check_channels("out_channels", out_channels)
        check_choice("norm", norm, ("instance", "batch"))
        check_flag("head_bias", head_bias)
        if not 2 <= check_whole("convolutions", convolutions) <= 8:
            raise InputError(f"architecture argument convolutions is {convolutions}", mend="give a number from 2 to 8")
        wide = check_widths(widths)
        depth = len(wide) - 1
        steps = _pairs("strides", strides, depth, (1, 2, 3, 4))
        sizes = _pairs("kernels", kernels, depth + 1, (1, 3))
        decoded = _pairs("decoder_kernels", decoder_kernels, depth, (1, 3))
        self.multiple_of = max(prod(step[axis] for step in steps) for axis in (0, 1))

        def row(before: int, after: int, count: int, kernel: Pair, stride: Pair = (1, 1)) -> nn.Module:
            made = nn.Module()
            made.blocks = nn.Sequential(*(
                _Block(after if number else before, after, kernel, (1, 1) if number else stride, norm)
                for number in range(count)
            ))  # fmt: skip
            return made

        self.conv_blocks_context = nn.ModuleList()
        before = in_channels
        for number, (width, kernel) in enumerate(zip(wide, sizes, strict=True)):
            stride = steps[number - 1] if number else (1, 1)
            if number < depth:
                self.conv_blocks_context.append(row(before, width, convolutions, kernel, stride))
            else:
                lowest = [row(before, width, convolutions - 1, kernel, stride), row(width, width, 1, kernel)]
                self.conv_blocks_context.append(nn.ModuleList(lowest))
            before = width
        self.conv_blocks_localization, self.tu, self.seg_outputs = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for kernel, step, width in zip(decoded, steps[::-1], wide[-2::-1], strict=True):
            self.tu.append(nn.ConvTranspose2d(before, width, step, step, bias=False))
            pair = [row(2 * width, width, convolutions - 1, kernel), row(width, width, 1, kernel)]
            self.conv_blocks_localization.append(nn.ModuleList(pair))
            # One head for each depth: only the last one is used to predict.
            self.seg_outputs.append(nn.Conv2d(width, out_channels, 1, bias=head_bias))
            before = width

    def forward(self, x: Tensor) -> Tensor:
        context: Any = self.conv_blocks_context
        skips = []
        for stage in context[:-1]:
            x = stage.blocks(x)
            skips.append(x)
        for part in context[-1]:
            x = part.blocks(x)
        stages: Any = self.conv_blocks_localization
        for up, stage in zip(self.tu, stages, strict=True):
            x = torch.cat((up(x), skips.pop()), 1)
            for part in stage:
                x = part.blocks(x)
        return self.seg_outputs[-1](x)


class _Block(nn.Module):
    def __init__(self, before: int, after: int, kernel: Pair, stride: Pair, norm: str) -> None:
        super().__init__()
        padding = (kernel[0] // 2, kernel[1] // 2)
        self.conv = nn.Conv2d(before, after, kernel, stride, padding)
        self.instnorm = nn.BatchNorm2d(after) if norm == "batch" else nn.InstanceNorm2d(after, affine=True)

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(self.instnorm(self.conv(x)), 0.01)


def _pairs(name: str, given: Any, count: int, allowed: Sequence[int]) -> list[Pair]:
    fits = isinstance(given, Sequence) and not isinstance(given, str) and len(given) == count
    if not fits or not all(
        isinstance(pair, (list, tuple))
        and len(pair) == 2
        and all(not isinstance(n, bool) and n in allowed for n in pair)
        for pair in given
    ):
        raise InputError(
            f"architecture argument {name} is {str(given)[:60]}",
            mend=f"give {count} pairs of {', '.join(map(str, allowed))}",
        )
    return [(pair[0], pair[1]) for pair in given]
