"""Convolutions at several rates (atrous; Chen 2017, arXiv:1706.05587), and encoders that keep their size by them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import InputError
from .encoders import EfficientNetEncoder, MobileNetEncoder, SamePadded, check_counts
from .resnet_unet import ResNetEncoder
from .squeezed_resnet import SqueezedResNetEncoder


def separable(before: int, after: int, rate: int) -> nn.Sequential:
    """A 3×3 convolution of each channel alone, then one across channels."""
    return nn.Sequential(
        nn.Conv2d(before, before, 3, padding=rate, dilation=rate, groups=before, bias=False),
        nn.Conv2d(before, after, 1, bias=False),
    )


class Aspp(nn.Module):
    """A 1×1 convolution, three 3×3 at ``rates``, and the mean of the slice, side by side; then one across them."""

    def __init__(self, before: int, after: int, rates: Sequence[int], depthwise: bool) -> None:
        super().__init__()

        def unit(first: nn.Module) -> nn.Sequential:
            return nn.Sequential(first, nn.BatchNorm2d(after), nn.ReLU())

        units = [unit(nn.Conv2d(before, after, 1, bias=False))]
        for rate in check_counts("rates", rates, 3, 3, 64):
            if depthwise:
                units.append(unit(separable(before, after, rate)))
            else:
                units.append(unit(nn.Conv2d(before, after, 3, padding=rate, dilation=rate, bias=False)))
        mean = nn.Conv2d(before, after, 1, bias=False)
        units.append(nn.Sequential(nn.AdaptiveAvgPool2d(1), mean, nn.BatchNorm2d(after), nn.ReLU()))
        self.convs = nn.ModuleList(units)
        self.project = unit(nn.Conv2d(5 * after, after, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        found = [unit(x) for unit in self.convs]
        # From one pixel, which every kind of interpolation spreads alike.
        found[-1] = F.interpolate(found[-1], size=(x.shape[2], x.shape[3]), mode="nearest")
        return self.project(torch.cat(found, 1))


def dilate_encoder(encoder: nn.Module, stride: int) -> int:
    """Let an encoder shrink a slice to 1/``stride`` (8 or 16) and no further, by rates in place of strides.

    Every convolution of a stage that would shrink further takes the same rate, as `segmentation_models_pytorch` has it.
    Returns ``stride``. Raises InputError.
    """
    if isinstance(stride, bool) or stride not in (8, 16):
        raise InputError(f"architecture argument stride is {stride!r}", mend="use 8 or 16")
    stages: dict[int, Iterable[nn.Module]]
    if isinstance(encoder, (ResNetEncoder, SqueezedResNetEncoder)) and encoder.stages == 4:
        stages = {16: [encoder.get_submodule("layer3")], 32: [encoder.get_submodule("layer4")]}
    elif isinstance(encoder, MobileNetEncoder):
        blocks = list(encoder.features)
        stages = {16: blocks[7:14], 32: blocks[14:]}
    elif isinstance(encoder, EfficientNetEncoder):
        third, fourth = encoder.taken[1], encoder.taken[2]
        stages = {16: list(encoder.blocks)[third + 1 : fourth + 1], 32: list(encoder.blocks)[fourth + 1 :]}
    else:
        raise InputError("this encoder cannot be dilated", mend="correct architecture.arguments")
    for shrinks, modules in stages.items():
        if shrinks > stride:
            for module in chain.from_iterable(part.modules() for part in modules):
                if isinstance(module, nn.Conv2d):
                    _dilate(module, shrinks // stride)
    return stride


def _dilate(convolution: nn.Conv2d, rate: int) -> None:
    rows, columns = convolution.kernel_size
    convolution.stride, convolution.dilation = (1, 1), (rate, rate)
    convolution.padding = (rows // 2 * rate, columns // 2 * rate)
    if isinstance(convolution, SamePadded):
        convolution.around = (0, 0, 0, 0)
