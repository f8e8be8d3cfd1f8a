"""The network of an imaging laboratory's brain-lobe segmentation, layer by layer as its Keras original.

Here so that weights trained with the original run unchanged: order of layers, the normalisations that stand after the
ReLU, and Keras's batch-norm constants (epsilon 1e-3, momentum 0.99, which PyTorch counts the other way round) matter.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..errors import InputError
from .arguments import check_channels, check_dropout, check_whole

_EPSILON = 1e-3
_MOMENTUM = 0.01


class UNet2dB(nn.Module):
    """U-Net with biased convolutions, batch norm once per level after the ReLUs, none in the bottleneck.

    ``depth`` levels of 32, 64, 128, … feature channels above a bottleneck of ``32 · 2**depth``. With one channel in and
    out: depth 4 has 7,762,401 parameters and 2,880 running statistics; depth 5 has 31,105,825 in all, statistics
    counted (as Keras counts).

    Maps float32 (B, in_channels, H, W) to logits (B, out_channels, H, W) (the original ends in a sigmoid, which the
    card names as the activation); H and W must be multiples of `multiple_of`.
    """

    def __init__(self, in_channels: int = 1, out_channels: int = 1, depth: int = 4, dropout: float = 0.0) -> None:
        super().__init__()
        self.in_channels = check_channels("in_channels", in_channels)
        self.out_channels = check_channels("out_channels", out_channels)
        if not 1 <= check_whole("depth", depth) <= 6:
            raise InputError(f"architecture argument depth is {depth}", mend="use 4 (as in the report), 5, or 1 to 6")
        widths = [32 * 2**level for level in range(depth)]
        bottleneck = 32 * 2**depth
        self.multiple_of = 2**depth
        self.pool = nn.MaxPool2d(2)
        self.dropout = nn.Dropout(check_dropout(dropout))
        self.encoder = nn.ModuleList(
            nn.Sequential(*_convolutions(before, after), _batch_norm(after))
            for before, after in zip((in_channels, *widths), widths, strict=False)
        )
        self.bottleneck = nn.Sequential(*_convolutions(widths[-1], bottleneck))
        self.upsamplers = nn.ModuleList()
        self.decoder = nn.ModuleList()
        for width in reversed(widths):
            self.upsamplers.append(nn.Sequential(nn.ConvTranspose2d(2 * width, width, 2, stride=2), _batch_norm(width)))
            self.decoder.append(nn.Sequential(*_convolutions(2 * width, width), _batch_norm(width)))
        self.decoder_widths = tuple(reversed(widths))
        self.head = nn.Conv2d(widths[0], out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.decode(x)[-1])

    def decode(self, x: Tensor) -> list[Tensor]:
        """What each level of the decoder makes, coarse to fine: (B, ``decoder_widths[n]``, h, w)."""
        skips = []
        for level in self.encoder:
            skips.append(level(x))
            x = self.dropout(self.pool(skips[-1]))
        levels = [self.bottleneck(x)]
        for upsample, level in zip(self.upsamplers, self.decoder, strict=True):
            levels.append(level(torch.cat((upsample(levels[-1]), skips.pop()), dim=1)))
        return levels[1:]


def _convolutions(before: int, after: int) -> tuple[nn.Module, ...]:
    return (
        nn.Conv2d(before, after, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(after, after, 3, padding=1),
        nn.ReLU(inplace=True),
    )


def _batch_norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=_EPSILON, momentum=_MOMENTUM)
