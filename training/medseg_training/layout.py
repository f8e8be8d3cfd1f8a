"""Gradients as they are read fastest on a CPU."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


def dense_gradients(network: nn.Module) -> None:
    """Have every batch norm of ``network`` copy a gradient that is a part of a larger tensor, in place of reading it.

    That is what concatenation hands back in a U-Net, and with channels last torch's batch norm on a CPU has a fast way
    for dense gradients only: in the 7.76 M network the other one took 40 % of the whole step. Values are unchanged.
    """
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.register_forward_hook(_watch)


def _watch(_module: nn.Module, _inputs: Any, output: Tensor) -> None:
    if output.requires_grad:
        output.register_hook(_dense)


def _dense(gradient: Tensor) -> Tensor:
    last = torch.channels_last if gradient.ndim == 4 else torch.contiguous_format
    if gradient.is_contiguous() or gradient.is_contiguous(memory_format=last):
        return gradient
    return gradient.contiguous(memory_format=last)
