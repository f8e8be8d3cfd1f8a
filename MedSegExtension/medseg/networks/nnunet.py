"""nnU-Net v2's 2D networks and its way of predicting, for the weights in its result folders.

`PlannedUNet` has the structure that plans of nnU-Net v2 describe (Isensee et al., Nature Methods 18,
2021; the residual encoder: Isensee et al., MICCAI 2024) and names its tensors as its checkpoints do. `SlidingEnsemble`
predicts a whole slice as nnU-Net's predictor does: overlapping patches weighted by a Gaussian, mirrored, averaged over
folds.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import torch
from torch import nn

from ..errors import InputError
from ..models.nnunet_patches import gaussian, mirrorings, padding, steps
from .arguments import check_channels, check_whole

Pair = tuple[int, int]

#: More folds than anybody trains; a card from a stranger may ask for anything.
MOST_FOLDS = 32


class Block(nn.Module):
    """Convolution, instance norm, leaky ReLU; padding keeps the size at stride 1."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: Pair,
        stride: Pair,
        bias: bool,
        eps: float,
        affine: bool,
        slope: float | None,
    ) -> None:
        super().__init__()
        padding = ((kernel[0] - 1) // 2, (kernel[1] - 1) // 2)
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=bias)
        self.norm = nn.InstanceNorm2d(outputs, eps=eps, affine=affine)
        self.slope = slope

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.norm(self.conv(x))
        return x if self.slope is None else nn.functional.leaky_relu(x, self.slope)


class Blocks(nn.Module):
    """Blocks in a row; the first one strides."""

    def __init__(
        self,
        count: int,
        inputs: int,
        outputs: int,
        kernel: Pair,
        stride: Pair,
        bias: bool,
        eps: float,
        affine: bool,
        slope: float,
    ) -> None:
        super().__init__()
        rest = (bias, eps, affine, slope)
        self.convs = nn.Sequential(*(
            Block(outputs if number else inputs, outputs, kernel, (1, 1) if number else stride, *rest)
            for number in range(count)
        ))  # fmt: skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.convs(x)


