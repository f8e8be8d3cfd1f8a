"""Everything that moves pixels, composed into one grid: image and mask-like planes move together, interpolated once."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .elastic import add_displacement
from .policy import log_uniform, uniform
from .settings import Augmentation


@dataclass(frozen=True, eq=False)
class Warp:
    """Per-sample geometry, on the host.

    Attributes
    ----------
    matrix : (B, 2, 2) float32; maps offsets from the crop's middle to offsets in the slice, pixels, (row, column).
    shift : (B, 2) float32, pixels in the slice.
    elastic : samples (int64), their alpha and sigma (float32, pixels); None where nobody gets it.
    """

    matrix: Tensor
    shift: Tensor
    elastic: tuple[Tensor, Tensor, Tensor] | None = None


def draw_warp(
    settings: Augmentation,
    chosen: Mapping[str, Tensor],
    batch: int,
    crop: tuple[int, int],
    generator: torch.Generator,
) -> Warp:
    """Parameters for the samples that `policy.choose` picked; the identity for the others."""
    matrix = torch.eye(2).repeat(batch, 1, 1)
    shift = torch.zeros(batch, 2)

    def then(indices: Tensor, rows: list[list[Tensor]]) -> None:
        step = torch.stack([torch.stack(row, 1) for row in rows], 1)
        matrix[indices] = matrix[indices] @ step

    if settings.flip is not None and len(indices := chosen["flip"]):
        rows, columns = _flips(settings.flip.axes, len(indices), generator)
        nothing = torch.zeros(len(indices))
        then(indices, [[rows, nothing], [nothing, columns]])
    if settings.rotation is not None and len(indices := chosen["rotation"]):
        angle = uniform(len(indices), -1, 1, generator) * math.radians(settings.rotation.degrees)
        then(indices, [[angle.cos(), -angle.sin()], [angle.sin(), angle.cos()]])
    if settings.zoom is not None and len(indices := chosen["zoom"]):
        factor = log_uniform(len(indices), settings.zoom.factor, generator)
        nothing = torch.zeros(len(indices))
        then(indices, [[factor, nothing], [nothing, factor]])
    if settings.shear is not None and len(indices := chosen["shear"]):
        lean = (uniform(len(indices), -1, 1, generator) * math.radians(settings.shear.degrees)).tan()
        one, nothing = torch.ones(len(indices)), torch.zeros(len(indices))
        then(indices, [[one, nothing], [lean, one]])
    if settings.shift is not None and len(indices := chosen["shift"]):
        both = torch.rand(len(indices), 2, generator=generator) * 2 - 1
        shift[indices] = both * torch.tensor(crop) * settings.shift.share
    elastic = None
    if settings.elastic is not None and len(indices := chosen["elastic"]):
        alpha = uniform(len(indices), *settings.elastic.alpha, generator)
        elastic = (indices, alpha, uniform(len(indices), *settings.elastic.sigma, generator))
    return Warp(matrix, shift, elastic)


def warp_crop(
    images: Tensor,
    planes: Tensor,
    centres: Tensor,
    crop: tuple[int, int],
    warp: Warp,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """Cut crops out of slices, warped: one `grid_sample` for the images, one for everything that is like a mask.

    Parameters
    ----------
    images : (B, C, H, W) float32; bilinear, the border repeated outside.
    planes : (B, P, H, W), any dtype exact in float32; nearest, 0 outside.
    centres : (B, 2) whole (row, column), the pixel at ``crop // 2`` of the crop.
    generator : of the device of ``images``; for elastic displacements.

    Returns
    -------
    (B, C, h, w) float32 and (B, P, h, w) float32. An identity warp copies the planes exactly, and the images but for
    the rounding of the grid (1e-5 of a pixel).
    """
    height, width = images.shape[-2:]
    grid = _grid(centres, crop, (height, width), warp, generator)
    cut = F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)
    marks = F.grid_sample(planes.float(), grid, mode="nearest", padding_mode="zeros", align_corners=False)
    return cut, marks


def _grid(
    centres: Tensor, crop: tuple[int, int], size: tuple[int, int], warp: Warp, generator: torch.Generator | None
) -> Tensor:
    """Where each pixel of a crop is read, (B, h, w, 2) float32: x before y, −1 to 1 between the pixels' outer edges.

    In memory (B, h, 2, w): `grid_sample` reads rows of one coordinate fastest on a CPU, and one product of matrices
    gives both coordinates of a row.
    """
    device = centres.device
    # The warp lies on the host: what does not need the centres is computed there, and sent in one small copy.
    scale = 2 / torch.tensor(size, dtype=torch.float64).flip(0)
    middle = torch.tensor([(n - 1) / 2 - n // 2 for n in crop]) + warp.shift
    linear = warp.matrix.flip(1) * scale[:, None]
    offset = (middle.flip(1) + 0.5) * scale - 1
    sent = torch.cat([linear, offset[..., None], scale.expand_as(offset)[..., None]], 2).float()
    by_row, by_column, offset, scale = sent.to(device, non_blocking=True).unbind(2)
    offset = torch.addcmul(offset, centres.flip(1), scale)
    rows, columns = (torch.arange(n, device=device, dtype=torch.float32) - (n - 1) / 2 for n in crop)
    across = by_column[..., None] * columns + offset[..., None]
    grid = across[:, None] + (rows[:, None] * by_row[:, None])[..., None]
    if warp.elastic is not None:
        indices, alpha, sigma = warp.elastic
        # Samples without it get a displacement of 0: cheaper than taking some out of the batch and putting them back.
        strengths = torch.zeros(len(grid)).index_copy(0, indices, alpha)
        widths = torch.full((len(grid),), float(sigma.min())).index_copy(0, indices, sigma)
        add_displacement(grid, strengths, widths, scale, generator)
    return grid.mT


def _flips(axes: Sequence[str], count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Signs for rows and columns: of the allowed combinations any but none."""
    if len(set(axes)) == 1:
        signs = torch.full((count,), -1.0)
        return (signs, -signs) if axes[0] == "rows" else (-signs, signs)
    which = torch.randint(3, (count,), generator=generator)
    return torch.where(which == 1, 1.0, -1.0), torch.where(which == 0, 1.0, -1.0)
