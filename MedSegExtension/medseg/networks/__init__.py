"""The networks this package can build from a card: torch modules. A leaf: import it only inside functions."""

from __future__ import annotations

from .registry import ARCHITECTURES, PRESETS, build_network, known_network
from .unet2d import UNet2d
from .unet2d_b import UNet2dB

__all__ = ["ARCHITECTURES", "PRESETS", "UNet2d", "UNet2dB", "build_network", "known_network"]
