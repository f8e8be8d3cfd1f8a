"""MONAI's `DynUNet` (nnU-Net's network) and `SegResNet` in 2D with the names that their weights have.

Definitions: docs.monai.io/en/stable/networks.html. Both map float32 (B, C, H, W) to raw values (B, K, H, W).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..errors import InputError
from .monai_blocks import Convolution, Enlarged, Named, Pair, activation, initialise, norm, sides


def _convolution(before: int, after: int, kernel: Pair, strides: Pair, bias: bool = False) -> Convolution:
    """Padding as MONAI counts it from kernel and stride. Raises InputError where a stride skips pixels."""
    pairs = list(zip(sides(kernel), sides(strides), strict=True))
    if any(step > size + 1 for size, step in pairs):
        raise InputError(f"strides of {strides} are too long for kernels of {kernel}", mend="correct the strides")
    rows, columns = ((size - step + 1) // 2 for size, step in pairs)
    return Convolution(before, after, kernel, strides, bias=bias, padding=(rows, columns))


class DynBlock(nn.Module):
    """Two convolutions with norms; ``residual`` adds a shortcut, ``conv3``, where size or width changes."""

    def __init__(
        self, before: int, after: int, kernel: Pair, strides: Pair, normed: Named, act: Named, residual: bool
    ) -> None:
        super().__init__()
        self.conv1 = _convolution(before, after, kernel, strides)
        self.conv2 = _convolution(after, after, kernel, 1)
        self.lrelu = activation(act)
        self.norm1, self.norm2 = norm(normed, after), norm(normed, after)
        self.residual = residual
        self.shortcut = residual and (before != after or sides(strides) != (1, 1))
        if self.shortcut:
            self.conv3 = _convolution(before, after, 1, strides)
            self.norm3 = norm(normed, after)

    def forward(self, x: Tensor) -> Tensor:
        out = self.norm2(self.conv2(self.lrelu(self.norm1(self.conv1(x)))))
        if self.residual:
            out = out + (self.norm3(self.conv3(x)) if self.shortcut else x)
        return self.lrelu(out)


class DynUp(nn.Module):
    """``transp_conv`` of what lies below, beside the skip connection, through ``conv_block``."""

    def __init__(
        self, before: int, after: int, kernel: Pair, up_kernel: Pair, normed: Named, act: Named, bias: bool
    ) -> None:
        super().__init__()
        self.transp_conv = Convolution(
            before, after, up_kernel, up_kernel, bias=bias, transposed=True, padding=(0, 0), output_padding=(0, 0)
        )
        self.conv_block = DynBlock(2 * after, after, kernel, 1, normed, act, residual=False)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        return self.conv_block(torch.cat((self.transp_conv(x), skip), dim=1))


class DynHead(nn.Module):
    """``conv``: what comes out."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.conv = _convolution(before, after, 1, 1, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class DynLevel(nn.Module):
    """A level around the coarser ones; its parts have a second name in the network."""

    def __init__(self, downsample: nn.Module, upsample: nn.Module, next_layer: nn.Module, head: nn.Module | None):
        super().__init__()
        self.downsample, self.next_layer, self.upsample, self.super_head = downsample, next_layer, upsample, head

    def forward(self, x: Tensor) -> Tensor:
        down = self.downsample(x)
        return self.upsample(self.next_layer(down), down)


