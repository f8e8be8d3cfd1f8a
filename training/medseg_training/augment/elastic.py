"""Smooth random displacements as Simard et al. 2003 make them, at a fraction of their cost."""

from __future__ import annotations

import math

import torch
from torch import Tensor

#: How far noise is felt, in standard deviations of the Gaussian: beyond it, 1e-4 of the variance is left.
REACH = 3.0
#: Where the Gaussian's exponent stops falling: 1e-13 is nothing, and numbers much smaller slow a CPU down tenfold.
_NOTHING = 30.0


def displacement(
    alpha: Tensor, sigma: Tensor, size: tuple[int, int], device: torch.device, generator: torch.Generator | None = None
) -> Tensor:
    """Uniform noise from −1 to 1 in each pixel, smoothed by a Gaussian of ``sigma`` pixels, times ``alpha``.

    Parameters
    ----------
    alpha, sigma : (n,) float32 on the host, pixels.
    size : (h, w) of the crop.
    generator : of ``device``.

    Returns
    -------
    (n, 2, h, w) float32 pixels, (row, column), on ``device``.
    """
    field = torch.zeros(len(alpha), size[0], 2, size[1], device=device)
    one = torch.ones(len(alpha), 2, device=device)
    return add_displacement(field, alpha, sigma, one, generator).transpose(1, 2).flip(1)


def add_displacement(
    grid: Tensor, alpha: Tensor, sigma: Tensor, scale: Tensor, generator: torch.Generator | None = None
) -> Tensor:
    """`displacement`, added in place to ``grid`` (n, h, 2, w), column before row, which is given back.

    What a Gaussian has smoothed holds no fine detail: noise on a grid as coarse as the Gaussian is wide gives a field
    of the same variance (its ripple is 2·exp(−π²), 1e-4) and correlation. The Gaussian is separable and is taken at
    each pixel, so that nothing is interpolated: what is left are products of small matrices. The noise goes on beyond
    the crop, whose edge is as any other place.

    Parameters
    ----------
    alpha, sigma : (n,) float32 on the host, pixels.
    scale : (n, 2) float32, what a pixel is in the units of ``grid``; column before row.
    generator : of the device of ``grid``.
    """
    device = grid.device
    count, height, _, width = grid.shape
    pitch = float(sigma.min())
    beyond = REACH * float(sigma.max())
    high, wide = (math.ceil((n - 1 + 2 * beyond) / pitch) + 1 for n in (height, width))
    # Smoothed white noise has the variance pi·(sigma/pitch)² here; the full computation alpha²/(12·pi·sigma²).
    strength = alpha * pitch / (math.sqrt(12) * math.pi * sigma**2)
    narrow, strength = torch.stack([-0.5 / sigma**2, strength]).to(device, non_blocking=True)[..., None, None]
    down = (narrow * _squares(height, high, pitch, beyond, device)).clamp_(-_NOTHING).exp_()
    across = (narrow * _squares(width, wide, pitch, beyond, device)).clamp_(-_NOTHING).exp_()
    noise = torch.randn(count, high, 2, wide, device=device, generator=generator)
    noise *= (strength * scale[:, None])[..., None]
    rows = torch.bmm(down, noise.flatten(2)).view(count, 2 * height, wide)
    grid.view(count, 2 * height, width).baddbmm_(rows, across.mT)
    return grid


def _squares(pixels: int, points: int, pitch: float, beyond: float, device: torch.device) -> Tensor:
    """Squared distances (pixels, points) of pixels from points of the coarse grid."""
    here = torch.arange(pixels, device=device, dtype=torch.float32)
    there = torch.arange(points, device=device, dtype=torch.float32) * pitch - beyond
    return (here[:, None] - there).square_()
