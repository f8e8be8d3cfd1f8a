"""MONAI's U-Nets in 2D with the names its weights have: `UNet`, `BasicUNet`, `BasicUNetPlusPlus`, `AttentionUnet`.

Definitions: docs.monai.io/en/stable/networks.html. All map float32 (B, C, H, W) to raw values (B, K, H, W).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from .monai_blocks import Convolution, Enlarged, Joined, Named, Pair, ResidualUnit, padded_like


class UNet(nn.Module):
    """Strided convolutions down, transposed ones up, each level around the next: ``model.1.submodule.1.submodule``."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        channels: Sequence[int],
        strides: Sequence[Pair],
        kernel: Pair,
        up_kernel: Pair,
        units: int,
        act: Named,
        normed: Named,
        bias: bool,
    ) -> None:
        super().__init__()
        options: dict[str, Any] = {"act": act, "normed": normed, "bias": bias}

        def down(before: int, after: int, stride: Pair) -> nn.Module:
            if units:
                return ResidualUnit(before, after, kernel, stride, units, **options)
            return Convolution(before, after, kernel, stride, **options)

        def up(before: int, after: int, stride: Pair, top: bool) -> nn.Module:
            plain = top and not units
            ends = {"act": None, "normed": None, "bias": bias} if plain else options
            raised = Convolution(before, after, up_kernel, stride, transposed=True, **ends)
            if not units:
                return raised
            return nn.Sequential(raised, ResidualUnit(after, after, kernel, 1, 1, **options, plain_end=top))

        def level(number: int, before: int, after: int) -> nn.Module:
            wide, stride = channels[number], strides[number]
            if number + 2 < len(channels):
                inner, back = level(number + 1, wide, wide), wide
            else:
                inner, back = down(wide, channels[number + 1], 1), channels[number + 1]
            return nn.Sequential(down(before, wide, stride), Joined(inner), up(wide + back, after, stride, number == 0))

        self.model = level(0, in_channels, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)


class TwoConvolutions(nn.Sequential):
    """``conv_0`` and ``conv_1``."""

    def __init__(self, before: int, after: int, **options: Any) -> None:
        super().__init__()
        self.add_module("conv_0", Convolution(before, after, **options))
        self.add_module("conv_1", Convolution(after, after, **options))


class Down(nn.Sequential):
    """Pooling, then ``convs``."""

    def __init__(self, before: int, after: int, **options: Any) -> None:
        super().__init__()
        self.add_module("max_pooling", nn.MaxPool2d(2))
        self.add_module("convs", TwoConvolutions(before, after, **options))


class UpCat(nn.Module):
    """``upsample`` of what lies below, beside ``skip``, through ``convs``."""

    def __init__(
        self, before: int, skip: int, after: int, *, trained: bool, halves: bool = True, **options: Any
    ) -> None:
        super().__init__()
        raised = before // 2 if halves else before
        self.upsample = Enlarged(before, raised, trained, corners=True)
        self.convs = TwoConvolutions(skip + raised, after, **options)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        return self.convs(torch.cat((skip, padded_like(self.upsample(x), skip)), dim=1))


