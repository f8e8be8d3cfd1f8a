"""What 2D networks of torch_em, pytorch-3dunet, nnU-Net's first version and torchvision give, by their own code.

    .venv-peers/bin/python Testing/peers/family_models.py OUT.npz [--few]

``--few`` made ``Testing/models_state_dict/fixtures/families.npz`` (torch_em 0.10.9, pytorch3dunet 1.9.6, nnunet 1.7.1,
torchvision 0.28.0, torch 2.13.0). Weights come from `seeded_weights`, so that the file holds none.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from recording import record
from torch import nn


def torch_em(**options: Any) -> nn.Module:
    """`torch_em.model.UNet2d`; its file alone is loaded, since the package imports much more than it needs."""
    package = importlib.util.find_spec("torch_em")
    assert package is not None and package.submodule_search_locations
    file = Path(package.submodule_search_locations[0]) / "model" / "unet.py"
    spec = importlib.util.spec_from_file_location("torch_em_unet", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.UNet2d(1, 2, **options)


def three_d(channels: int = 1, **options: Any) -> nn.Module:
    """`UNet2D` of pytorch-3dunet, without its last activation."""
    from pytorch3dunet.unet3d.model import UNet2D

    return UNet2D(channels, 2, is_segmentation=False, **options)


def first_nnunet(**options: Any) -> nn.Module:
    """The network as nnU-Net v1's trainers build it for a 2D configuration, with an odd last stage."""
    from nnunet.network_architecture.generic_UNet import Generic_UNet

    return Generic_UNet(
        2,
        8,
        3,
        3,
        2,
        2,
        nn.Conv2d,
        nn.InstanceNorm2d,
        {"eps": 1e-5, "affine": True},
        nn.Dropout2d,
        {"p": 0, "inplace": True},
        nn.LeakyReLU,
        {"negative_slope": 1e-2, "inplace": True},
        False,
        False,
        lambda x: x,
        None,
        [(2, 2), (2, 2), (2, 1)],
        [(3, 3), (3, 3), (3, 3), (3, 1)],
        False,
        True,
        True,
        **options,
    )


def torchvision(name: str, classes: int = 2, **options: Any) -> nn.Module:
    """A network of torchvision.models.segmentation."""
    from torchvision.models import segmentation

    return getattr(segmentation, name)(weights=None, weights_backbone=None, num_classes=classes, **options)


Makers = dict[str, tuple[Callable[[], nn.Module], int]]
FEW: Makers = {
    "torch_em": (lambda: torch_em(depth=3, initial_features=4), 1),
    "torch_em, group norm": (lambda: torch_em(depth=3, initial_features=16, norm="GroupNorm"), 1),
    "torch_em, no norm": (lambda: torch_em(depth=2, initial_features=4, norm=None), 1),
    "pytorch-3dunet": (lambda: three_d(f_maps=16, num_levels=3), 1),
    "pytorch-3dunet, batch norm": (lambda: three_d(f_maps=8, num_levels=4, layer_order="bcr"), 1),
    "nnU-Net v1": (first_nnunet, 2),
    "torchvision, FCN": (lambda: torchvision("fcn_resnet50", 3, aux_loss=True), 3),
    "torchvision, DeepLabV3": (lambda: torchvision("deeplabv3_resnet50"), 3),
}
ALL: Makers = {
    **FEW,
    "torch_em, batch norm": (lambda: torch_em(depth=4, initial_features=8, norm="BatchNorm"), 1),
    "torch_em, tracked": (lambda: torch_em(depth=2, initial_features=8, norm="InstanceNormTrackStats"), 1),
    "pytorch-3dunet, few channels": (lambda: three_d(3, f_maps=8, num_levels=5), 3),
    "pytorch-3dunet, no norm": (lambda: three_d(f_maps=16, num_levels=3, layer_order="cr"), 1),
    "nnU-Net v1, biased heads": (lambda: first_nnunet(seg_output_use_bias=True), 2),
    "torchvision, DeepLabV3 101": (lambda: torchvision("deeplabv3_resnet101", aux_loss=True), 3),
}


def networks(makers: Makers) -> Iterator[tuple[str, torch.nn.Module, int]]:
    """Key, network and input channels of each."""
    for key, (make, channels) in makers.items():
        yield key, make(), channels


if __name__ == "__main__":
    record(Path(sys.argv[1]), networks(FEW if "--few" in sys.argv else ALL))
