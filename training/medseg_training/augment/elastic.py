"""Smooth random displacements as Simard et al. 2003 make them, at a fraction of their cost."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

#: Standard deviation of the Gaussian in points of the coarse grid: enough for bicubic interpolation.
POINTS_PER_SIGMA = 2.0


def displacement(
    alpha: Tensor, sigma: Tensor, size: tuple[int, int], device: torch.device, generator: torch.Generator | None = None
) -> Tensor:
    """Uniform noise from −1 to 1 in each pixel, smoothed by a Gaussian of ``sigma`` pixels, times ``alpha``.

    What a Gaussian has smoothed holds no fine detail: noise of the variance that a block of pixels has in the mean is
    smoothed on a coarse grid and interpolated. Mean, variance and correlation are those of the full computation; the
    field goes on beyond the crop, so that its edge is as any other place.

    Parameters
    ----------
    alpha, sigma : (n,) float32 on the host, pixels.
    size : (h, w) of the crop.
    generator : of ``device``.

    Returns
    -------
    (n, 2, h, w) float32 pixels, (row, column), on ``device``.
    """
    pitch = max(1, math.floor(float(sigma.min()) / POINTS_PER_SIGMA))
    width = sigma / pitch
    radius = math.ceil(3.5 * float(width.max()))
    points = [math.ceil((n - 1) / pitch) + 4 for n in size]
    count = len(alpha)
    noise = torch.randn(count, 2, *(n + 2 * radius for n in points), device=device, generator=generator)
    taps = torch.arange(-radius, radius + 1, dtype=torch.float32)
    kernel = torch.exp(-0.5 * (taps[None] / width[:, None]) ** 2)
    kernel = kernel / kernel.sum(1, keepdim=True)
    # Noise of −1..1 has variance 1/3 a pixel, 1/(3·pitch²) in the mean of a block.
    kernel_down = kernel * (alpha / (math.sqrt(3) * pitch))[:, None]
    across, down = (
        k.repeat_interleave(2, 0)[:, None, None, :].to(device, non_blocking=True) for k in (kernel, kernel_down)
    )
    field = noise.reshape(1, 2 * count, *noise.shape[-2:])
    field = F.conv2d(field, across, groups=2 * count)
    field = F.conv2d(field, down.transpose(-1, -2), groups=2 * count)
    field = field.reshape(count, 2, *points)
    # align_corners: coarse points lie `pitch` pixels apart; one and a half spare points on each side.
    fine = F.interpolate(field, size=[(n - 1) * pitch + 1 for n in points], mode="bicubic", align_corners=True)
    top, left = ((n - 1) * pitch + 1 - wanted for n, wanted in zip(points, size, strict=True))
    return fine[:, :, top // 2 : top // 2 + size[0], left // 2 : left // 2 + size[1]]
