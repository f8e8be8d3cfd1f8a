"""U-Nets that normalise before each convolution, as torch_em (Pape) and pytorch-3dunet (Wolny) build their 2D ones.

Written from the shapes and names of their tensors; it serves to run weights that exist.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import InputError
from .arguments import check_channels, check_choice, check_flag, check_whole, check_widths

_NORMS = ("instance", "batch", "group", "none")


class NormFirstUNet(nn.Module):
    """U-Net of levels that are twice (norm, convolution, ReLU).

    Parameters
    ----------
    in_channels, out_channels : channels of the slice and of the output.
    widths : channels after each level's second convolution, fine to coarse; ``middle_widths`` after its first.
    decoder_widths, decoder_middle_widths : the same for the decoder, one entry fewer, fine to coarse.
    kernel : odd, of all but the head.
    norm : "instance" (without weights), "batch", "group" in ``groups`` groups, or "none".
    few : with fewer channels than ``groups``, "one" group or a group for "each" channel.
    bias : whether the levels' convolutions have one.
    upsampling : "nearest" or "bilinear" (pixel centres); ``up_widths`` : a 1×1 convolution behind it.
    skip_first : whether the encoder's values come first where both are concatenated.

    Maps float32 (B, in_channels, H, W) to (B, out_channels, H, W); H and W must be multiples of `multiple_of`.
    """

    def __init__(
        self,
        in_channels: int = 1,
        out_channels: int = 1,
        widths: Sequence[int] = (32, 64, 128, 256, 512),
        middle_widths: Sequence[int] | None = None,
        decoder_widths: Sequence[int] | None = None,
        decoder_middle_widths: Sequence[int] | None = None,
        kernel: int = 3,
        norm: str = "instance",
        groups: int = 8,
        few: str = "one",
        bias: bool = True,
        upsampling: str = "bilinear",
        up_widths: Sequence[int] | None = None,
        skip_first: bool = False,
    ) -> None:
        super().__init__()
        check_channels("in_channels", in_channels)
        check_channels("out_channels", out_channels)
        check_choice("norm", norm, _NORMS)
        check_choice("few", few, ("one", "each"))
        check_choice("upsampling", upsampling, ("nearest", "bilinear"))
        check_channels("groups", groups)
        for name, flag in (("bias", bias), ("skip_first", skip_first)):
            check_flag(name, flag)
        if check_whole("kernel", kernel) not in (1, 3, 5, 7):
            raise InputError(f"architecture argument kernel is {kernel}", mend="use 1, 3, 5 or 7")
        wide = check_widths(widths)
        middle = _as_many("middle_widths", middle_widths, wide)
        decoded = _as_many("decoder_widths", decoder_widths, wide[:-1])
        decoded_middle = _as_many("decoder_middle_widths", decoder_middle_widths, decoded)
        self.multiple_of = 2 ** (len(wide) - 1)
        self.mode, self.skip_first = upsampling, skip_first

        def level(before: int, between: int, after: int) -> nn.Module:
            made = nn.Module()
            for number, (source, target) in enumerate(((before, between), (between, after)), start=1):
                made.add_module(f"norm{number}", _norm(norm, source, groups, few))
                made.add_module(f"conv{number}", nn.Conv2d(source, target, kernel, padding=kernel // 2, bias=bias))
            return made

        self.encoder = nn.ModuleList(
            level(*sizes) for sizes in zip((in_channels, *wide[:-1]), middle, wide, strict=True)
        )
        below = (*decoded[1:], wide[-1])  # what reaches each decoder level from the coarser one
        raised = below
        self.up: nn.ModuleList | None = None
        if up_widths is not None:
            raised = _as_many("up_widths", up_widths, below)
            self.up = nn.ModuleList(nn.Conv2d(*pair, 1) for pair in zip(below, raised, strict=True))
        self.decoder = nn.ModuleList(
            level(skip + up, between, after)
            for skip, up, between, after in zip(wide[:-1], raised, decoded_middle, decoded, strict=True)
        )
        self.head = nn.Conv2d(decoded[0], out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        skips = []
        for number, level in enumerate(self.encoder):
            x = _run(level, F.max_pool2d(x, 2) if number else x)
            skips.append(x)
        skips.pop()
        for number in range(len(self.decoder) - 1, -1, -1):
            if self.mode == "nearest":
                x = F.interpolate(x, scale_factor=2.0, mode="nearest")
            else:
                x = F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
            if self.up is not None:
                x = self.up[number](x)
            skip = skips.pop()
            x = _run(self.decoder[number], torch.cat((skip, x) if self.skip_first else (x, skip), 1))
        return self.head(x)


def _run(level: nn.Module, x: Tensor) -> Tensor:
    for number in ("1", "2"):
        x = F.relu(level.get_submodule(f"conv{number}")(level.get_submodule(f"norm{number}")(x)))
    return x


def _norm(kind: str, channels: int, groups: int, few: str) -> nn.Module:
    if kind == "instance":
        return nn.InstanceNorm2d(channels)
    if kind == "batch":
        return nn.BatchNorm2d(channels)
    if kind == "none":
        return nn.Identity()
    if channels < groups:
        groups = channels if few == "each" else 1
    if channels % groups:
        raise InputError(f"{channels} channels cannot be normalised in {groups} groups",
                         mend="correct groups in architecture.arguments")  # fmt: skip
    return nn.GroupNorm(groups, channels)


def _as_many(name: str, given: Sequence[int] | None, default: Sequence[int]) -> tuple[int, ...]:
    if given is None:
        return tuple(default)
    if isinstance(given, str) or not isinstance(given, Sequence) or len(given) != len(default):
        raise InputError(
            f"architecture argument {name} is {given!r}", mend=f"give a list of {len(default)} channel counts"
        )
    return tuple(check_channels(f"{name}[{number}]", width) for number, width in enumerate(given))
