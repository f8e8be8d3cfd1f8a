"""U-Net and UNet++ on an encoder from image classification, with `segmentation_models_pytorch`'s names for tensors.

UNet++: Zhou et al. 2018, doi:10.1007/978-3-030-00889-5_1; squeeze and excitation in the decoder (scSE): Roy et al.
2018, doi:10.1007/978-3-030-00928-1_48. The plain U-Net on a residual encoder is `resnet_unet.ResNetUNet`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import InputError
from .arguments import check_channels, check_choice, check_flag, check_whole
from .encoders import DenseNetEncoder, EfficientNetEncoder, MobileNetEncoder, VggEncoder, check_counts
from .resnet_unet import ResNetEncoder
from .squeezed_resnet import SqueezedResNetEncoder

ENCODERS: dict[str, Callable[..., nn.Module]] = {
    "resnet": ResNetEncoder,
    "se-resnet": SqueezedResNetEncoder,
    "vgg": VggEncoder,
    "mobilenet-v2": MobileNetEncoder,
    "efficientnet": EfficientNetEncoder,
    "densenet": DenseNetEncoder,
}


class EncoderUNet(nn.Module):
    """A decoder with nearest upsampling on an encoder.

    Parameters
    ----------
    in_channels, out_channels : channels of the slice and of the output.
    encoder : ``{"kind": …}`` with one of `ENCODERS`, and its arguments.
    decoder : "unet" or "unet++".
    decoder_widths : channels of each decoder level, coarse to fine: as many as the encoder has levels.
    decoder_norm : batch norm in the decoder (its convolutions have a bias where it is absent).
    attention : scSE in each decoder block; ``center`` : two convolutions below the decoder.
    head_kernel : 1, 3 or 5.

    Maps float32 (B, in_channels, H, W) to (B, out_channels, H, W); H and W must be multiples of `multiple_of`.
    """

    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 1,
        encoder: Mapping[str, Any] | None = None,
        decoder: str = "unet",
        decoder_widths: Sequence[int] = (256, 128, 64, 32, 16),
        decoder_norm: bool = True,
        attention: bool = False,
        center: bool = False,
        head_kernel: int = 3,
    ) -> None:
        super().__init__()
        check_channels("in_channels", in_channels)
        check_channels("out_channels", out_channels)
        check_choice("decoder", decoder, ("unet", "unet++"))
        for name, flag in (("decoder_norm", decoder_norm), ("attention", attention), ("center", center)):
            check_flag(name, flag)
        if check_whole("head_kernel", head_kernel) not in (1, 3, 5):
            raise InputError(f"architecture argument head_kernel is {head_kernel}", mend="use 1, 3 or 5")
        self.encoder = encoder_of(in_channels, encoder)
        levels = list(self.encoder.levels)  # type: ignore[arg-type]
        widths = check_counts("decoder_widths", decoder_widths, len(levels), len(levels), 4096)
        self.multiple_of = 2 ** len(levels)
        skips = [*levels[-2::-1], 0]
        rest = (decoder_norm, attention)
        self.decoder = nn.Module()
        self.dense, self.centered = decoder == "unet++", center
        self.depth = len(levels) - 1
        if center:
            self.decoder.center = nn.Sequential(
                _convolution(levels[-1], levels[-1], decoder_norm), _convolution(levels[-1], levels[-1], decoder_norm)
            )
        if self.dense:
            self.decoder.blocks = _dense_blocks(levels[-1], skips, widths, rest)
        else:
            before = (levels[-1], *widths[:-1])
            self.decoder.blocks = nn.ModuleList(
                _Block(below, skip, after, *rest) for below, skip, after in zip(before, skips, widths, strict=True)
            )
        self.segmentation_head = nn.Sequential(
            nn.Conv2d(widths[-1], out_channels, head_kernel, padding=head_kernel // 2)
        )

    def forward(self, x: Tensor) -> Tensor:
        levels = self.encoder(x)[::-1]
        blocks: Any = self.decoder.blocks
        if self.dense:  # the library's UNet++ keeps the weights of a centre, and does not run it
            return self.segmentation_head(self._dense(levels, blocks))
        x = self.decoder.get_submodule("center")(levels[0]) if self.centered else levels[0]
        for number, block in enumerate(blocks):
            x = block(x, levels[number + 1] if number < self.depth else None)
        return self.segmentation_head(x)

    def _dense(self, levels: list[Tensor], blocks: Any) -> Tensor:
        """Nodes (i, j): i the encoder level they begin from, j the one they have risen to; coarse to fine."""
        nodes = {(i, i): blocks[f"x_{i}_{i}"](levels[i], levels[i + 1]) for i in range(self.depth)}
        for rise in range(1, self.depth):
            for i in range(self.depth - rise):
                j = i + rise
                beside = torch.cat([*(nodes[k, j] for k in range(i + 1, j + 1)), levels[j + 1]], 1)
                nodes[i, j] = blocks[f"x_{i}_{j}"](nodes[i, j - 1], beside)
        return blocks[f"x_0_{self.depth}"](nodes[0, self.depth - 1], None)


def encoder_of(in_channels: int, given: Mapping[str, Any] | None) -> nn.Module:
    """The encoder that ``given`` describes: its kind, one of `ENCODERS`, and its arguments. Raises InputError."""
    if not isinstance(given, Mapping) or given.get("kind") not in ENCODERS:
        raise InputError(
            f"architecture argument encoder is {str(given)[:60]}", mend=f"give its kind: {', '.join(ENCODERS)}"
        )
    try:
        return ENCODERS[given["kind"]](in_channels, **{str(k): v for k, v in given.items() if k != "kind"})
    except TypeError as error:
        raise InputError(f"the encoder cannot be built ({error})", mend="correct architecture.arguments") from None


def _dense_blocks(below: int, skips: Sequence[int], widths: Sequence[int], rest: tuple[bool, bool]) -> nn.ModuleDict:
    before, depth = (below, *widths[:-1]), len(widths) - 1
    blocks = nn.ModuleDict()
    for j in range(depth):
        for i in range(j + 1):
            source, after = (before[j], widths[j]) if i == 0 else (skips[j - 1], skips[j])
            blocks[f"x_{i}_{j}"] = _Block(source, skips[j] * (j + 1 - i), after, *rest)
    blocks[f"x_0_{depth}"] = _Block(before[depth], 0, widths[depth], *rest)
    return blocks


class _Block(nn.Module):
    def __init__(self, below: int, skip: int, after: int, norm: bool, attention: bool) -> None:
        super().__init__()
        self.conv1 = _convolution(below + skip, after, norm)
        self.conv2 = _convolution(after, after, norm)
        if attention:
            self.attention1, self.attention2 = _Named(below + skip), _Named(after)

    def forward(self, x: Tensor, skip: Tensor | None) -> Tensor:
        attends = hasattr(self, "attention1")
        x = F.interpolate(x, scale_factor=2.0, mode="nearest")
        if skip is not None:
            x = torch.cat((x, skip), 1)
            x = self.attention1(x) if attends else x
        x = self.conv2(self.conv1(x))
        return self.attention2(x) if attends else x


class _Attention(nn.Module):
    """scSE: channels and places weighted, and both added; the squeeze is by 16."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        squeezed = max(1, channels // 16)
        self.cSE = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, squeezed, 1), nn.ReLU(), nn.Conv2d(squeezed, channels, 1)
        )
        self.sSE = nn.Sequential(nn.Conv2d(channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.cSE(x)) + x * torch.sigmoid(self.sSE(x))


class _Named(nn.Module):
    """The attention under the name that the tensors have."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.attention = _Attention(channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.attention(x)


def _convolution(before: int, after: int, norm: bool) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Conv2d(before, after, 3, padding=1, bias=not norm)]
    if norm:
        layers.append(nn.BatchNorm2d(after))
    return nn.Sequential(*layers, nn.ReLU())
