"""From the configuration's network to the module that learns, and from that to the one that is exported."""

from __future__ import annotations

import inspect
from typing import Any

import torch
import torch.nn.functional as F
from medseg.card import Architecture
from medseg.errors import InputError
from medseg.networks import ARCHITECTURES, build_network, known_network
from torch import Tensor, nn

from .config import Config


def architecture_of(config: Config) -> Architecture:
    """The network that is exported: preset and arguments, the channels filled in from the card."""
    card = config.draft
    known = known_network(config.network.name)
    edges = {"in_channels": card.in_channels, "out_channels": card.out_channels}
    return Architecture(known.name, {**edges, **known.arguments, **config.network.arguments})


def training_network(config: Config) -> nn.Module:
    """The network that learns; with deep supervision it has heads that the exported one lacks.

    In training mode it answers with (B, K, H, W), or (B, 1 + n, K, H, W) with deep supervision, the main output first;
    in evaluation mode always with the main output.
    """
    architecture = architecture_of(config)
    if not config.network.deep_supervision:
        return build_network(architecture)
    parameters = inspect.signature(ARCHITECTURES[architecture.name]).parameters
    if "deep_supervision" in parameters:
        return build_network(Architecture(architecture.name, {**architecture.arguments, "deep_supervision": True}))
    network = build_network(architecture)
    if not hasattr(network, "decode"):
        raise InputError(
            f"{config.network.name} has no deep supervision here",
            mend="set network.deep_supervision: false, or use unet2d, unet2d-b, DynUNet or UNet++",
        )
    return Supervised(network)


def exported_weights(config: Config, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Of the weights that learned those that the exported network has, under its names."""
    if not config.network.deep_supervision:
        return state
    prefix = "network." if any(name.startswith("network.") for name in state) else ""
    with torch.device("meta"):
        wanted = build_network(architecture_of(config)).state_dict()
    return {name: state[prefix + name] for name in wanted}


class Supervised(nn.Module):
    """One of our U-Nets with a 1×1 convolution on each coarser level of its decoder (Lee et al. 2015, arXiv:1409.5185),
    but the coarsest; their outputs are enlarged to the slice's size.
    """

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network
        coarser = network.decoder_widths[-2::-1]  # fine to coarse; the finest level has the network's own head
        coarser = coarser[:-1] if len(coarser) > 1 else coarser
        self.heads = nn.ModuleList(nn.Conv2d(width, network.out_channels, 1) for width in coarser)

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return self.network(x)
        features = self.network.decode(x)
        main = self.network.head(features[-1])
        coarser = [head(level) for head, level in zip(self.heads, reversed(features[:-1]), strict=False)]
        large = [F.interpolate(y, size=main.shape[2:], mode="bilinear", align_corners=False) for y in coarser]
        return torch.stack([main, *large], dim=1)


def each_output(logits: Tensor) -> list[tuple[float, Tensor]]:
    """(weight, (B, K, H, W)) of every output; with deep supervision each weighs half as much as the one before, all
    together 1 (Isensee et al. 2021, doi:10.1038/s41592-020-01008-z).
    """
    if logits.ndim == 4:
        return [(1.0, logits)]
    weights = [0.5**n for n in range(logits.shape[1])]
    return [(w / sum(weights), logits[:, n]) for n, w in enumerate(weights)]
