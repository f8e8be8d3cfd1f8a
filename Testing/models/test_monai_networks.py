"""MONAI's networks as they are built here: the same names of weights and the same numbers as MONAI's own."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from medseg.card import Architecture
from medseg.errors import InputError
from medseg.networks import build_network

nets = pytest.importorskip("monai.networks.nets")

#: Our name, MONAI's class, arguments that both know by the same name, and a size of slices.
CASES: dict[str, tuple[str, str, dict[str, Any], tuple[int, int]]] = {
    "unet": ("monai-unet", "UNet", {"channels": (4, 8, 12), "strides": (2, 2)}, (16, 24)),
    "unet, two channel counts": ("monai-unet", "UNet", {"channels": (4, 8), "strides": (2,)}, (16, 24)),
    "unet with units": (
        "monai-unet",
        "UNet",
        {"channels": (4, 4, 12, 8), "strides": (2, 1, (2, 1)), "num_res_units": 3, "kernel_size": (3, 5),
         "act": ("leakyrelu", {"negative_slope": 0.2}), "norm": "batch", "bias": False},
        (16, 24),
    ),
    "basic, odd sizes": ("monai-basic-unet", "BasicUNet", {"features": (4, 6, 8, 10, 12, 5)}, (37, 50)),
    "basic, interpolating": (
        "monai-basic-unet",
        "BasicUNet",
        {"features": (4, 6, 8, 10, 12, 5), "upsample": "nontrainable", "act": "swish",
         "norm": ("group", {"num_groups": 1})},
        (32, 48),
    ),
    "plus plus": ("monai-basic-unet-plus-plus", "BasicUNetPlusPlus", {"features": (4, 6, 8, 10, 12, 5)}, (35, 48)),
    "attention": (
        "monai-attention-unet",
        "AttentionUnet",
        {"channels": (4, 8, 12, 6), "strides": (2, 2, 2), "kernel_size": 5},
        (16, 24),
    ),
    "segresnet": ("monai-segresnet", "SegResNet", {"init_filters": 8, "act": "prelu"}, (16, 24)),
    "segresnet, trained upsampling": (
        "monai-segresnet",
        "SegResNet",
        {"init_filters": 8, "blocks_down": (1, 2), "blocks_up": (3,), "upsample_mode": "deconv", "norm": "instance"},
        (16, 24),
    ),
}  # fmt: skip
DYNUNET: dict[str, Any] = {
    "filters": (4, 6, 8, 10),
    "kernel_size": (3, (3, 5), 3, (1, 3)),
    "strides": (1, 2, (2, 1), 2),
    "upsample_kernel_size": (2, (2, 1), 2),
    "act_name": ("leakyrelu", {"negative_slope": 0.1}),
    "trans_bias": True,
}


def other(ours: str, theirs: str, arguments: dict[str, Any], **more: Any) -> tuple[torch.nn.Module, torch.nn.Module]:
    """Our network and MONAI's of the same arguments, with the same random weights, strictly by name."""
    torch.manual_seed(3)
    monai = getattr(nets, theirs)(spatial_dims=2, in_channels=2, out_channels=3, **arguments, **more)
    network = build_network(Architecture(ours, {"in_channels": 2, "out_channels": 3, **as_json(arguments)}))
    state = {
        name: torch.rand_like(tensor) + 0.5 if tensor.is_floating_point() and tensor.ndim == 1 else tensor
        for name, tensor in monai.state_dict().items()
    }
    for made in (monai, network):
        made.load_state_dict(state, strict=True)
    return network, monai


def as_json(value: Any) -> Any:
    """As a card holds it: lists in place of tuples."""
    if isinstance(value, dict):
        return {name: as_json(part) for name, part in value.items()}
    return [as_json(part) for part in value] if isinstance(value, tuple) else value


@pytest.mark.parametrize("name", CASES)
def test_weights_and_numbers_are_monai_s(name: str) -> None:
    ours, theirs, arguments, size = CASES[name]
    network, monai = other(ours, theirs, arguments)
    x = torch.randn(2, 2, *size)
    with torch.inference_mode():
        wanted = monai.eval()(x)
        wanted = wanted[-1] if isinstance(wanted, list) else wanted
        torch.testing.assert_close(network.eval()(x), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("residual", [False, True])
def test_deep_supervision_learns_as_in_monai(residual: bool) -> None:
    """In training all heads come out, in MONAI's order; in use the main one, and the weights keep both their names."""
    arguments = {**DYNUNET, "res_block": residual, "deep_supervision": True}
    network, monai = other("monai-dynunet", "DynUNet", arguments, deep_supr_num=2)
    x = torch.randn(2, 2, 32, 48)
    torch.testing.assert_close(network.train()(x), monai.train()(x), rtol=1e-4, atol=1e-5)
    with torch.inference_mode():
        torch.testing.assert_close(network.eval()(x), monai.eval()(x), rtol=1e-4, atol=1e-5)
    features = {"features": (4, 6, 8, 10, 12, 5), "deep_supervision": True}
    network, monai = other("monai-basic-unet-plus-plus", "BasicUNetPlusPlus", features)
    wanted = torch.stack(monai.train()(x)[::-1], dim=1)
    torch.testing.assert_close(network.train()(x), wanted, rtol=1e-4, atol=1e-5)


def test_weights_begin_as_monai_s_do() -> None:
    """DynUNet has its own beginning: Kaiming's normal distribution, biases of zero."""
    network = build_network(Architecture("monai-dynunet", {"filters": [32, 64, 128, 256], "trans_bias": True}))
    kernel, bias = network.bottleneck.conv2.conv.weight, network.upsamples[0].transp_conv.conv.bias
    assert float(kernel.detach().std()) == pytest.approx((2 / (1 + 0.01**2) / (256 * 9)) ** 0.5, rel=0.01)
    assert not bias.detach().any()


@pytest.mark.parametrize(
    ("name", "arguments", "line"),
    [
        ("monai-unet", {"kernel_size": 4}, "use odd kernels"),
        ("monai-unet", {"norm": "layer"}, "use one of batch"),
        ("monai-unet", {"norm": ["group", {"num_groups": 3}]}, "options of group"),
        ("monai-unet", {"act": ["relu", {"slope": 1}]}, "options of relu"),
        ("monai-dynunet", {"filters": [4, 8], "kernel_size": [3, 3], "strides": [1, 2]}, "at least three"),
        ("monai-dynunet", {"strides": [1, 2, 9, 2]}, "too long"),
    ],
)
def test_arguments_that_cannot_be_are_one_line(name: str, arguments: dict[str, Any], line: str) -> None:
    with pytest.raises(InputError, match=line):
        build_network(Architecture(name, arguments))
