"""Weights alone: told by names and shapes, built again, and giving what the network they come from gives."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from medseg.card import Architecture
from medseg.models.state_dict_file import complete_card, inspect_state_dict, load_state_dict_network
from medseg.models.state_dict_recognise import recognise
from medseg.networks import PRESETS, build_network
from public_unets import (
    BrainHub,
    DoubleDown,
    DownConvs,
    DownsUps,
    Gated,
    IncDownUp,
    Numbered,
    OneHead,
    OneHeadGated,
    SemiSupervised,
    ShortNames,
    UpConv,
    randomise,
)


def check(network: torch.nn.Module, path: Path, channels: int, size: tuple[int, int] = (32, 48), **saved: Any) -> Any:
    """Save the weights, open them with nothing but the file, and compare outputs. Returns the report."""
    torch.save({**saved, "state_dict": network.state_dict()} if saved else network.state_dict(), path)
    report = inspect_state_dict(path)
    loaded = load_state_dict_network(path, complete_card(report, None))
    x = torch.randn(2, channels, *size, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        wanted, answer = network(x), loaded(x)
    assert wanted.std() > 1e-4
    torch.testing.assert_close(answer, wanted, rtol=1e-5, atol=1e-5)
    assert report.in_channels == channels and report.out_channels == wanted.shape[1]
    assert report.parameters == sum(parameter.numel() for parameter in network.parameters())
    return report


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"norm": "instance"},
        {"norm": "none"},
        {"upsampling": "bilinear"},
        {"residual": True, "in_channels": 3},
        {"out_channels": 4},
    ],
)
def test_our_own_network_is_told_by_its_weights(arguments: dict[str, Any], tmp_path: Path) -> None:
    network = randomise(build_network(Architecture("unet2d", {"widths": [4, 8, 12], **arguments})))
    report = check(network, tmp_path / "w.pt", arguments.get("in_channels", 1))
    assert report.details["architecture"]["arguments"]["widths"] == [4, 8, 12] and report.details["assumed"] == []


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_is_told_by_its_shapes(preset: str) -> None:
    with torch.device("meta"):
        network = build_network(PRESETS[preset])
        found = recognise({name: tuple(tensor.shape) for name, tensor in network.state_dict().items()})
        assert found is not None and found.architecture == PRESETS[preset].name
        again = build_network(Architecture(found.architecture, found.arguments))
    assert {n: t.shape for n, t in again.state_dict().items()} == {n: t.shape for n, t in network.state_dict().items()}


@pytest.mark.parametrize(
    ("make", "channels"),
    [
        (IncDownUp, 1),
        (lambda: IncDownUp(bilinear=True, channels=3), 3),
        (lambda: IncDownUp(old=True), 1),
        (lambda: IncDownUp(old=True, bilinear=True), 1),
        (BrainHub, 3),
        (UpConv, 1),
        (DoubleDown, 3),
        (DownsUps, 3),
        (Gated, 1),
        (Numbered, 3),
        (lambda: Numbered(nested=False), 3),
        (ShortNames, 3),
        (SemiSupervised, 1),
        (lambda: SemiSupervised(bilinear=True), 1),
        (OneHead, 1),
        (OneHeadGated, 1),
        (DownConvs, 3),
        (lambda: DownConvs(bilinear=True), 3),
    ],
    ids=[
        "inc",
        "inc bilinear",
        "inc old",
        "inc old bilinear",
        "brain hub",
        "up conv",
        "dconv",
        "downs",
        "gated",
        "nested",
        "numbered",
        "short names",
        "semi-supervised",
        "semi-supervised bilinear",
        "up conv, one head",
        "gated, one head",
        "down convs",
        "down convs bilinear",
    ],
)
def test_public_unets_give_their_own_numbers(
    make: Callable[[], torch.nn.Module], channels: int, tmp_path: Path
) -> None:
    network = randomise(make())
    report = check(network, tmp_path / "w.pth", channels)
    assert report.details["assumed"] and report.ends_in == ("sigmoid" if isinstance(network, BrainHub) else None)


def test_a_unet_that_adds_its_skip_connections_is_another_network() -> None:
    """The names of `DownConvs`, where ``merge_mode="add"``: a decoder level takes as many channels as it gives."""
    shapes = {name: tuple(tensor.shape) for name, tensor in DownConvs().state_dict().items()}
    assert recognise(shapes) is not None
    adding = {
        name: (shape[0], shape[1] // 2, *shape[2:]) if name.startswith("up_convs.") and "conv1.w" in name else shape
        for name, shape in shapes.items()
    }
    assert recognise(adding) is None


def test_heads_for_deep_supervision_are_left_aside(tmp_path: Path) -> None:
    network = randomise(Numbered(heads=True))
    torch.save(network.state_dict(), tmp_path / "w.pth")
    report = inspect_state_dict(tmp_path / "w.pth")
    loaded = load_state_dict_network(tmp_path / "w.pth", complete_card(report, None))
    x = torch.randn(1, 3, 32, 48)
    with torch.inference_mode():
        torch.testing.assert_close(loaded(x), network(x), rtol=1e-5, atol=1e-5)
    assert report.details["not_used"][0].startswith("final1")
    network = randomise(SemiSupervised(heads=True))
    torch.save(network.state_dict(), tmp_path / "w.pth")
    report = inspect_state_dict(tmp_path / "w.pth")
    assert report.details["not_used"][0].startswith("decoder.out_conv_dp") and report.out_channels == 3


def test_a_size_that_is_no_multiple_is_padded_as_this_family_does(tmp_path: Path) -> None:
    check(randomise(IncDownUp()), tmp_path / "w.pth", 1, size=(37, 51))


def test_a_missing_or_a_strange_tensor_means_not_recognised() -> None:
    shapes = {name: tuple(tensor.shape) for name, tensor in IncDownUp().state_dict().items()}
    assert recognise(shapes) is not None
    assert recognise({**shapes, "attention.weight": (1, 4, 1, 1)}) is None
    assert recognise({name: shape for name, shape in shapes.items() if not name.startswith("outc")}) is None


monai_nets = pytest.importorskip("monai.networks.nets", reason="monai is not installed")

WIDE, BASIC = (4, 8, 16), (4, 4, 8, 8, 16, 4)


@pytest.mark.parametrize(
    ("make", "size"),
    [
        (lambda n: n.UNet(2, 1, 2, WIDE, (2, 2)), (16, 24)),
        (lambda n: n.UNet(2, 1, 2, WIDE, (2, 2), num_res_units=2, norm="batch"), (16, 24)),
        (
            lambda n: n.UNet(2, 1, 2, (4, 8, 8, 16), (2, 1, 2), num_res_units=1, kernel_size=5, up_kernel_size=5),
            (16, 24),
        ),
        (lambda n: n.UNet(2, 1, 1, WIDE, (2, 2), norm=("instance", {"affine": True}), bias=False), (16, 24)),
        (lambda n: n.BasicUNet(2, 1, 2, BASIC), (32, 48)),
        (lambda n: n.BasicUNet(2, 1, 2, BASIC, norm="batch", act="prelu", upsample="nontrainable"), (32, 48)),
        (lambda n: n.DynUNet(2, 1, 2, (3, 3, 3), (1, 2, 2), (2, 2), filters=WIDE, res_block=True), (16, 24)),
        (
            lambda n: n.DynUNet(
                2,
                1,
                2,
                (3, 3, 3, 3),
                (1, 2, 2, (2, 1)),
                (2, 2, (2, 1)),
                filters=(4, 8, 12, 16),
                trans_bias=True,
                norm_name="batch",
                deep_supervision=True,
                deep_supr_num=1,
            ),
            (16, 24),
        ),
        (lambda n: n.AttentionUnet(2, 1, 2, WIDE, (2, 2)), (16, 24)),
        (lambda n: n.SegResNet(2, 8, 1, 2), (16, 24)),
        (
            lambda n: n.SegResNet(
                2, 8, 1, 2, norm="batch", blocks_down=(1, 2, 1), blocks_up=(2, 1), upsample_mode="deconv"
            ),
            (16, 24),
        ),
        (lambda n: n.BasicUNetPlusPlus(2, 1, 2, BASIC), (32, 48)),
    ],
    ids=[
        "unet",
        "unet res",
        "unet res 5x5",
        "unet affine",
        "basic",
        "basic batch",
        "dynunet",
        "dynunet ds",
        "attention",
        "segresnet",
        "segresnet batch",
        "plus plus",
    ],
)
def test_monai_networks_give_their_own_numbers(make: Callable[[Any], torch.nn.Module], size, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = randomise(make(monai_nets))
    path = tmp_path / "w.pt"
    torch.save(network.state_dict(), path)
    report = inspect_state_dict(path)
    loaded = load_state_dict_network(path, complete_card(report, None))
    x = torch.randn(1, 1, *size)
    with torch.inference_mode():
        wanted = network(x)
        wanted = wanted[-1] if isinstance(wanted, list) else wanted
        torch.testing.assert_close(loaded(x), wanted, rtol=1e-5, atol=1e-5)


def test_what_the_weights_cannot_tell_is_asked_for(tmp_path: Path) -> None:
    from medseg.card import ModelCard
    from medseg.errors import InputError

    torch.manual_seed(0)
    network = randomise(monai_nets.UNet(2, 1, 2, WIDE, (2, 2), act="relu", norm="batch"))
    torch.save(network.state_dict(), tmp_path / "w.pt")
    report = inspect_state_dict(tmp_path / "w.pt")
    assert report.details["unknown"] == ["act"] and any("act" in warning for warning in report.warnings)
    with pytest.raises(InputError, match=r'do not tell its act.*"monai-unet"'):
        complete_card(report, None)
    card = ModelCard.from_dict(
        {
            "schema_version": 1,
            "name": "x",
            "plane": "axial",
            "orientation": "PLS",
            "input": {"size": {"mode": "native"}, "normalisation": {"kind": "zscore"}},
            "output": {"activation": "softmax", "labels": [{"value": 1, "name": "a"}]},
            "architecture": {"name": "monai-unet", "arguments": {"act": "relu"}},
        }
    )
    loaded = load_state_dict_network(tmp_path / "w.pt", complete_card(report, card))
    x = torch.randn(1, 1, 16, 16)
    with torch.inference_mode():
        torch.testing.assert_close(loaded(x), network(x), rtol=1e-5, atol=1e-5)


def test_the_residual_encoder_follows_the_paper(tmp_path: Path) -> None:
    """Counts of He et al.'s networks without their classifier: 11,176,512 (18), 21,284,672 (34), 23,508,032 (50)."""
    from medseg.networks.resnet_unet import ResNetUNet

    for blocks, bottleneck, wanted in (
        ((2, 2, 2, 2), False, 11_176_512),
        ((3, 4, 6, 3), False, 21_284_672),
        ((3, 4, 6, 3), True, 23_508_032),
    ):
        with torch.device("meta"):
            network = ResNetUNet(blocks=blocks, bottleneck=bottleneck)
        assert sum(parameter.numel() for parameter in network.encoder.parameters()) == wanted
        found = recognise({name: tuple(tensor.shape) for name, tensor in network.state_dict().items()})
        assert found is not None and found.arguments["blocks"] == list(blocks) and found.architecture == "resnet-unet"
    torch.manual_seed(0)
    small = ResNetUNet(blocks=(1, 1), bottleneck=True, groups=4, width=8, decoder_widths=(8, 8, 4), in_channels=1)
    check(randomise(small), tmp_path / "w.pth", 1)


def test_weights_are_read_exactly(tmp_path: Path) -> None:
    network = randomise(build_network(Architecture("unet2d", {"widths": [4, 8]})))
    torch.save(network.state_dict(), tmp_path / "w.pt")
    report = inspect_state_dict(tmp_path / "w.pt")
    loaded = load_state_dict_network(tmp_path / "w.pt", complete_card(report, None)).state_dict()
    for name, tensor in network.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            np.testing.assert_array_equal(loaded[name].numpy(), tensor.numpy())
