"""The plain 2D U-Net with every choice that weights in circulation were made with.

Written from the paper (Ronneberger et al. 2015, doi:10.1007/978-3-319-24574-4_28) and from the shapes of published
tensors; it serves to run weights that exist. `UNet2d` is what this package trains.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import InputError
from .arguments import check_channels, check_choice, check_flag, check_whole, check_widths

_UPSAMPLING = ("transposed", "bilinear", "bilinear-corners", "nearest")


class PlainUNet(nn.Module):
    """U-Net with free widths in every place.

    Parameters
    ----------
    in_channels, out_channels : channels of the slice and of the output.
    widths : channels after each level's second convolution, fine to coarse; ``middle_widths`` after its first.
    decoder_widths, decoder_middle_widths : the same for the decoder, one entry fewer, fine to coarse.
    kernel, head_kernel, up_kernel : odd kernel sizes (``up_kernel`` of a transposed convolution: 2 or more).
    norm : "batch", "instance" or "none" after each convolution; ``bias`` : whether these have one.
    upsampling : "transposed" (stride 2), "nearest", "bilinear" (pixel centres), "bilinear-corners" (corners aligned).
    up_widths : channels after upsampling; needs a convolution. ``up_norm`` : batch norm and ReLU behind that one.
    skip_first : whether the encoder's values come first where both are concatenated.
    head_activation : "none" or "sigmoid", as the last layer.
    gate_widths : inner channels of an additive attention gate on each skip connection (Oktay et al. 2018,
        arXiv:1804.03999), fine to coarse; None: no gates.
    slope : of the activation below zero: 0 is ReLU, above it LeakyReLU.

    Maps float32 (B, in_channels, H, W) to (B, out_channels, H, W). Sizes that are no multiple of `multiple_of` are met
    by padding the upsampled side with zeros, half on each side.
    """

    def __init__(
        self,
        in_channels: int = 1,
        out_channels: int = 1,
        widths: Sequence[int] = (64, 128, 256, 512, 1024),
        middle_widths: Sequence[int] | None = None,
        decoder_widths: Sequence[int] | None = None,
        decoder_middle_widths: Sequence[int] | None = None,
        kernel: int = 3,
        norm: str = "batch",
        bias: bool = True,
        upsampling: str = "transposed",
        up_kernel: int = 2,
        up_widths: Sequence[int] | None = None,
        up_norm: bool = False,
        skip_first: bool = True,
        head_kernel: int = 1,
        head_activation: str = "none",
        gate_widths: Sequence[int] | None = None,
        slope: float = 0.0,
    ) -> None:
        super().__init__()
        self.in_channels = check_channels("in_channels", in_channels)
        self.out_channels = check_channels("out_channels", out_channels)
        wide = check_widths(widths)
        middle = _widths("middle_widths", middle_widths, wide)
        decoded = _widths("decoder_widths", decoder_widths, wide[:-1])
        decoded_middle = _widths("decoder_middle_widths", decoder_middle_widths, decoded)
        check_choice("norm", norm, ("batch", "instance", "none"))
        check_choice("upsampling", upsampling, _UPSAMPLING)
        check_choice("head_activation", head_activation, ("none", "sigmoid"))
        for name, flag in (("bias", bias), ("up_norm", up_norm), ("skip_first", skip_first)):
            check_flag(name, flag)
        for name, size in (("kernel", kernel), ("head_kernel", head_kernel)):
            if check_whole(name, size) not in (1, 3, 5, 7):
                raise InputError(f"architecture argument {name} is {size}", mend="use 1, 3, 5 or 7")
        if not 1 <= check_whole("up_kernel", up_kernel) <= 7:
            raise InputError(f"architecture argument up_kernel is {up_kernel}", mend="use 1 to 7")
        if isinstance(slope, bool) or not isinstance(slope, (int, float)) or not 0 <= slope < 1:
            raise InputError(f"architecture argument slope is {slope!r}", mend="give a number from 0 to 1")
        self.multiple_of = 2 ** (len(wide) - 1)
        self.skip_first, self.mode = skip_first, upsampling
        self.head_activation = head_activation
        if upsampling == "transposed" and up_widths is None:
            up_widths = wide[:-1]
        raised = None if up_widths is None else _widths("up_widths", up_widths, wide[:-1])

        def level(before: int, between: int, after: int) -> _Level:
            return _Level(before, between, after, kernel, norm, bias, float(slope))

        self.encoder = nn.ModuleList(
            level(*sizes) for sizes in zip((in_channels, *wide[:-1]), middle, wide, strict=True)
        )
        below = (*decoded[1:], wide[-1])  # what reaches each decoder level from the coarser one
        upper = below if raised is None else raised
        self.up = nn.ModuleList(
            _Up(before, after, upsampling, up_kernel, raised is not None, up_norm)
            for before, after in zip(below, upper, strict=True)
        )
        self.gates: nn.ModuleList | None = None
        if gate_widths is not None:
            inner = _widths("gate_widths", gate_widths, wide[:-1])
            self.gates = nn.ModuleList(
                _Gate(after, skip, width) for after, skip, width in zip(upper, wide[:-1], inner, strict=True)
            )
        self.decoder = nn.ModuleList(
            level(skip + after, between, out)
            for skip, after, between, out in zip(wide[:-1], upper, decoded_middle, decoded, strict=True)
        )
        self.head = nn.Conv2d(decoded[0], out_channels, head_kernel, padding=head_kernel // 2)

    def forward(self, x: Tensor) -> Tensor:
        skips = [self.encoder[0](x)]
        for level in self.encoder[1:]:
            skips.append(level(F.max_pool2d(skips[-1], 2)))
        x = skips.pop()
        for number in range(len(self.decoder) - 1, -1, -1):
            skip, x = skips.pop(), self.up[number](x)
            if x.shape[2:] != skip.shape[2:]:
                down, right = skip.shape[2] - x.shape[2], skip.shape[3] - x.shape[3]
                x = F.pad(x, (right // 2, right - right // 2, down // 2, down - down // 2))
            if self.gates is not None:
                skip = self.gates[number](x, skip)
            x = self.decoder[number](torch.cat((skip, x) if self.skip_first else (x, skip), dim=1))
        x = self.head(x)
        return torch.sigmoid(x) if self.head_activation == "sigmoid" else x


class _Level(nn.Module):
    """Twice convolution, normalisation, ReLU or LeakyReLU."""

    def __init__(self, before: int, between: int, after: int, kernel: int, norm: str, bias: bool, slope: float) -> None:
        super().__init__()
        self.slope = slope
        self.conv1 = nn.Conv2d(before, between, kernel, padding=kernel // 2, bias=bias)
        self.norm1 = _norm(norm, between)
        self.conv2 = nn.Conv2d(between, after, kernel, padding=kernel // 2, bias=bias)
        self.norm2 = _norm(norm, after)

    def forward(self, x: Tensor) -> Tensor:
        x = self._active(self.norm1(self.conv1(x)))
        return self._active(self.norm2(self.conv2(x)))

    def _active(self, x: Tensor) -> Tensor:
        return F.leaky_relu(x, self.slope) if self.slope else F.relu(x)


class _Gate(nn.Module):
    """How much of each pixel of a skip connection is let through, from it and the coarser level's value."""

    def __init__(self, below: int, skip: int, inner: int) -> None:
        super().__init__()
        self.below_conv, self.below_norm = nn.Conv2d(below, inner, 1), nn.BatchNorm2d(inner)
        self.skip_conv, self.skip_norm = nn.Conv2d(skip, inner, 1), nn.BatchNorm2d(inner)
        self.out_conv, self.out_norm = nn.Conv2d(inner, 1, 1), nn.BatchNorm2d(1)

    def forward(self, below: Tensor, skip: Tensor) -> Tensor:
        both = F.relu(self.below_norm(self.below_conv(below)) + self.skip_norm(self.skip_conv(skip)))
        return skip * torch.sigmoid(self.out_norm(self.out_conv(both)))


