"""Augmentation of a whole batch at once: parameters are drawn first, then applied, so that both can be tested.

One grid carries crop, rotation, scale and elastic displacement together, so that a picture is interpolated once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..config import Augmentation


@dataclass(frozen=True, eq=False)
class Warp:
    """Per-sample geometry. ``matrix`` (B, 2, 2) maps crop offsets to slice offsets in pixels, (row, column) order;
    ``displacement`` (B, 2, g, g) in pixels on a coarse grid, or None.
    """

    matrix: Tensor
    displacement: Tensor | None


def draw_warp(batch: int, settings: Augmentation, generator: torch.Generator) -> Warp:
    """Random rotations, scales, flips and displacements; the identity for samples that are not warped."""
    warped = _uniform(batch, 0, 1, generator) < settings.warp_share
    angle = _uniform(batch, -1, 1, generator) * math.radians(settings.rotation_degrees) * warped
    scale = (_uniform(batch, -1, 1, generator) * math.log1p(settings.scale) * warped).exp()
    signs = torch.ones(batch, 2)
    for axis, flip in enumerate((settings.flip_rows, settings.flip_columns)):
        if flip:
            signs[:, axis] = torch.where(_uniform(batch, 0, 1, generator) < 0.5, -1.0, 1.0)
    cos, sin = angle.cos() * scale, angle.sin() * scale
    matrix = torch.stack([torch.stack([cos, -sin], 1), torch.stack([sin, cos], 1)], 1) * signs[:, None, :]
    displacement = None
    if settings.elastic_pixels > 0:
        side = settings.elastic_grid
        displacement = torch.randn(batch, 2, side, side, generator=generator) * settings.elastic_pixels
        displacement = displacement * warped[:, None, None, None]
    return Warp(matrix, displacement)


def warp_crop(
    images: Tensor, labels: Tensor, centres: Tensor, crop: tuple[int, int], warp: Warp
) -> tuple[Tensor, Tensor]:
    """Cut crops about ``centres`` out of slices, warped.

    ``images`` (B, C, H, W) float32, bilinear with the border repeated; ``labels`` (B, H, W) uint8, nearest, 0 outside;
    ``centres`` (B, 2) whole (row, column). Returns (B, C, h, w) float32 and (B, h, w) int64. An identity warp copies
    the labels exactly, and the image but for the rounding of the grid (1e-5 of a pixel).
    """
    height, width = images.shape[-2:]
    rows = torch.arange(crop[0]) - crop[0] // 2
    columns = torch.arange(crop[1]) - crop[1] // 2
    offsets = torch.stack(torch.meshgrid(rows, columns, indexing="ij"), dim=-1).float()
    places = torch.einsum("bij,hwj->bhwi", warp.matrix, offsets) + centres[:, None, None, :].float()
    if warp.displacement is not None:
        fine = F.interpolate(warp.displacement, size=crop, mode="bicubic", align_corners=True)
        places = places + fine.permute(0, 2, 3, 1)
    # grid_sample counts x before y, and from -1 to 1 between the outer edges of the pixels.
    grid = torch.stack([(2 * places[..., 1] + 1) / width - 1, (2 * places[..., 0] + 1) / height - 1], dim=-1)
    cut = F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)
    marks = F.grid_sample(labels[:, None].float(), grid, mode="nearest", padding_mode="zeros", align_corners=False)
    return cut, marks[:, 0].round().long()


def vary_intensity(images: Tensor, settings: Augmentation, generator: torch.Generator) -> Tensor:
    """Blur, bias field, gamma, contrast, brightness and noise, each sample its own; (B, C, H, W) float32.

    Strengths are relative to the sample's own mean and spread, so that they mean the same for every normalisation.
    """
    batch = len(images)
    if settings.blur > 0:
        images = _blur(images, settings.blur, generator)
    low, high = images.amin((1, 2, 3), keepdim=True), images.amax((1, 2, 3), keepdim=True)
    span = (high - low).clamp_min(1e-6)
    if settings.bias > 0:
        field = torch.randn(batch, 1, 3, 3, generator=generator) * settings.bias
        smooth = F.interpolate(field, size=images.shape[-2:], mode="bicubic", align_corners=True)
        images = (images - low) * smooth.exp() + low
    if settings.gamma > 0:
        exponent = (_column(batch, -1, 1, generator) * math.log1p(settings.gamma)).exp()
        images = ((images - low) / span).clamp_min(0).pow(exponent) * span + low
    mean, spread = images.mean((1, 2, 3), keepdim=True), images.std((1, 2, 3), keepdim=True)
    if settings.gain > 0:
        images = (images - mean) * (_column(batch, -1, 1, generator) * math.log1p(settings.gain)).exp() + mean
    if settings.shift > 0:
        images = images + _column(batch, -1, 1, generator) * settings.shift * spread
    if settings.noise > 0:
        # Half of the samples keep their own noise: drawn strength below zero is none.
        strength = _column(batch, -1, 1, generator).clamp_min(0) * settings.noise * spread
        images = images + torch.randn(images.shape, generator=generator) * strength
    return images


def _blur(images: Tensor, largest: float, generator: torch.Generator) -> Tensor:
    """Gaussian blur of a drawn width on a third of the samples, as one grouped convolution."""
    batch, channels = images.shape[:2]
    sigma = (_uniform(batch, -2, 1, generator).clamp_min(0) * largest).clamp_min(1e-3)
    radius = max(1, math.ceil(3 * largest))
    taps = torch.arange(-radius, radius + 1).float()
    kernel = torch.exp(-0.5 * (taps[None] / sigma[:, None]) ** 2)
    kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(channels, 0)[:, None, None, :]
    flat = F.pad(images.reshape(1, batch * channels, *images.shape[-2:]), (radius,) * 4, mode="replicate")
    flat = F.conv2d(flat, kernel, groups=batch * channels)
    flat = F.conv2d(flat, kernel.transpose(-1, -2), groups=batch * channels)
    return flat.reshape(images.shape)


def _uniform(count: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    return torch.rand(count, generator=generator) * (high - low) + low


def _column(count: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    return _uniform(count, low, high, generator)[:, None, None, None]
