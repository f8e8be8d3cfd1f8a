"""Which network a table of weights belongs to, told by names and shapes; no framework is needed for it.

Each recogniser either accounts for every tensor or says no, so that a look-alike is never taken for the network. What
the tensors cannot tell (an activation without weights, the kind of interpolation) is taken from the family's public
definition and named in ``assumed``, so that a person can correct it in the card.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .state_dict_decoders import recognise_decoder
from .state_dict_encoder import recognise_encoder
from .state_dict_find import is_counter
from .state_dict_monai import recognise_monai
from .state_dict_nnunet import recognise_first_nnunet
from .state_dict_norm_first import recognise_norm_first
from .state_dict_public import recognise_public
from .state_dict_resnet import recognise_resnet
from .state_dict_torchvision import recognise_torchvision

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Recognition:
    """A network: its architecture, its names for the file's tensors, and what was taken on trust.

    ``names`` maps each name in the file to the network's; ``left`` are tensors the network does not use.
    ``unknown`` are arguments that neither the weights nor a default tell.
    """

    family: str
    architecture: str
    arguments: dict[str, Any]
    names: dict[str, str]
    assumed: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    ends_in: str | None = None
    #: What the sides of a slice must be a multiple of; None where the arguments' levels tell it.
    multiple_of: int | None = None


#: In this order; each either accounts for every tensor or says no.
_RECOGNISERS: tuple[Callable[[Shapes], dict[str, Any] | None], ...] = (
    lambda shapes: _ours(shapes),
    lambda shapes: _laboratory(shapes),
    recognise_public,
    recognise_resnet,
    recognise_encoder,
    recognise_decoder,
    recognise_norm_first,
    recognise_first_nnunet,
    recognise_torchvision,
    recognise_monai,
)


def recognise(shapes: Shapes) -> Recognition | None:
    """The network that ``shapes`` (name → shape, counters included) belongs to, or None."""
    shapes = {name: shape for name, shape in shapes.items() if not is_counter(name)}
    for recogniser in _RECOGNISERS:
        try:
            found = recogniser(shapes)
        except (KeyError, IndexError, ValueError, ArithmeticError):  # what this family always has is not there
            continue
        if found is not None:
            return Recognition(**found)
    return None


Found = dict[str, Any]


def _ours(shapes: Shapes) -> Found | None:
    """`UNet2d`, the network this package trains."""
    if "encoder.0.body.0.weight" not in shapes:
        return None
    levels = _count(shapes, lambda level: f"encoder.{level}.body.0.weight")
    widths = [shapes[f"encoder.{level}.body.0.weight"][0] for level in range(levels)]
    norm = (
        "none"
        if "encoder.0.body.1.weight" not in shapes
        else "batch"
        if "encoder.0.body.1.running_mean" in shapes
        else "instance"
    )
    arguments = {
        "in_channels": shapes["encoder.0.body.0.weight"][1],
        "out_channels": shapes["head.weight"][0],
        "widths": widths,
        "norm": norm,
        "upsampling": "transposed" if "upsamplers.0.weight" in shapes else "bilinear",
        "residual": any(".shortcut." in name for name in shapes),
    }
    known = re.compile(r"(encoder|decoder)\.\d+\.(body\.[0-4]|shortcut)\.\w+|upsamplers\.\d+(\.1)?\.\w+|head\.\w+")
    if not all(known.fullmatch(name) for name in shapes):
        return None
    return {
        "family": "U-Net of this package",
        "architecture": "unet2d",
        "arguments": arguments,
        "names": {name: name for name in shapes},
    }


def _laboratory(shapes: Shapes) -> Found | None:
    """`UNet2dB`: widths 32, 64, … with one batch norm a level."""
    if "encoder.0.4.running_mean" not in shapes or "bottleneck.0.weight" not in shapes:
        return None
    depth = _count(shapes, lambda level: f"encoder.{level}.0.weight")
    if any(shapes[f"encoder.{level}.0.weight"][0] != 32 * 2**level for level in range(depth)):
        return None
    return {
        "family": "U-Net of the brain-lobe report",
        "architecture": "unet2d-b",
        "arguments": {
            "in_channels": shapes["encoder.0.0.weight"][1],
            "out_channels": shapes["head.weight"][0],
            "depth": depth,
        },
        "names": {name: name for name in shapes},
    }


def _count(shapes: Shapes, name: Callable[[int], str]) -> int:
    number = 0
    while name(number) in shapes:
        number += 1
    return number
