from __future__ import annotations

import pytest
import torch
from medseg.card import Architecture
from medseg.errors import InputError
from medseg.networks import ARCHITECTURES, PRESETS, build_network


def counts(network: torch.nn.Module) -> tuple[int, int]:
    """Parameters, and elements of the running means and variances."""
    statistics = sum(b.numel() for name, b in network.named_buffers() if name.endswith(("running_mean", "running_var")))
    return sum(p.numel() for p in network.parameters()), statistics


def test_the_laboratory_network_has_the_counts_of_its_report() -> None:
    assert counts(build_network(PRESETS["unet2d-b"])) == (7_762_401, 2_880)


def test_its_deeper_sister_has_the_total_of_the_report() -> None:
    with torch.device("meta"):
        assert sum(counts(build_network(PRESETS["unet2d-b-deep"]))) == 31_105_825


def test_the_laboratory_network_follows_the_keras_original_layer_by_layer() -> None:
    """An independent rendering with torch.nn.functional of the layers that the report lists."""
    from torch.nn import functional as F

    torch.manual_seed(0)
    net = build_network(Architecture("unet2d-b", {"depth": 2})).eval()
    for name, buffer in net.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_()
        elif name.endswith("running_var"):
            buffer.uniform_(0.5, 2)
    w = net.state_dict()

    def convolutions(x: torch.Tensor, prefix: str) -> torch.Tensor:
        for number in (0, 2):
            x = F.relu(F.conv2d(x, w[f"{prefix}.{number}.weight"], w[f"{prefix}.{number}.bias"], padding=1))
        return x

    def batch_norm(x: torch.Tensor, prefix: str) -> torch.Tensor:
        mean, var = w[f"{prefix}.running_mean"], w[f"{prefix}.running_var"]
        scale = w[f"{prefix}.weight"] / torch.sqrt(var + 1e-3)  # Keras's epsilon
        return (x - mean[:, None, None]) * scale[:, None, None] + w[f"{prefix}.bias"][:, None, None]

    x = torch.randn(1, 1, 16, 24)
    first = batch_norm(convolutions(x, "encoder.0"), "encoder.0.4")
    second = batch_norm(convolutions(F.max_pool2d(first, 2), "encoder.1"), "encoder.1.4")
    y = convolutions(F.max_pool2d(second, 2), "bottleneck")
    for level, skip in enumerate((second, first)):
        up = F.conv_transpose2d(y, w[f"upsamplers.{level}.0.weight"], w[f"upsamplers.{level}.0.bias"], stride=2)
        joined = torch.cat((batch_norm(up, f"upsamplers.{level}.1"), skip), dim=1)
        y = batch_norm(convolutions(joined, f"decoder.{level}"), f"decoder.{level}.4")
    y = F.conv2d(y, w["head.weight"], w["head.bias"])
    torch.testing.assert_close(net(x), y, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"norm": "instance"},
        {"norm": "none"},
        {"upsampling": "bilinear"},
        {"residual": True},
        {"dropout": 0.3},
        {"in_channels": 3, "out_channels": 4},
    ],
)
def test_every_variant_keeps_the_size_and_lets_gradients_reach_every_weight(arguments: dict) -> None:
    net = build_network(Architecture("unet2d", {"widths": [4, 8, 12], **arguments}))
    x = torch.randn(2, arguments.get("in_channels", 1), 3 * net.multiple_of, 5 * net.multiple_of)
    y = net(x)
    assert y.shape == (2, arguments.get("out_channels", 1), *x.shape[2:])
    y.square().sum().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in net.parameters())


def test_the_output_has_no_activation_inside() -> None:
    net = build_network(Architecture("unet2d", {"widths": [4, 8]}))
    with torch.no_grad():
        net.head.bias.fill_(50.0)
    assert net(torch.zeros(1, 1, 8, 8)).mean() > 40


def test_a_slice_does_not_depend_on_its_neighbours_in_the_batch() -> None:
    torch.manual_seed(0)
    for preset in ("unet2d-small", "unet2d-residual"):
        net = build_network(PRESETS[preset]).eval()
        x = torch.randn(2, 1, 32, 32)
        torch.testing.assert_close(net(x)[:1], net(x[:1]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_name_architectures_that_exist(preset: str) -> None:
    with torch.device("meta"):
        assert counts(build_network(PRESETS[preset]))[0] > 100_000
    assert PRESETS[preset].name in ARCHITECTURES


@pytest.mark.parametrize(
    ("architecture", "words"),
    [
        (Architecture("unet2"), ("'unet2'", "did you mean unet2d?")),
        (Architecture("os.system", {"command": "true"}), ("os.system", "known are unet2d")),
        (Architecture("unet2d", {"width": [8, 16]}), ("'width'", "did you mean widths?")),
        (Architecture("unet2d", {"widths": [8]}), ("widths",)),
        (Architecture("unet2d", {"widths": [8, 10**9]}), ("widths[1]", "4096")),
        (Architecture("unet2d", {"widths": "8,16"}), ("widths",)),
        (Architecture("unet2d", {"norm": "layer"}), ("norm", "batch, instance, none")),
        (Architecture("unet2d", {"residual": "yes"}), ("residual", "true or false")),
        (Architecture("unet2d", {"dropout": 1.0}), ("dropout",)),
        (Architecture("unet2d-b", {"depth": 40}), ("depth", "40")),
        (Architecture("unet2d-b", {"in_channels": True}), ("in_channels",)),
    ],
)
def test_what_cannot_be_built_is_refused_in_words(architecture: Architecture, words: tuple[str, ...]) -> None:
    with pytest.raises(InputError) as caught:
        build_network(architecture)
    assert all(word in caught.value.line() for word in words), caught.value.line()
