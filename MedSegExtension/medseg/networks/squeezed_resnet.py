"""Residual encoders with squeeze and excitation (Hu et al. 2018, arXiv:1709.01507), named as their first port does.

SE-ResNet strides in its first convolution, as Caffe's weights did, SE-ResNeXt (grouped) in its second.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import InputError
from .arguments import check_channels, check_whole
from .encoders import check_counts


class SqueezedResNetEncoder(nn.Module):
    """The values at 1/2, 1/4, … of the size, fine to coarse; ``levels``: channels of each.

    ``blocks`` of 1 to 4 stages, ``width`` of the first stage's inner convolutions, doubled a stage, and their
    ``groups``.
    """

    def __init__(self, in_channels: int, blocks: Sequence[int], width: int = 64, groups: int = 1) -> None:
        super().__init__()
        counts = check_counts("blocks", blocks, 1, 4, 64)
        check_channels("width", width)
        if check_whole("groups", groups) < 1 or width % groups:
            raise InputError(f"architecture argument groups is {groups}", mend="give a number that divides width")
        self.layer0 = nn.Module()
        self.layer0.conv1 = nn.Conv2d(in_channels, 64, 7, stride=2, padding=3, bias=False)
        self.layer0.bn1 = nn.BatchNorm2d(64)
        self.levels, self.stages = [64], len(counts)
        for stage, count in enumerate(counts):
            after = 256 * 2**stage
            made = [
                _Block(
                    after if number else self.levels[-1],
                    width * 2**stage,
                    after,
                    2 if stage and not number else 1,
                    groups,
                )
                for number in range(count)
            ]
            setattr(self, f"layer{stage + 1}", nn.Sequential(*made))
            self.levels.append(after)

    def forward(self, x: Tensor) -> list[Tensor]:
        first = self.layer0
        levels = [F.relu(first.get_submodule("bn1")(first.get_submodule("conv1")(x)))]
        # Windows that reach over the end in place of padding: as the weights were made.
        x = F.max_pool2d(levels[0], 3, stride=2, ceil_mode=True)
        for stage in range(self.stages):
            x = self.get_submodule(f"layer{stage + 1}")(x)
            levels.append(x)
        return levels


class _Block(nn.Module):
    def __init__(self, before: int, inner: int, after: int, stride: int, groups: int) -> None:
        super().__init__()
        one, two = (stride, 1) if groups == 1 else (1, stride)
        self.conv1, self.bn1 = nn.Conv2d(before, inner, 1, one, bias=False), nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, inner, 3, two, 1, groups=groups, bias=False)
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3, self.bn3 = nn.Conv2d(inner, after, 1, bias=False), nn.BatchNorm2d(after)
        self.se_module = nn.Module()
        self.se_module.fc1, self.se_module.fc2 = nn.Conv2d(after, after // 16, 1), nn.Conv2d(after // 16, after, 1)
        self.downsample: nn.Module | None = None
        if stride != 1 or before != after:
            self.downsample = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn3(self.conv3(F.relu(self.bn2(self.conv2(y)))))
        squeezed = F.relu(self.se_module.get_submodule("fc1")(y.mean((2, 3), keepdim=True)))
        y = y * torch.sigmoid(self.se_module.get_submodule("fc2")(squeezed))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))