class BasicUNet(nn.Module):
    """Five levels of two convolutions; the last of the six ``features`` is the finest level's on the way up."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        features: Sequence[int],
        act: Named,
        normed: Named,
        bias: bool,
        trained: bool,
    ) -> None:
        super().__init__()
        options: dict[str, Any] = {"act": act, "normed": normed, "bias": bias}
        wide = list(features)
        self.conv_0 = TwoConvolutions(in_channels, wide[0], **options)
        for number in range(1, 5):
            self.add_module(f"down_{number}", Down(wide[number - 1], wide[number], **options))
        for number in range(4, 0, -1):
            skip, last = wide[number - 1], number == 1
            after = wide[5] if last else skip
            up = UpCat(wide[number], skip, after, trained=trained, halves=not last, **options)
            self.add_module(f"upcat_{number}", up)
        self.final_conv = nn.Conv2d(wide[5], out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        values = [self.conv_0(x)]
        for number in range(1, 5):
            values.append(getattr(self, f"down_{number}")(values[-1]))
        x = values.pop()
        for number in range(4, 0, -1):
            x = getattr(self, f"upcat_{number}")(x, values.pop())
        return self.final_conv(x)


class BasicUNetPlusPlus(nn.Module):
    """UNet++ of five levels. Answers with its last head; in training with ``deep_supervision`` with all four,
    (B, 4, K, H, W), the last one first."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        features: Sequence[int],
        act: Named,
        normed: Named,
        bias: bool,
        trained: bool,
        deep_supervision: bool,
    ) -> None:
        super().__init__()
        self.deep_supervision = deep_supervision
        options: dict[str, Any] = {"act": act, "normed": normed, "bias": bias}
        wide = list(features)
        self.conv_0_0 = TwoConvolutions(in_channels, wide[0], **options)
        for level in range(1, 5):
            self.add_module(f"conv_{level}_0", Down(wide[level - 1], wide[level], **options))
        for step in range(1, 5):
            for level in range(5 - step):
                after = wide[5] if (level, step) == (0, 4) else wide[level]
                below, skips = wide[level + 1], wide[level] * step
                node = UpCat(below, skips, after, trained=trained, halves=level > 0, **options)
                self.add_module(f"upcat_{level}_{step}", node)
        for step in range(1, 4):
            self.add_module(f"final_conv_0_{step}", nn.Conv2d(wide[0], out_channels, 1))
        self.final_conv_0_4 = nn.Conv2d(wide[5], out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        # Each level's values from left to right; a node sees all before it on its level, and the one below it.
        rows = [[self.conv_0_0(x)]]
        for level in range(1, 5):
            rows.append([getattr(self, f"conv_{level}_0")(rows[-1][0])])
        for step in range(1, 5):
            for level in range(5 - step):
                node = getattr(self, f"upcat_{level}_{step}")
                rows[level].append(node(rows[level + 1][step - 1], torch.cat(rows[level][:step], dim=1)))
        last = self.final_conv_0_4(rows[0][4])
        if not (self.training and self.deep_supervision):
            return last
        others = [getattr(self, f"final_conv_0_{step}")(rows[0][step]) for step in (3, 2, 1)]
        return torch.stack([last, *others], dim=1)


class Gate(nn.Module):
    """What of the skip connection ``x`` is let through, by what comes from below."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = channels // 2
        self.W_g = nn.Sequential(Convolution(channels, inner, 1), nn.BatchNorm2d(inner))
        self.W_x = nn.Sequential(Convolution(channels, inner, 1), nn.BatchNorm2d(inner))
        self.psi = nn.Sequential(Convolution(inner, 1, 1), nn.BatchNorm2d(1), nn.Sigmoid())

    def forward(self, below: Tensor, x: Tensor) -> Tensor:
        return x * self.psi(torch.relu(self.W_g(below) + self.W_x(x)))


class TwoAttended(nn.Module):
    """Two convolutions with batch norm and ReLU: ``conv.0``, ``conv.1``."""

    def __init__(self, before: int, after: int, kernel: Pair, strides: Pair = 1) -> None:
        super().__init__()
        options: dict[str, Any] = {"act": "relu", "normed": "batch"}
        self.conv = nn.Sequential(
            Convolution(before, after, kernel, strides, **options), Convolution(after, after, kernel, **options)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class Raise(nn.Module):
    """``up``: a transposed convolution."""

    def __init__(self, before: int, after: int, kernel: Pair, strides: Pair) -> None:
        super().__init__()
        self.up = Convolution(before, after, kernel, strides, act="relu", normed="batch", transposed=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.up(x)


class AttentionLevel(nn.Module):
    """A level around the coarser ones, ``submodule``, whose skip connection passes a gate."""

    def __init__(self, channels: int, below: int, submodule: nn.Module, up_kernel: Pair, strides: Pair) -> None:
        super().__init__()
        self.attention = Gate(channels)
        self.upconv = Raise(below, channels, up_kernel, strides)
        self.merge = Convolution(2 * channels, channels, act="prelu", normed="instance")
        self.submodule = submodule

    def forward(self, x: Tensor) -> Tensor:
        below = self.upconv(self.submodule(x))
        return self.merge(torch.cat((self.attention(below, x), below), dim=1))


class AttentionUnet(nn.Module):
    """Attention U-Net: ``model.0`` at full size, ``model.1`` the levels below, ``model.2`` the head."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        channels: Sequence[int],
        strides: Sequence[Pair],
        kernel: Pair,
        up_kernel: Pair,
    ) -> None:
        super().__init__()

        def level(number: int) -> nn.Module:
            wide, below, stride = channels[number], channels[number + 1], strides[number]
            inner: nn.Module = TwoAttended(wide, below, kernel, stride)
            if number + 2 < len(channels):
                inner = nn.Sequential(inner, level(number + 1))
            return AttentionLevel(wide, below, inner, up_kernel, stride)

        self.model = nn.Sequential(
            TwoAttended(in_channels, channels[0], kernel), level(0), Convolution(channels[0], out_channels, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)