class _Up(nn.Module):
    """Twice the size: a transposed convolution, or interpolation with or without a convolution behind it."""

    def __init__(self, before: int, after: int, mode: str, kernel: int, convolution: bool, norm: bool) -> None:
        super().__init__()
        self.mode = mode
        self.conv: nn.Module = nn.Identity()
        self.norm: nn.Module = nn.Identity()
        self.active = norm
        if mode == "transposed":
            # Kernels above 2 overlap; this padding gives twice the size again.
            extra = max(kernel - 2, 0)
            self.conv = nn.ConvTranspose2d(before, after, kernel, 2, (extra + 1) // 2, extra % 2)
        elif convolution:
            self.conv = nn.Conv2d(before, after, kernel, padding=kernel // 2)
        if norm:
            self.norm = nn.BatchNorm2d(after)

    def forward(self, x: Tensor) -> Tensor:
        if self.mode == "nearest":
            x = F.interpolate(x, scale_factor=2.0, mode="nearest")
        elif self.mode != "transposed":
            x = F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=self.mode == "bilinear-corners")
        x = self.norm(self.conv(x))
        return F.relu(x) if self.active else x


def _norm(kind: str, channels: int) -> nn.Module:
    if kind == "batch":
        return nn.BatchNorm2d(channels)
    return nn.InstanceNorm2d(channels, affine=True) if kind == "instance" else nn.Identity()


def _widths(name: str, given: Sequence[int] | None, default: Sequence[int]) -> tuple[int, ...]:
    if given is None:
        return tuple(default)
    if isinstance(given, str) or not isinstance(given, Sequence) or len(given) != len(default):
        raise InputError(
            f"architecture argument {name} is {given!r}", mend=f"give a list of {len(default)} channel counts"
        )
    return tuple(check_channels(f"{name}[{number}]", width) for number, width in enumerate(given))
