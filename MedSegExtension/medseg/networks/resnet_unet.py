"""U-Net whose encoder is a residual network (He et al. 2016, doi:10.1109/CVPR.2016.90; grouped: Xie et al. 2017,
doi:10.1109/CVPR.2017.634). Its tensors are named as `segmentation_models_pytorch` names them, so that weights fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import InputError
from .arguments import check_channels, check_flag, check_whole


class ResNetUNet(nn.Module):
    """Encoder: 7×7 convolution at stride 2, pooling, residual stages; decoder: nearest upsampling, concatenation.

    Parameters
    ----------
    in_channels, out_channels : channels of the slice and of the logits.
    blocks : residual blocks of each stage, 1 to 4 stages; ``bottleneck`` blocks have 1×1, 3×3, 1×1 convolutions, others
        two of 3×3.
    width : channels of the first stage's inner convolutions, doubled a stage; ``groups`` of the 3×3 in bottlenecks.
    decoder_widths : channels of each decoder level, coarse to fine: one more than there are stages.
    decoder_norm : batch norm in the decoder (its convolutions have a bias where it is absent).
    head_kernel : 1 or 3.

    Maps float32 (B, in_channels, H, W) to (B, out_channels, H, W); H and W must be multiples of `multiple_of`.
    """

    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 1,
        blocks: Sequence[int] = (2, 2, 2, 2),
        bottleneck: bool = False,
        width: int = 64,
        groups: int = 1,
        decoder_widths: Sequence[int] = (256, 128, 64, 32, 16),
        decoder_norm: bool = True,
        head_kernel: int = 3,
    ) -> None:
        super().__init__()
        self.in_channels = check_channels("in_channels", in_channels)
        self.out_channels = check_channels("out_channels", out_channels)
        check_flag("decoder_norm", decoder_norm)
        self.encoder = ResNetEncoder(in_channels, blocks, bottleneck, width, groups)
        if isinstance(decoder_widths, str) or len(decoder_widths) != len(blocks) + 1:
            raise InputError(
                f"architecture argument decoder_widths is {decoder_widths!r}",
                mend=f"give {len(blocks) + 1} channel counts, coarse to fine",
            )
        for channels in decoder_widths:
            check_channels("decoder_widths", channels)
        if check_whole("head_kernel", head_kernel) not in (1, 3, 5):
            raise InputError(f"architecture argument head_kernel is {head_kernel}", mend="use 1, 3 or 5")
        self.multiple_of = 2 ** (len(blocks) + 1)
        skips = [*self.encoder.levels[-2::-1], 0]
        blocks_up = nn.ModuleList()
        before = self.encoder.levels[-1]
        for skip, after in zip(skips, decoder_widths, strict=True):
            block = nn.Module()
            block.conv1 = _convolution(before + skip, after, decoder_norm)
            block.conv2 = _convolution(after, after, decoder_norm)
            blocks_up.append(block)
            before = after
        self.decoder = nn.ModuleDict({"blocks": blocks_up})
        self.segmentation_head = nn.Sequential(nn.Conv2d(before, out_channels, head_kernel, padding=head_kernel // 2))

    def forward(self, x: Tensor) -> Tensor:
        levels = self.encoder(x)
        x = levels.pop()
        for block in cast("Any", self.decoder["blocks"]):
            x = F.interpolate(x, scale_factor=2.0, mode="nearest")
            if levels:
                x = torch.cat((x, levels.pop()), dim=1)
            x = block.conv2(block.conv1(x))
        return self.segmentation_head(x)


class ResNetEncoder(nn.Module):
    """The values at 1/2, 1/4, … of the size, fine to coarse; ``levels``: channels of each. Arguments: `ResNetUNet`."""

    def __init__(
        self, in_channels: int, blocks: Sequence[int], bottleneck: bool = False, width: int = 64, groups: int = 1
    ) -> None:
        super().__init__()
        check_channels("width", width)
        check_flag("bottleneck", bottleneck)
        if (
            isinstance(blocks, str)
            or not 1 <= len(blocks) <= 4
            or any(not 1 <= check_whole("blocks", n) <= 64 for n in blocks)
        ):
            raise InputError(f"architecture argument blocks is {blocks!r}", mend="give 1 to 4 numbers of blocks")
        if check_whole("groups", groups) < 1 or width % groups:
            raise InputError(f"architecture argument groups is {groups}", mend="give a number that divides width")
        self.conv1 = nn.Conv2d(in_channels, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.levels = [64]
        self.stages = len(blocks)
        for stage, count in enumerate(blocks):
            inner = width * 2**stage
            # Grouped networks widen the inner convolutions only; the stages keep 256, 512, … channels.
            after = (256 if bottleneck else width) * 2**stage
            before = self.levels[-1]
            made = [
                _Block(
                    before if number == 0 else after,
                    inner,
                    after,
                    2 if stage and number == 0 else 1,
                    bottleneck,
                    groups,
                )
                for number in range(count)
            ]
            setattr(self, f"layer{stage + 1}", nn.Sequential(*made))
            self.levels.append(after)

    def forward(self, x: Tensor) -> list[Tensor]:
        levels = [F.relu(self.bn1(self.conv1(x)))]
        x = F.max_pool2d(levels[0], 3, stride=2, padding=1)
        for stage in range(self.stages):
            x = getattr(self, f"layer{stage + 1}")(x)
            levels.append(x)
        return levels


class _Block(nn.Module):
    """A residual block: the input, brought to the same shape where needed, is added before the last ReLU."""

    def __init__(self, before: int, inner: int, after: int, stride: int, bottleneck: bool, groups: int) -> None:
        super().__init__()
        sizes: tuple[tuple[int, ...], ...]
        if bottleneck:
            sizes = ((before, inner, 1, 1, 1), (inner, inner, 3, stride, groups), (inner, after, 1, 1, 1))
        else:
            sizes = ((before, inner, 3, stride, 1), (inner, after, 3, 1, 1))
        self.count = len(sizes)
        for number, (source, target, kernel, step, parts) in enumerate(sizes, start=1):
            setattr(
                self, f"conv{number}", nn.Conv2d(source, target, kernel, step, kernel // 2, groups=parts, bias=False)
            )
            setattr(self, f"bn{number}", nn.BatchNorm2d(target))
        self.downsample: nn.Module | None = None
        if stride != 1 or before != after:
            self.downsample = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for number in range(1, self.count + 1):
            y = getattr(self, f"bn{number}")(getattr(self, f"conv{number}")(y))
            if number < self.count:
                y = F.relu(y)
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


def _convolution(before: int, after: int, norm: bool) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Conv2d(before, after, 3, padding=1, bias=not norm)]
    if norm:
        layers.append(nn.BatchNorm2d(after))
    return nn.Sequential(*layers, nn.ReLU(inplace=True))
