"""UNet++ (Zhou et al. 2018, doi:10.1007/978-3-030-00889-5_1) with the names that its weights in circulation have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .arguments import check_channels, check_widths


class NestedUNet(nn.Module):
    """A node for each level and each step of rising; each sees all nodes before it on its level, and one from below.

    Parameters
    ----------
    in_channels, out_channels : channels of the slice and of the logits.
    widths : channels of each level, fine to coarse.

    Maps float32 (B, in_channels, H, W) to (B, out_channels, H, W); H and W must be multiples of `multiple_of`.
    """

    def __init__(
        self, in_channels: int = 3, out_channels: int = 1, widths: Sequence[int] = (32, 64, 128, 256, 512)
    ) -> None:
        super().__init__()
        check_channels("in_channels", in_channels)
        check_channels("out_channels", out_channels)
        wide = check_widths(widths)
        self.levels = len(wide)
        self.multiple_of = 2 ** (self.levels - 1)
        for level in range(self.levels):
            for rise in range(self.levels - level):
                before = rise * wide[level] + wide[level + 1] if rise else wide[level - 1] if level else in_channels
                self.add_module(f"conv{level}_{rise}", _Node(before, wide[level]))
        self.final = nn.Conv2d(wide[0], out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        nodes: dict[tuple[int, int], Tensor] = {}
        for level in range(self.levels):
            x = nodes[level, 0] = self._node(level, 0)(x if level == 0 else F.max_pool2d(x, 2))
        for rise in range(1, self.levels):
            for level in range(self.levels - rise):
                below = nodes[level + 1, rise - 1]
                below = F.interpolate(below, scale_factor=2.0, mode="bilinear", align_corners=True)
                beside = [nodes[level, number] for number in range(rise)]
                nodes[level, rise] = self._node(level, rise)(torch.cat((*beside, below), 1))
        return self.final(nodes[0, self.levels - 1])

    def _node(self, level: int, rise: int) -> Any:
        return getattr(self, f"conv{level}_{rise}")


class _Node(nn.Module):
    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after)
        self.conv2, self.bn2 = nn.Conv2d(after, after, 3, padding=1), nn.BatchNorm2d(after)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))
