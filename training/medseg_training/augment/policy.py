"""Which sample of a batch gets which transform.

Drawn on the host: a few random numbers a batch, sent to the device and never asked back, and the same on every device.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .settings import Augmentation


def choose(settings: Augmentation, batch: int, generator: torch.Generator) -> dict[str, Tensor]:
    """For each transform the samples that get it: name → sorted int64 indices into the batch (host), none left out."""
    transforms = settings.transforms
    if not transforms:
        return {}
    weights = torch.tensor([t.probability for t in transforms.values()])
    draws = torch.rand(batch, len(weights), generator=generator)
    if settings.policy in ("all", "one"):
        chosen = draws < weights
    else:
        # Efraimidis and Spirakis 2006: the largest keys are a weighted draw without putting back.
        keys = torch.where(weights > 0, draws.clamp_min(1e-12).log() / weights.clamp_min(1e-12), -torch.inf)
        low, high = (1, 1) if settings.policy == "one_of" else settings.count
        counts = torch.randint(low, high + 1, (batch, 1), generator=generator)
        chosen = keys.argsort(dim=1, descending=True).argsort(dim=1) < counts
    return {name: chosen[:, n].nonzero()[:, 0] for n, name in enumerate(transforms)}


def uniform(count: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    """(count,) float32 on the host."""
    return torch.rand(count, generator=generator) * (high - low) + low


def log_uniform(count: int, factor: float, generator: torch.Generator) -> Tensor:
    """(count,) from 1/factor to factor, uniform in the logarithm."""
    return (uniform(count, -1, 1, generator) * torch.tensor(factor).log()).exp()
