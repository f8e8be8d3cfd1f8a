"""Artefacts that arise in k-space, where MR images are measured, and mixing of amplitudes between samples.

As in `intensity`: parameters are drawn on the host, functions take (n, C, h, w) float32 crops. All work on the real
transform (half of k-space), so that what comes back is real and hermitian symmetry needs no care.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .intensity import Values, column, spread
from .policy import uniform
from .settings import AmplitudeMix, Ghost, Gibbs, Spike


def draw_spike(settings: Spike, count: int, generator: torch.Generator) -> Values:
    angle = uniform(count, 0, torch.pi, generator)
    # Not the lowest frequencies, which would be a bias field, and not those that no pixel resolves.
    frequency = uniform(count, 0.05, 0.45, generator)
    return {
        "rows": frequency * angle.cos(),
        "columns": frequency * angle.sin(),
        "phase": uniform(count, 0, 2 * torch.pi, generator),
        "strength": uniform(count, 0, settings.strength, generator),
    }


def spike(images: Tensor, values: Values, generator: torch.Generator | None) -> Tensor:
    """One point of k-space and its conjugate are too large: a cosine of (``rows``, ``columns``) cycles a pixel.

    ``strength`` is its amplitude in standard deviations of the crop. Written as the cosine that it is: no transform.
    """
    height, width = images.shape[-2:]
    rows = torch.arange(height, device=images.device, dtype=torch.float32) * values["rows"][:, None]
    columns = torch.arange(width, device=images.device, dtype=torch.float32) * values["columns"][:, None]
    turns = rows[:, :, None] + columns[:, None, :]
    stripes = torch.cos(2 * torch.pi * turns + values["phase"][:, None, None])[:, None]
    return torch.addcmul(images, stripes, column(values["strength"]) * spread(images))


def draw_gibbs(settings: Gibbs, count: int, generator: torch.Generator) -> Values:
    return {"keep": uniform(count, settings.keep, 1, generator)}


def gibbs(images: Tensor, values: Values, generator: torch.Generator | None) -> Tensor:
    """Frequencies farther than ``keep`` times the highest along an axis are lost."""
    radius = _radius(images)
    return _back(torch.fft.rfft2(images) * (radius <= column(values["keep"])), images)


def draw_ghost(settings: Ghost, count: int, generator: torch.Generator) -> Values:
    low, high = settings.copies
    return {
        "copies": torch.randint(low, high + 1, (count,), generator=generator).float(),
        "strength": uniform(count, 0, settings.strength, generator),
        "axis": torch.randint(2, (count,), generator=generator),
    }


def ghost(images: Tensor, values: Values, generator: torch.Generator | None) -> Tensor:
    """Every ``copies``-th line along ``axis`` (0 rows, 1 columns) is weaker by ``strength``, the lowest one excepted.

    The crop shows itself that many times along the axis, faintly; the mean stays.
    """
    space = torch.fft.rfft2(images)
    height, width = images.shape[-2:]
    rows = torch.fft.fftfreq(height, 1 / height, device=images.device).round()[None, :, None]
    columns = torch.fft.rfftfreq(width, 1 / width, device=images.device).round()[None, None, :]
    copies, along = values["copies"][:, None, None], values["axis"][:, None, None]
    line = torch.where(along == 0, rows, columns)
    weak = (line.remainder(copies) == 0) & (line != 0)
    return _back(space * (1 - weak[:, None] * column(values["strength"])), images)


def draw_amplitude_mix(settings: AmplitudeMix, indices: Tensor, batch: int, generator: torch.Generator) -> Values:
    """Partners are other samples of the batch; alone in its batch, a sample is its own."""
    away = torch.randint(1, max(2, batch), (len(indices),), generator=generator)
    return {
        "partner": (indices + away) % batch,
        "strength": uniform(len(indices), 0, settings.strength, generator),
        "share": torch.full((len(indices),), settings.share),
    }


def amplitude_mix(images: Tensor, values: Values, others: Tensor) -> Tensor:
    """``others`` (n, C, h, w), the partners' crops, lend ``strength`` of the amplitude of their low frequencies."""
    mine, theirs = torch.fft.rfft2(images), torch.fft.rfft2(others)
    size = mine.abs()
    low = _square(images) <= column(values["share"])
    wanted = torch.lerp(size, theirs.abs(), column(values["strength"]) * low)
    # Where there is no amplitude there is no phase either: 0 stays 0.
    return _back(mine * (wanted / size.clamp_min(1e-12)), images)


def _back(space: Tensor, images: Tensor) -> Tensor:
    return torch.fft.irfft2(space, s=images.shape[-2:])


def _axes(images: Tensor) -> tuple[Tensor, Tensor]:
    """Frequencies of the half k-space as shares of the highest: (h, 1) and (1, w/2 + 1)."""
    height, width = images.shape[-2:]
    rows = torch.fft.fftfreq(height, device=images.device).abs() * 2
    return rows[:, None], (torch.fft.rfftfreq(width, device=images.device) * 2)[None]


def _radius(images: Tensor) -> Tensor:
    rows, columns = _axes(images)
    return torch.hypot(rows, columns)


def _square(images: Tensor) -> Tensor:
    rows, columns = _axes(images)
    return torch.maximum(rows, columns)
