"""Transforms of brightness, sharpness and visibility; the labels stay.

Each has a ``draw`` (parameters of the chosen samples, on the host) and a function that applies them to (n, C, h, w)
float32 crops. Strengths are relative to the sample's own mean and spread: they mean the same for every normalisation.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from .policy import log_uniform, uniform
from .settings import Blur, Brightness, Contrast, Cutout, Gamma, LowResolution, Noise

Values = dict[str, Tensor]


def column(values: Tensor) -> Tensor:
    """(n,) as (n, 1, 1, 1)."""
    return values[:, None, None, None]


def spread(images: Tensor) -> Tensor:
    """Standard deviation of each sample, (n, 1, 1, 1)."""
    flat = images.flatten(1)
    centred = flat - flat.mean(1, keepdim=True)
    # `std` takes ten times as long on a CPU.
    return column(torch.linalg.vector_norm(centred, dim=1) / math.sqrt(max(1, flat.shape[1] - 1)))


def draw_noise(settings: Noise, count: int, generator: torch.Generator) -> Values:
    return {"strength": uniform(count, 0, settings.strength, generator)}


def noise(images: Tensor, values: Values, generator: torch.Generator | None) -> Tensor:
    """Add Gaussian noise of ``strength`` standard deviations of the crop."""
    drawn = torch.randn(images.shape, device=images.device, generator=generator)
    return drawn.mul_(column(values["strength"]) * spread(images)).add_(images)


def draw_brightness(settings: Brightness, count: int, generator: torch.Generator) -> Values:
    return {"shift": uniform(count, -settings.strength, settings.strength, generator)}


def brightness(images: Tensor, values: Values, generator: torch.Generator | None) -> Tensor:
    """Add ``shift`` standard deviations of the crop."""
    return images + column(values["shift"]) * spread(images)


def draw_contrast(settings: Contrast, count: int, generator: torch.Generator) -> Values:
    return {"factor": log_uniform(count, settings.factor, generator)}


def contrast(images: Tensor, values: Values, generator: torch.Generator | None) -> Tensor:
    """Stretch by ``factor`` about the crop's mean."""
    factor = column(values["factor"])
    return (images * factor).add_(images.mean((1, 2, 3), keepdim=True) * (1 - factor))


def draw_gamma(settings: Gamma, count: int, generator: torch.Generator) -> Values:
    return {"exponent": log_uniform(count, settings.factor, generator)}


def gamma(images: Tensor, values: Values, generator: torch.Generator | None) -> Tensor:
    """Raise the crop, scaled to 0..1 by its own extremes, to ``exponent``."""
    low, high = _extremes(images)
    span = (high - low).clamp_min(1e-6)
    # The logarithm of 0 is −inf, and its exponential 0 again; `pow` takes four times as long on a CPU.
    scaled = ((images - low) / span).clamp_(0, 1)
    return scaled.log_().mul_(column(values["exponent"])).exp_().mul_(span).add_(low)


def draw_blur(settings: Blur, count: int, generator: torch.Generator) -> Values:
    return {"sigma": uniform(count, 0, settings.sigma, generator)}


def blur(images: Tensor, values: Values, generator: torch.Generator | None) -> Tensor:
    """Gaussian blur of ``sigma`` pixels, each sample its own; the border is repeated. ``sigma`` lies on the host."""
    sigma = values["sigma"].clamp_min(1e-3)
    radius = max(1, math.ceil(4 * float(sigma.max())))
    narrow = (-0.5 / sigma**2)[:, None, None].to(images.device, non_blocking=True)
    # Products of matrices: on a CPU several times as fast as convolutions with a kernel for each sample.
    down, across = (_gaussian(n, radius, narrow)[:, None] for n in images.shape[-2:])
    return down @ F.pad(images, (radius,) * 4, mode="replicate") @ across.mT


