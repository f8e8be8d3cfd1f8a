"""What changes the weights: the optimiser, the clipping of gradients, and the average of the weights."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from .config import Optimiser


def build_optimiser(network: nn.Module, settings: Optimiser) -> torch.optim.Optimizer:
    """Fused where the device has it. Weight decay on the convolutions only: on scales and biases it fights the
    normalisation.
    """
    kernels = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    groups: list[dict[str, Any]] = [
        {"params": kernels, "weight_decay": settings.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    kind = torch.optim.AdamW if settings.name == "adamw" else torch.optim.Adam
    try:
        return kind(groups, lr=settings.learning_rate, fused=True)
    except RuntimeError:  # a device without fused kernels
        return kind(groups, lr=settings.learning_rate)


def clip_gradient(network: nn.Module, largest: float | None) -> None:
    """Scale the whole gradient down to a norm of ``largest``; the norm is not asked back from the device."""
    if largest is not None:
        parameters = list(network.parameters())
        foreach = True if parameters[0].is_cuda else None
        nn.utils.clip_grad_norm_(parameters, largest, foreach=foreach)


class Average(AveragedModel):
    """Exponential moving average of weights and running statistics; young averages forget faster.

    `update` replaces ``update_parameters``, which looks at its counter on the device and so waits for it.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        super().__init__(network, use_buffers=True)
        self.decay = decay
        self.count = 0

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Take the weights of ``network`` in, on the device."""
        mine, its = _tensors(self.module), _tensors(network)
        keep = min(self.decay, (1 + self.count) / (10 + self.count)) if self.count else 0.0
        if mine[0]:
            torch._foreach_lerp_(mine[0], its[0], 1 - keep)
        if mine[1]:  # counters of batches
            torch._foreach_copy_(mine[1], its[1])
        self.count += 1
        self.n_averaged.add_(1)  # it lies on the host

    def load_state_dict(self, *args: Any, **kwargs: Any) -> Any:
        result = super().load_state_dict(*args, **kwargs)
        self.count = int(self.n_averaged)
        return result


def _tensors(module: nn.Module) -> tuple[list[Tensor], list[Tensor]]:
    """Parameters and buffers: floating ones, whole numbers."""
    every = [*module.parameters(), *module.buffers()]
    return [t for t in every if t.is_floating_point()], [t for t in every if not t.is_floating_point()]
