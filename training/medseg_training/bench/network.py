"""The one network that all contenders train."""

from __future__ import annotations

import torch
from medseg.card import Architecture
from medseg.networks import build_network
from torch import nn

from .request import Settings


def build(settings: Settings) -> nn.Module:
    """With the same first weights everywhere."""
    torch.manual_seed(settings.seed)
    return build_network(Architecture(settings.network, settings.arguments))
