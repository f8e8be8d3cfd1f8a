"""Decoders other than the U-Net's on an encoder from image classification, named as `segmentation_models_pytorch` does.

Sources: LinkNet (Chaurasia 2017, arXiv:1707.03718), FPN (Kirillov 2019, arXiv:1901.02446), MA-Net (Fan 2020,
doi:10.1109/ACCESS.2020.3025372), DeepLabV3 (Chen 2017, arXiv:1706.05587), DeepLabV3+ (Chen 2018, arXiv:1802.02611),
PSPNet (Zhao 2017, arXiv:1612.01105). U-Net and UNet++ on the same encoders: `encoder_unet`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import InputError
from .arguments import check_channels, check_choice, check_flag, check_whole
from .atrous import Aspp, dilate_encoder, separable
from .encoder_unet import encoder_of
from .encoders import check_counts


class EncoderDecoder(nn.Module):
    """One of `DECODERS` on one of `encoder_unet.ENCODERS`.

    Parameters
    ----------
    in_channels, out_channels : channels of the slice and of the output.
    encoder : ``{"kind": …}`` and its arguments, as `EncoderUNet` takes it.
    decoder : ``{"kind": …}`` with one of `DECODERS`, and its arguments.
    head_kernel : 1, 3 or 5.

    Maps float32 (B, in_channels, H, W) to (B, out_channels, H, W); H and W must be multiples of `multiple_of`.
    """

    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 1,
        encoder: Mapping[str, Any] | None = None,
        decoder: Mapping[str, Any] | None = None,
        head_kernel: int = 1,
    ) -> None:
        super().__init__()
        check_channels("in_channels", in_channels)
        check_channels("out_channels", out_channels)
        if check_whole("head_kernel", head_kernel) not in (1, 3, 5):
            raise InputError(f"architecture argument head_kernel is {head_kernel}", mend="use 1, 3 or 5")
        if not isinstance(decoder, Mapping) or decoder.get("kind") not in DECODERS:
            raise InputError(
                f"architecture argument decoder is {str(decoder)[:60]}", mend=f"give its kind: {', '.join(DECODERS)}"
            )
        self.encoder = encoder_of(in_channels, encoder)
        given = {str(name): value for name, value in decoder.items() if name != "kind"}
        try:
            self.decoder = DECODERS[decoder["kind"]](self.encoder, **given)
        except TypeError as error:
            raise InputError(f"the decoder cannot be built ({error})", mend="correct architecture.arguments") from None
        made: Any = self.decoder
        self.multiple_of: int = made.multiple_of
        self.rise: int = made.rise
        self.segmentation_head = nn.Sequential(
            nn.Conv2d(made.width, out_channels, head_kernel, padding=head_kernel // 2)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.segmentation_head(self.decoder(self.encoder(x)))
        return x if self.rise == 1 else _corners(x, self.rise)


def _corners(x: Tensor, times: int) -> Tensor:
    return F.interpolate(x, scale_factor=float(times), mode="bilinear", align_corners=True)


def _unit(before: int, after: int, kernel: int, norm: bool) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Conv2d(before, after, kernel, padding=kernel // 2, bias=not norm)]
    if norm:
        layers.append(nn.BatchNorm2d(after))
    return nn.Sequential(*layers, nn.ReLU())


def _levels(encoder: nn.Module, count: int) -> list[int]:
    levels = list(encoder.levels)  # type: ignore[arg-type]
    if len(levels) != count:
        raise InputError(f"the decoder needs {count} levels of the encoder, it has {len(levels)}",
                         mend="correct architecture.arguments")  # fmt: skip
    return levels


class Linknet(nn.Module):
    """Each block squeezes to a quarter, doubles the size, and the encoder's level is added; ``width`` channels last."""

    rise = 1

    def __init__(self, encoder: nn.Module, width: int = 32, norm: bool = True) -> None:
        super().__init__()
        check_flag("norm", norm)
        self.width = check_channels("width", width)
        levels = list(encoder.levels)  # type: ignore[arg-type]
        self.multiple_of = 2 ** len(levels)
        wide = [*levels[::-1], width]
        self.blocks = nn.ModuleList()
        for before, after in pairwise(wide):
            inner = max(before // 4, 1)
            up: list[nn.Module] = [nn.ConvTranspose2d(inner, inner, 4, 2, 1)]
            up += [nn.BatchNorm2d(inner)] if norm else []
            block = nn.Module()
            block.block = nn.Sequential(
                _unit(before, inner, 1, norm), nn.Sequential(*up, nn.ReLU()), _unit(inner, after, 1, norm)
            )
            self.blocks.append(block)

    def forward(self, levels: list[Tensor]) -> Tensor:
        x = levels[-1]
        blocks: Any = self.blocks
        for block, skip in zip(blocks, [*levels[-2::-1], None], strict=True):
            x = block.block(x)
            if skip is not None:
                x = x + skip
        return x


class Pyramid(nn.Module):
    """FPN: the four coarsest levels as ``pyramid`` channels each, brought to a quarter of the size and merged."""

    rise = 4

    def __init__(self, encoder: nn.Module, pyramid: int = 256, channels: int = 128, merge: str = "add") -> None:
        super().__init__()
        check_choice("merge", merge, ("add", "cat"))
        check_channels("pyramid", pyramid)
        if check_channels("channels", channels) % 32:  # group norm in 32 groups
            raise InputError(f"architecture argument channels is {channels}", mend="give a multiple of 32")
        levels = _levels(encoder, 5)
        self.multiple_of = 2 ** len(levels)
        self.adds, self.width = merge == "add", channels if merge == "add" else 4 * channels
        self.p5 = nn.Conv2d(levels[4], pyramid, 1)
        for number in (4, 3, 2):
            side = nn.Module()
            side.skip_conv = nn.Conv2d(levels[number - 1], pyramid, 1)
            setattr(self, f"p{number}", side)
        self.seg_blocks = nn.ModuleList(self._block(pyramid, channels, count) for count in (3, 2, 1, 1))

    @staticmethod
    def _block(before: int, after: int, count: int) -> nn.Module:
        made: list[nn.Module] = []
        for number in range(count):
            unit = nn.Module()
            unit.block = nn.Sequential(
                nn.Conv2d(after if number else before, after, 3, padding=1, bias=False),
                nn.GroupNorm(32, after),
                nn.ReLU(),
            )
            made.append(unit)
        block = nn.Module()
        block.block = nn.ModuleList(made)
        return block

    def forward(self, levels: list[Tensor]) -> Tensor:
        rows = [self.p5(levels[4])]
        for number in (4, 3, 2):
            side: Any = getattr(self, f"p{number}")
            rows.append(F.interpolate(rows[-1], scale_factor=2.0, mode="nearest") + side.skip_conv(levels[number - 1]))
        found = []
        blocks: Any = self.seg_blocks
        for number, (block, x) in enumerate(zip(blocks, rows, strict=True)):
            for unit in block.block:
                x = unit.block(x)
                if number < 3:
                    x = _corners(x, 2)
            found.append(x)
        return torch.stack(found).sum(0) if self.adds else torch.cat(found, 1)


class MultiAttention(nn.Module):
    """MA-Net: attention over positions below, and over channels where a level of the encoder joins."""

    rise = 1

    def __init__(self, encoder: nn.Module, widths: Sequence[int], inner: int = 64, norm: bool = True) -> None:
        super().__init__()
        check_flag("norm", norm)
        check_channels("inner", inner)
        levels = list(encoder.levels)  # type: ignore[arg-type]
        wide = check_counts("widths", widths, len(levels), len(levels), 4096)
        self.multiple_of, self.width = 2 ** len(levels), wide[-1]
        self.center = _Positions(levels[-1], inner)
        self.blocks = nn.ModuleList()
        for before, skip, after in zip((levels[-1], *wide[:-1]), (*levels[-2::-1], 0), wide, strict=True):
            block = nn.Module()
            if skip:
                block.hl_conv = nn.Sequential(_unit(before, before, 3, norm), _unit(before, skip, 1, norm))
                block.SE_ll, block.SE_hl = _squeeze(skip), _squeeze(skip)
            block.conv1 = _unit(2 * skip if skip else before, after, 3, norm)
            block.conv2 = _unit(after, after, 3, norm)
            self.blocks.append(block)

    def forward(self, levels: list[Tensor]) -> Tensor:
        x = self.center(levels[-1])
        blocks: Any = self.blocks
        for block, skip in zip(blocks, [*levels[-2::-1], None], strict=True):
            if skip is None:
                x = F.interpolate(x, scale_factor=2.0, mode="nearest")
            else:
                x = F.interpolate(block.hl_conv(x), scale_factor=2.0, mode="nearest")
                x = torch.cat((x * (block.SE_hl(x) + block.SE_ll(skip)), skip), 1)
            x = block.conv2(block.conv1(x))
        return x


def _squeeze(channels: int) -> nn.Sequential:
    inner = max(1, channels // 16)
    return nn.Sequential(
        nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, inner, 1), nn.ReLU(), nn.Conv2d(inner, channels, 1), nn.Sigmoid()
    )


class _Positions(nn.Module):
    def __init__(self, channels: int, inner: int) -> None:
        super().__init__()
        self.top_conv = nn.Conv2d(channels, inner, 1)
        self.center_conv = nn.Conv2d(channels, inner, 1)
        self.bottom_conv = nn.Conv2d(channels, channels, 3, padding=1)
        self.out_conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        batch, channels, rows, columns = x.shape
        scores = self.center_conv(x).flatten(2).transpose(1, 2) @ self.top_conv(x).flatten(2)
        # One softmax over all pairs of positions, and the answer read as channels first though it is positions first:
        # so the weights in circulation were trained.
        weights = torch.softmax(scores.flatten(1), 1).view_as(scores)
        mixed = weights @ self.bottom_conv(x).flatten(2).transpose(1, 2)
        return self.out_conv(x + mixed.reshape(batch, channels, rows, columns))


class DeepLab(nn.Module):
    """DeepLabV3: the encoder's last stages dilated down to ``stride``, convolutions at ``rates`` side by side."""

    def __init__(
        self, encoder: nn.Module, channels: int = 256, rates: Sequence[int] = (12, 24, 36), stride: int = 8
    ) -> None:
        super().__init__()
        self.width = check_channels("channels", channels)
        levels = _levels(encoder, 5)
        self.multiple_of = self.rise = dilate_encoder(encoder, stride)
        self.aspp = Aspp(levels[-1], channels, rates, depthwise=False)
        self.conv = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(channels)

    def forward(self, levels: list[Tensor]) -> Tensor:
        return F.relu(self.bn(self.conv(self.aspp(levels[-1]))))


class DeepLabPlus(nn.Module):
    """DeepLabV3+: the same with separable convolutions, and ``detail`` channels of the level at a quarter size."""

    rise = 4

    def __init__(
        self,
        encoder: nn.Module,
        channels: int = 256,
        rates: Sequence[int] = (12, 24, 36),
        stride: int = 16,
        detail: int = 48,
    ) -> None:
        super().__init__()
        self.width = check_channels("channels", channels)
        check_channels("detail", detail)
        levels = _levels(encoder, 5)
        self.multiple_of = dilate_encoder(encoder, stride)
        self.up = stride // 4
        self.aspp = nn.Sequential(
            Aspp(levels[-1], channels, rates, depthwise=True),
            separable(channels, channels, 1),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
        )
        self.block1 = nn.Sequential(nn.Conv2d(levels[1], detail, 1, bias=False), nn.BatchNorm2d(detail), nn.ReLU())
        self.block2 = nn.Sequential(separable(detail + channels, channels, 1), nn.BatchNorm2d(channels), nn.ReLU())

    def forward(self, levels: list[Tensor]) -> Tensor:
        coarse = _corners(self.aspp(levels[-1]), self.up)
        return self.block2(torch.cat((coarse, self.block1(levels[1])), 1))


class PyramidPooling(nn.Module):
    """PSPNet on three levels: the mean over 1, 2, 3 and 6 parts of the slice's sides beside each pixel."""

    rise = multiple_of = 8
    SIZES = (1, 2, 3, 6)

    def __init__(self, encoder: nn.Module, channels: int = 512, norm: bool = True) -> None:
        super().__init__()
        check_flag("norm", norm)
        self.width = check_channels("channels", channels)
        below = _levels(encoder, 3)[-1]
        self.psp = nn.Module()
        self.psp.blocks = nn.ModuleList()
        for size in self.SIZES:
            block = nn.Module()
            block.pool = nn.Sequential(nn.AdaptiveAvgPool2d(size), _unit(below, below // 4, 1, norm and size > 1))
            self.psp.blocks.append(block)
        self.conv = _unit(2 * below, channels, 1, norm)

    def forward(self, levels: list[Tensor]) -> Tensor:
        x = levels[-1]
        blocks: Any = self.psp.blocks
        side = (x.shape[2], x.shape[3])
        pooled = [F.interpolate(block.pool(x), size=side, mode="bilinear", align_corners=True) for block in blocks]
        return self.conv(torch.cat((*pooled, x), 1))


DECODERS: dict[str, Callable[..., nn.Module]] = {
    "linknet": Linknet,
    "fpn": Pyramid,
    "manet": MultiAttention,
    "deeplabv3": DeepLab,
    "deeplabv3+": DeepLabPlus,
    "pspnet": PyramidPooling,
}
