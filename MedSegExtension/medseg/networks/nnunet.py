"""nnU-Net v2's 2D networks and its way of predicting, for the weights in its result folders.

`PlainUNet` and `ResidualUNet` have the structure that plans of nnU-Net v2 describe (Isensee et al., Nature Methods 18,
2021; the residual encoder: Isensee et al., MICCAI 2024) and name their tensors as its checkpoints do. `SlidingEnsemble`
predicts a whole slice as nnU-Net's predictor does: overlapping patches weighted by a Gaussian, mirrored, averaged over
folds.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from math import ceil, prod
from typing import Any

import torch
from torch import nn

Pair = tuple[int, int]


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
        axes = [axis + 2 for axis in mirror]
        self.flips = [list(chosen) for count in range(len(axes) + 1) for chosen in combinations(axes, count)]
        self.register_buffer("weighting", gaussian(patch), persistent=False)

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
        short = [max(0, side - have) for side, have in zip(self.patch, (height, width), strict=True)]
        top, left = short[0] // 2, short[1] // 2
        x = nn.functional.pad(x, (left, short[1] - left, top, short[0] - top))
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


def steps(size: int, patch: int) -> list[int]:
    """Where patches begin along an axis: half a patch apart or less, evenly, the last one at the end."""
    count = ceil((size - patch) / (patch * 0.5)) + 1
    return [round((size - patch) / (count - 1) * number) for number in range(count)] if count > 1 else [0]


def gaussian(patch: tuple[int, int]) -> torch.Tensor:
    """The weight of each pixel of a patch, half precision: a Gaussian of an eighth of its side, 10 at most, never 0."""
    import numpy as np
    from scipy.ndimage import gaussian_filter

    image = np.zeros(patch)
    image[patch[0] // 2, patch[1] // 2] = 1
    image = gaussian_filter(image, [side / 8 for side in patch], mode="constant", cval=0)
    weights = torch.from_numpy(image / (image.max() / 10)).half()
    weights[weights == 0] = weights[weights != 0].min()
    return weights