class Residual(nn.Module):
    """Two convolutions with a shortcut, which pools where they stride and projects where the width changes."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: Pair,
        stride: Pair,
        bias: bool,
        eps: float,
        affine: bool,
        slope: float,
    ) -> None:
        super().__init__()
        self.slope = slope
        self.conv1 = Block(inputs, outputs, kernel, stride, bias, eps, affine, slope)
        self.conv2 = Block(outputs, outputs, kernel, (1, 1), bias, eps, affine, None)
        shortcut: list[nn.Module] = []
        if any(step != 1 for step in stride):
            shortcut.append(nn.AvgPool2d(stride, stride))
        if inputs != outputs:
            shortcut.append(Block(inputs, outputs, (1, 1), (1, 1), False, eps, affine, None))
        self.skip = nn.Sequential(*shortcut)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.leaky_relu(self.conv2(self.conv1(x)) + self.skip(x), self.slope)


class ResidualStage(nn.Module):
    """Residual blocks in a row; the first one strides."""

    def __init__(self, count: int, inputs: int, outputs: int, *rest: Any) -> None:
        super().__init__()
        kernel, stride, *other = rest
        self.blocks = nn.Sequential(*(
            Residual(outputs if number else inputs, outputs, kernel, (1, 1) if number else stride, *other)
            for number in range(count)
        ))  # fmt: skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.blocks(x)


class _Encoder(nn.Module):
    def __init__(self, stages: list[nn.Module], stem: nn.Module | None) -> None:
        super().__init__()
        if stem is not None:
            self.stem = stem
        self.stages = nn.Sequential(*stages)

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        if hasattr(self, "stem"):
            x = self.stem(x)
        skips = []
        for stage in self.stages:
            x = stage(x)
            skips.append(x)
        return skips


class _Decoder(nn.Module):
    def __init__(
        self,
        widths: Sequence[int],
        kernels: Sequence[Pair],
        strides: Sequence[Pair],
        counts: Sequence[int],
        classes: int,
        bias: bool,
        rest: tuple[Any, ...],
    ) -> None:
        super().__init__()
        transposed, stages, heads = [], [], []
        for number, count in enumerate(counts, start=1):
            below, width, stride = widths[-number], widths[-number - 1], strides[-number]
            transposed.append(nn.ConvTranspose2d(below, width, stride, stride, bias=bias))
            stages.append(Blocks(count, 2 * width, width, kernels[-number - 1], (1, 1), bias, *rest))
            # One head for each depth: only the last one is used to predict.
            heads.append(nn.Conv2d(width, classes, 1))
        self.transpconvs, self.stages = nn.ModuleList(transposed), nn.ModuleList(stages)
        self.seg_layers = nn.ModuleList(heads)

    def forward(self, skips: list[torch.Tensor]) -> torch.Tensor:
        x = skips[-1]
        for number, (up, stage) in enumerate(zip(self.transpconvs, self.stages, strict=True)):
            x = stage(torch.cat((up(x), skips[-number - 2]), 1))
        return self.seg_layers[-1](x)


class PlannedUNet(nn.Module):
    """The network of a 2D configuration of nnU-Net's plans.

    Parameters
    ----------
    inputs, classes : channels in and out.
    widths, kernels, strides : for each stage; the first stride is 1.
    encoder_counts, decoder_counts : convolutions (residual: blocks) of each stage.
    residual : residual encoder with a stem.
    bias, eps, affine, slope : of convolutions, instance norms and leaky ReLUs.
    """

    def __init__(
        self,
        inputs: int,
        classes: int,
        widths: Sequence[int],
        kernels: Sequence[Pair],
        strides: Sequence[Pair],
        encoder_counts: Sequence[int],
        decoder_counts: Sequence[int],
        *,
        residual: bool,
        bias: bool = True,
        eps: float = 1e-5,
        affine: bool = True,
        slope: float = 0.01,
    ) -> None:
        super().__init__()
        rest, stem, before = (eps, affine, slope), None, inputs
        if residual:
            stem, before = Blocks(1, inputs, widths[0], kernels[0], (1, 1), bias, *rest), widths[0]
        stages: list[nn.Module] = []
        for width, kernel, stride, count in zip(widths, kernels, strides, encoder_counts, strict=True):
            if residual:
                stages.append(ResidualStage(count, before, width, kernel, stride, bias, *rest))
            else:
                # nnU-Net keeps a sequence of one here, and so do the names in its checkpoints.
                stages.append(nn.Sequential(Blocks(count, before, width, kernel, stride, bias, *rest)))
            before = width
        self.encoder = _Encoder(stages, stem)
        self.decoder = _Decoder(widths, kernels, strides, decoder_counts, classes, bias, rest)
        #: Rows and columns of a slice of which two by two pixels are left where it is smallest.
        self.smallest: Any = tuple(2 * prod(stride[axis] for stride in strides) for axis in (0, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.decoder(self.encoder(x))


class FoldMean(nn.Module):
    """The mean of what networks of several folds answer to a patch."""

    def __init__(self, networks: Sequence[nn.Module]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        smallest: Any = networks[0].smallest
        self.multiple_of = max(smallest) // 2

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        total = self.networks[0](x)
        for network in self.networks[1:]:
            total = total + network(x)
        return total / len(self.networks) if len(self.networks) > 1 else total


def planned_folds(
    in_channels: int = 1,
    out_channels: int = 2,
    widths: Sequence[int] = (32, 64, 128),
    kernels: Sequence[Any] = (3, 3, 3),
    strides: Sequence[Any] = (1, 2, 2),
    encoder_counts: Sequence[int] = (2, 2, 2),
    decoder_counts: Sequence[int] = (2, 2),
    residual: bool = False,
    bias: bool = True,
    eps: float = 1e-5,
    affine: bool = True,
    slope: float = 0.01,
    members: int = 1,
) -> FoldMean:
    """`FoldMean` of ``members`` networks as a card names it (architecture ``nnunet``). Raises InputError."""
    check_channels("in_channels", in_channels)
    check_channels("out_channels", out_channels)
    if not 1 <= check_whole("members", members) <= MOST_FOLDS:
        raise InputError(f"architecture argument members is {members}", mend=f"give a number from 1 to {MOST_FOLDS}")
    from ..models.nnunet_plans import PlansRefused, checked_network

    try:
        found = checked_network(
            len(widths), widths, kernels, strides, encoder_counts, decoder_counts, residual, bias, eps, affine, slope
        )
    except (PlansRefused, TypeError) as error:
        raise InputError(f"architecture nnunet: {error}", mend="convert the nnU-Net folder again") from None
    return FoldMean([PlannedUNet(in_channels, out_channels, **found) for _ in range(members)])


class SlidingEnsemble(nn.Module):
    """Networks of several folds on whole slices, as nnU-Net's predictor runs them (step 0.5, Gaussian, mirroring).

    ``forward``: (B, C, H, W) of any size, normalised, to raw outputs (B, K, H, W). Sums are kept in half precision, as
    nnU-Net keeps them: its rounding decides voxels where two classes are nearly even.
    """

    def __init__(self, networks: Sequence[nn.Module], patch: tuple[int, int], mirror: Sequence[int]) -> None:
        super().__init__()
        self.weighting: torch.Tensor
        self.networks = nn.ModuleList(networks)
        self.patch = patch
        self.flips = mirrorings(mirror)
        self.register_buffer("weighting", torch.from_numpy(gaussian(patch)), persistent=False)

    def trial(self, x: torch.Tensor) -> torch.Tensor:
        """What every network answers to ``x`` (cut or padded to the smallest patch), neither mirrored nor weighted.

        It shows that the networks run, in a hundredth of the time; of the shape of ``x``.
        """
        smallest: Any = self.networks[0].smallest
        rows, columns = smallest
        height, width = x.shape[2:]
        part = nn.functional.pad(x[:, :, :rows, :columns], (0, max(0, columns - width), 0, max(0, rows - height)))
        total = self.networks[0](part)
        for network in self.networks[1:]:
            total = total + network(part)
        total = total[:, :, :height, :width]
        return nn.functional.pad(total, (0, width - total.shape[3], 0, height - total.shape[2]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        height, width = x.shape[2:]
        (top, bottom), (left, right) = padding((height, width), self.patch)
        x = nn.functional.pad(x, (left, right, top, bottom))
        rows, columns = (steps(have, side) for have, side in zip(x.shape[2:], self.patch, strict=True))
        places = [
            (slice(row, row + self.patch[0]), slice(column, column + self.patch[1]))
            for row in rows
            for column in columns
        ]
        weight = torch.zeros(x.shape[2:], dtype=torch.half, device=x.device)
        for place in places:
            weight[place] += self.weighting
        found = self._slide(self.networks[0], x, places, weight)
        for network in self.networks[1:]:
            found += self._slide(network, x, places, weight)
        if len(self.networks) > 1:
            found /= len(self.networks)
        return found[:, :, top : top + height, left : left + width]

    def _slide(
        self, network: nn.Module, x: torch.Tensor, places: Sequence[tuple[slice, slice]], weight: torch.Tensor
    ) -> torch.Tensor:
        raw: Any = None
        for place in places:
            part = self._mirrored(network, x[:, :, place[0], place[1]].contiguous())
            if raw is None:
                raw = torch.zeros((*part.shape[:2], *x.shape[2:]), dtype=torch.half, device=x.device)
            raw[:, :, place[0], place[1]] += part * self.weighting
        return raw / weight

    def _mirrored(self, network: nn.Module, part: torch.Tensor) -> torch.Tensor:
        total = network(part)
        for axes in self.flips[1:]:
            total = total + network(part.flip(axes)).flip(axes)
        return total / len(self.flips) if len(self.flips) > 1 else total