def _gaussian(size: int, radius: int, narrow: Tensor) -> Tensor:
    """(n, size, size + 2·radius): what each pixel takes from those of a padded row."""
    here = torch.arange(radius, radius + size, device=narrow.device, dtype=torch.float32)
    there = torch.arange(size + 2 * radius, device=narrow.device, dtype=torch.float32)
    # 1e-13 is nothing, and numbers much smaller slow a CPU down.
    kernel = (narrow * (here[:, None] - there).square_()).clamp_(-30).exp_()
    return kernel.div_(kernel.sum(2, keepdim=True))


def draw_low_resolution(settings: LowResolution, count: int, generator: torch.Generator) -> Values:
    return {"factor": uniform(count, 1, settings.factor, generator)}


def low_resolution(images: Tensor, values: Values, generator: torch.Generator | None) -> Tensor:
    """Keep the nearest pixel at every ``factor``-th place, and go between them linearly."""
    height, width = images.shape[-2:]
    factor = values["factor"].to(images.device, non_blocking=True)[:, None]
    rows, columns = (torch.arange(n, device=images.device, dtype=torch.float32)[None] for n in (height, width))
    # Places between the kept pixels, counted in kept pixels; the coarse picture lies in the corner of a full one.
    coarse_rows, coarse_columns = (rows * factor).round(), (columns * factor).round()
    kept = F.grid_sample(images, _grid(coarse_rows, coarse_columns, height, width), mode="nearest",
                         padding_mode="border", align_corners=True)  # fmt: skip
    back = _grid(rows / factor, columns / factor, height, width)
    return F.grid_sample(kept, back, mode="bilinear", padding_mode="border", align_corners=True)


def draw_bias_field(count: int, strength: float, generator: torch.Generator) -> Values:
    return {"field": torch.randn(count, 1, 4, 4, generator=generator) * strength}


def bias_field(images: Tensor, values: Values, generator: torch.Generator | None) -> Tensor:
    """Multiply what lies above the crop's lowest value by the exponential of a smooth ``field`` (n, 1, 4, 4)."""
    down, across = (_cubic(n, images.device) for n in images.shape[-2:])
    smooth = down @ values["field"] @ across.mT
    low = column(images.flatten(1).amin(1))
    return (images - low).mul_(smooth.exp_()).add_(low)


def _cubic(size: int, device: torch.device) -> Tensor:
    """(size, 4): cubic interpolation from four points to ``size`` pixels, corners aligned."""
    return F.interpolate(torch.eye(4, device=device)[None, None], (size, 4), mode="bicubic", align_corners=True)[0, 0]


def draw_cutout(settings: Cutout, count: int, generator: torch.Generator) -> Values:
    shape = (count, settings.holes, 2)
    half = (torch.rand(shape, generator=generator) * 0.75 + 0.25) * settings.share / 2
    return {"middle": torch.rand(shape, generator=generator), "half": half}


def cutout(images: Tensor, values: Values, generator: torch.Generator | None) -> Tensor:
    """Set rectangles to the crop's mean: ``middle`` and ``half`` side (n, holes, 2) as shares of (height, width)."""
    height, width = images.shape[-2:]
    inside = []
    for axis, size in enumerate((height, width)):
        places = (torch.arange(size, device=images.device, dtype=torch.float32) + 0.5) / size
        away = (places - values["middle"][:, :, axis, None]).abs()
        inside.append(away <= values["half"][:, :, axis, None])
    hidden = (inside[0][:, :, :, None] & inside[1][:, :, None, :]).any(1, keepdim=True)
    return torch.where(hidden, images.mean((1, 2, 3), keepdim=True), images)


def _extremes(images: Tensor) -> tuple[Tensor, Tensor]:
    flat = images.flatten(1)  # two passes, and yet `aminmax` takes six times as long on a CPU
    return column(flat.amin(1)), column(flat.amax(1))


def _grid(rows: Tensor, columns: Tensor, height: int, width: int) -> Tensor:
    """Pixel places (n, h), (n, w) as a grid for `grid_sample` with aligned corners."""
    y = (rows * (2 / max(1, height - 1)) - 1)[:, :, None].expand(-1, -1, columns.shape[1])
    x = (columns * (2 / max(1, width - 1)) - 1)[:, None, :].expand(-1, rows.shape[1], -1)
    return torch.stack([x, y], 3)