class DynUNet(nn.Module):
    """A U-Net whose every level has its own kernel and stride.

    ``heads``: how many coarser levels have a head too; in training they come out beside the main one, enlarged,
    (B, 1 + heads, K, H, W), the main one first.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        filters: Sequence[int],
        kernels: Sequence[Pair],
        strides: Sequence[Pair],
        up_kernels: Sequence[Pair],
        normed: Named,
        act: Named,
        residual: bool,
        up_bias: bool,
        heads: int = 0,
    ) -> None:
        super().__init__()
        levels = len(filters)
        blocks = [
            DynBlock(before, after, kernel, stride, normed, act, residual)
            for before, after, kernel, stride in zip((in_channels, *filters), filters, kernels, strides, strict=False)
        ]
        self.input_block, self.bottleneck = blocks[0], blocks[-1]
        self.downsamples = nn.ModuleList(blocks[1:-1])
        self.upsamples = nn.ModuleList(
            DynUp(filters[level + 1], filters[level], kernels[level + 1], up_kernels[level], normed, act, up_bias)
            for level in range(levels - 2, -1, -1)
        )
        self.output_block = DynHead(filters[0], out_channels)
        if heads:
            self.deep_supervision_heads = nn.ModuleList(
                DynHead(filters[level], out_channels) for level in range(1, heads + 1)
            )
        self.heads = heads
        layer: nn.Module = self.bottleneck
        for level in range(levels - 2, -1, -1):
            head = self.deep_supervision_heads[level - 1] if 1 <= level <= heads else None
            layer = DynLevel(blocks[level], self.upsamples[levels - 2 - level], layer, head)
        self.skip_layers = layer
        initialise(self, 0.01)

    def forward(self, x: Tensor) -> Tensor:
        if not (self.training and self.heads):
            return self.output_block(self.skip_layers(x))
        skips = [self.input_block(x)]
        for block in self.downsamples:
            skips.append(block(skips[-1]))
        x = self.bottleneck(skips[-1])
        found = {}
        for level, up in zip(range(len(skips) - 1, -1, -1), self.upsamples, strict=True):
            x = up(x, skips[level])
            if 1 <= level <= self.heads:
                found[level] = self.deep_supervision_heads[level - 1](x)
        main = self.output_block(x)
        others = [nn.functional.interpolate(found[level], main.shape[2:]) for level in range(1, self.heads + 1)]
        return torch.stack([main, *others], dim=1)


class SegBlock(nn.Module):
    """Norm, activation, convolution, twice, beside what goes in."""

    def __init__(self, channels: int, normed: Named, act: Named) -> None:
        super().__init__()
        self.norm1, self.norm2 = norm(normed, channels), norm(normed, channels)
        self.act = activation(act)
        self.conv1 = Convolution(channels, channels, bias=False)
        self.conv2 = Convolution(channels, channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(self.act(self.norm2(self.conv1(self.act(self.norm1(x))))))


class SegResNet(nn.Module):
    """Residual blocks, ``blocks_down`` and ``blocks_up`` of them at each level; skip connections are added."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        width: int,
        blocks_down: Sequence[int],
        blocks_up: Sequence[int],
        act: Named,
        normed: Named,
        trained: bool,
    ) -> None:
        super().__init__()
        self.act_mod = activation(act)
        self.convInit = Convolution(in_channels, width, bias=False)
        self.down_layers, self.up_layers, self.up_samples = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for level, count in enumerate(blocks_down):
            wide = width << level
            first = Convolution(wide // 2, wide, strides=2, bias=False) if level else nn.Identity()
            self.down_layers.append(nn.Sequential(first, *(SegBlock(wide, normed, act) for _ in range(count))))
        for number, count in enumerate(blocks_up):
            wide = width << (len(blocks_up) - 1 - number)
            self.up_layers.append(nn.Sequential(*(SegBlock(wide, normed, act) for _ in range(count))))
            raised = Enlarged(wide, wide, trained, corners=False)
            self.up_samples.append(nn.Sequential(Convolution(2 * wide, wide, 1, bias=False), raised))
        self.conv_final = nn.Sequential(norm(normed, width), self.act_mod, Convolution(width, out_channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        x = self.convInit(x)
        skips = []
        for down in self.down_layers:
            x = down(x)
            skips.append(x)
        for number, (sample, up) in enumerate(zip(self.up_samples, self.up_layers, strict=True)):
            x = up(sample(x) + skips[-2 - number])
        return self.conv_final(x)
