"""The 2D U-Net of Ronneberger et al. 2015 (doi:10.1007/978-3-319-24574-4_28) as it is built today.

Differences to the paper: zero padding keeps the size, every convolution is followed by a normalisation, and the
convolution has no bias where the normalisation would cancel it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from .arguments import check_channels, check_choice, check_dropout, check_flag, check_widths

Norm = Literal["batch", "instance", "none"]
Upsampling = Literal["transposed", "bilinear"]


class UNet2d(nn.Module):
    """Encoder and decoder with skip connections; one level per entry of ``widths``, the last being the bottleneck.

    Parameters
    ----------
    in_channels, out_channels : channels of the slice and of the logits.
    widths : feature channels per level, fine to coarse, at least two.
    norm : normalisation after each convolution; ``none`` gives the convolutions a bias instead.
    upsampling : ``transposed`` 2×2 convolution, or ``bilinear`` interpolation with a 1×1 convolution.
    dropout : probability of dropping a whole feature map after each pooling; 0 for none.
    residual : add each block's input (through a 1×1 convolution where the width changes) to its output.

    Maps float32 (B, in_channels, H, W) to logits (B, out_channels, H, W); H and W must be multiples of `multiple_of`.
    """

    def __init__(
        self,
        in_channels: int = 1,
        out_channels: int = 1,
        widths: Sequence[int] = (16, 32, 64, 128, 256),
        norm: Norm = "batch",
        upsampling: Upsampling = "transposed",
        dropout: float = 0.0,
        residual: bool = False,
    ) -> None:
        super().__init__()
        self.in_channels = check_channels("in_channels", in_channels)
        self.out_channels = check_channels("out_channels", out_channels)
        widths = check_widths(widths)
        check_choice("norm", norm, ("batch", "instance", "none"))
        check_choice("upsampling", upsampling, ("transposed", "bilinear"))
        check_flag("residual", residual)
        self.multiple_of = 2 ** (len(widths) - 1)
        self.pool = nn.MaxPool2d(2)
        self.dropout = nn.Dropout2d(check_dropout(dropout))
        self.encoder = nn.ModuleList(
            Block(before, after, norm, residual) for before, after in zip((in_channels, *widths), widths, strict=False)
        )
        self.upsamplers = nn.ModuleList()
        self.decoder = nn.ModuleList()
        for coarse, fine in zip(widths[:0:-1], widths[-2::-1], strict=True):
            self.upsamplers.append(_upsampler(coarse, fine, upsampling))
            self.decoder.append(Block(2 * fine, fine, norm, residual))
        self.decoder_widths = widths[-2::-1]
        self.head = nn.Conv2d(widths[0], out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.decode(x)[-1])

    def decode(self, x: Tensor) -> list[Tensor]:
        """What each level of the decoder makes, coarse to fine: (B, ``decoder_widths[n]``, h, w)."""
        skips = [self.encoder[0](x)]
        for block in self.encoder[1:]:
            skips.append(block(self.dropout(self.pool(skips[-1]))))
        levels = [skips.pop()]
        for upsample, block in zip(self.upsamplers, self.decoder, strict=True):
            levels.append(block(torch.cat((skips.pop(), upsample(levels[-1])), dim=1)))
        return levels[1:]


class Block(nn.Module):
    """Twice convolution 3×3, normalisation, ReLU."""

    def __init__(self, before: int, after: int, norm: Norm, residual: bool) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(before, after, 3, padding=1, bias=norm == "none"),
            _norm(norm, after),
            nn.ReLU(inplace=True),
            nn.Conv2d(after, after, 3, padding=1, bias=norm == "none"),
            _norm(norm, after),
        )
        self.shortcut: nn.Module | None = None
        if residual:
            self.shortcut = nn.Identity() if before == after else nn.Conv2d(before, after, 1, bias=False)
        self.activation = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        y = self.body(x)
        if self.shortcut is not None:
            y = y + self.shortcut(x)
        return self.activation(y)


def _norm(kind: Norm, channels: int) -> nn.Module:
    if kind == "batch":
        return nn.BatchNorm2d(channels)
    if kind == "instance":
        return nn.InstanceNorm2d(channels, affine=True)
    return nn.Identity()


def _upsampler(coarse: int, fine: int, kind: Upsampling) -> nn.Module:
    if kind == "transposed":
        return nn.ConvTranspose2d(coarse, fine, 2, stride=2)
    return nn.Sequential(nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False), nn.Conv2d(coarse, fine, 1))
