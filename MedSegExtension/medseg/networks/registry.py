"""Networks by name: an allow-list, so that a card can never name code to import."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable

from torch import nn

from ..card import Architecture
from ..errors import InputError
from .encoder_decoders import EncoderDecoder
from .encoder_unet import EncoderUNet
from .ensemble import Ensemble
from .keras_network import KerasNetwork
from .monai_networks import (
    monai_attention_unet,
    monai_basic_unet,
    monai_basic_unet_plus_plus,
    monai_dynunet,
    monai_segresnet,
    monai_unet,
)
from .nested_unet import NestedUNet
from .nnunet import planned_folds
from .nnunet_v1 import FirstNnUNet
from .norm_first_unet import NormFirstUNet
from .onnx_network import OnnxNetwork
from .plain_unet import PlainUNet
from .resnet_unet import ResNetUNet
from .torchvision_segmenter import TorchvisionSegmenter
from .unet2d import UNet2d
from .unet2d_b import UNet2dB

#: Every network a card may name.
ARCHITECTURES: dict[str, Callable[..., nn.Module]] = {
    "unet2d": UNet2d,
    "unet2d-b": UNet2dB,
    # The models of a cross-validation as one.
    "ensemble": Ensemble,
    # Networks made elsewhere, for weights that exist.
    "plain-unet": PlainUNet,
    "norm-first-unet": NormFirstUNet,
    "nested-unet": NestedUNet,
    "resnet-unet": ResNetUNet,
    "encoder-unet": EncoderUNet,
    "encoder-decoder": EncoderDecoder,
    "torchvision-segmenter": TorchvisionSegmenter,
    "monai-unet": monai_unet,
    "monai-basic-unet": monai_basic_unet,
    "monai-basic-unet-plus-plus": monai_basic_unet_plus_plus,
    "monai-dynunet": monai_dynunet,
    "monai-attention-unet": monai_attention_unet,
    "monai-segresnet": monai_segresnet,
    "nnunet": planned_folds,
    "nnunet-v1": FirstNnUNet,
    "keras-graph": KerasNetwork,
    "onnx-graph": OnnxNetwork,
}

#: Ready choices for training; the number of channels is filled in from the card.
PRESETS: dict[str, Architecture] = {
    "unet2d": Architecture("unet2d", {"widths": [16, 32, 64, 128, 256]}),
    "unet2d-small": Architecture("unet2d", {"widths": [16, 32, 64, 128]}),
    "unet2d-wide": Architecture("unet2d", {"widths": [32, 64, 128, 256, 512]}),
    "unet2d-residual": Architecture("unet2d", {"widths": [16, 32, 64, 128, 256], "norm": "instance", "residual": True}),
    # Five levels, named by the width of the finest.
    **{f"unet2d-{n}": Architecture("unet2d", {"widths": [n << i for i in range(5)]}) for n in (8, 16, 24, 32, 48, 64)},
    # Networks of two reports: brain lobes (and the deeper one of its layer table), and lung fields.
    "unet2d-b": Architecture("unet2d-b", {"depth": 4}),
    "unet2d-b-deep": Architecture("unet2d-b", {"depth": 5}),
    "unet2d-e": Architecture("unet2d", {"widths": [32, 64, 128], "norm": "none"}),
}

#: MONAI's networks under the names of their classes, in small letters.
MONAI_NAMES: dict[str, Architecture] = {
    "basicunet": Architecture("monai-basic-unet", {}),
    "attentionunet": Architecture("monai-attention-unet", {}),
    "dynunet": Architecture("monai-dynunet", {}),
    "unet++": Architecture("monai-basic-unet-plus-plus", {}),
    "basicunetplusplus": Architecture("monai-basic-unet-plus-plus", {}),
}


def known_network(name: str) -> Architecture:
    """The preset of that name (``unet2d_b`` and ``UNet2d-B`` are one), or the architecture with its own defaults.

    Raises InputError, naming the nearest.
    """
    plain = name.lower().replace("_", "-")
    ready = {**PRESETS, **MONAI_NAMES}
    if plain in ready:
        return ready[plain]
    if plain in ARCHITECTURES:
        return Architecture(plain, {})
    raise InputError(f"there is no network {name!r}", mend=_suggest(plain, sorted({*ready, *ARCHITECTURES})))


def build_network(architecture: Architecture) -> nn.Module:
    """The network that ``architecture`` names, freshly initialised, in training mode.

    Raises
    ------
    InputError : the name or an argument is not known (the nearest known one is suggested), or a value cannot be used.
    """
    name, arguments = architecture.name, dict(architecture.arguments)
    if name not in ARCHITECTURES:
        raise InputError(f"there is no architecture {name!r}", mend=_suggest(name, list(ARCHITECTURES)))
    constructor = ARCHITECTURES[name]
    known = list(inspect.signature(constructor).parameters)
    for argument in arguments:
        if argument not in known:
            raise InputError(f"architecture {name} has no argument {argument!r}", mend=_suggest(argument, known))
    return constructor(**arguments)


def _suggest(word: str, known: list[str]) -> str:
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return (f"did you mean {near[0]}? " if near else "") + f"known are {', '.join(known)}"
