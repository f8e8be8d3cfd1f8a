"""MONAI's 2D networks by name (docs.monai.io/en/stable/networks.html), for weights that were trained with them.

Built here, with MONAI's names of weights and its numbers, so that MONAI need not be installed. Each argument is checked
first; activations and norms are looked up in the tables of `monai_blocks`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from ..errors import InputError
from .arguments import check_channels, check_choice, check_flag, check_whole, check_widths
from .monai_blocks import ACTIVATIONS, NORMS
from .monai_residual import DynUNet, SegResNet
from .monai_unets import AttentionUnet, BasicUNet, BasicUNetPlusPlus, UNet

_ACTS, _NORMS = tuple(ACTIVATIONS), tuple(NORMS)

Named = str | Sequence[Any]
Sizes = int | Sequence[Any]


def monai_unet(
    in_channels: int = 1,
    out_channels: int = 1,
    channels: Sequence[int] = (16, 32, 64, 128, 256),
    strides: Sequence[int] = (2, 2, 2, 2),
    kernel_size: Sizes = 3,
    up_kernel_size: Sizes = 3,
    num_res_units: int = 0,
    act: Named = "prelu",
    norm: Named = "instance",
    bias: bool = True,
) -> nn.Module:
    """``monai.networks.nets.UNet`` in 2D."""
    _edges(in_channels, out_channels)
    wide = check_widths(channels)
    check_flag("bias", bias)
    if not 0 <= check_whole("num_res_units", num_res_units) <= 16:
        raise InputError(f"architecture argument num_res_units is {num_res_units}", mend="use 0 to 16")
    steps = _sizes("strides", strides, len(wide) - 1)
    network = UNet(
        in_channels,
        out_channels,
        wide,
        steps,
        _size("kernel_size", kernel_size),
        _size("up_kernel_size", up_kernel_size),
        num_res_units,
        _named("act", act, _ACTS),
        _named("norm", norm, _NORMS),
        bias,
    )
    return _multiple(network, steps)


def monai_basic_unet(
    in_channels: int = 1,
    out_channels: int = 2,
    features: Sequence[int] = (32, 32, 64, 128, 256, 32),
    act: Named = ("leakyrelu", {"negative_slope": 0.1}),
    norm: Named = ("instance", {"affine": True}),
    bias: bool = True,
    upsample: str = "deconv",
) -> nn.Module:
    """``monai.networks.nets.BasicUNet`` in 2D."""
    _edges(in_channels, out_channels)
    wide = check_widths(features)
    if len(wide) != 6:
        raise InputError(f"architecture argument features is {features!r}", mend="give six channel counts")
    check_flag("bias", bias)
    check_choice("upsample", upsample, ("deconv", "nontrainable"))
    network = BasicUNet(
        in_channels,
        out_channels,
        wide,
        _named("act", act, _ACTS),
        _named("norm", norm, _NORMS),
        bias,
        upsample == "deconv",
    )
    return _multiple(network, (2, 2, 2, 2))


def monai_basic_unet_plus_plus(
    in_channels: int = 1,
    out_channels: int = 2,
    features: Sequence[int] = (32, 32, 64, 128, 256, 32),
    deep_supervision: bool = False,
    act: Named = ("leakyrelu", {"negative_slope": 0.1}),
    norm: Named = ("instance", {"affine": True}),
    bias: bool = True,
    upsample: str = "deconv",
) -> nn.Module:
    """``monai.networks.nets.BasicUNetPlusPlus`` (UNet++) in 2D; its last output.

    ``deep_supervision``: in training mode all four outputs, (B, 4, K, H, W), the last one first.
    """
    _edges(in_channels, out_channels)
    wide = check_widths(features)
    if len(wide) != 6:
        raise InputError(f"architecture argument features is {features!r}", mend="give six channel counts")
    check_flag("bias", bias)
    check_flag("deep_supervision", deep_supervision)
    check_choice("upsample", upsample, ("deconv", "nontrainable"))
    network = BasicUNetPlusPlus(
        in_channels,
        out_channels,
        wide,
        _named("act", act, _ACTS),
        _named("norm", norm, _NORMS),
        bias,
        upsample == "deconv",
        deep_supervision,
    )
    return _multiple(network, (2, 2, 2, 2))


def monai_dynunet(
    in_channels: int = 1,
    out_channels: int = 1,
    filters: Sequence[int] = (32, 64, 128, 256),
    kernel_size: Sequence[Any] = (3, 3, 3, 3),
    strides: Sequence[Any] = (1, 2, 2, 2),
    upsample_kernel_size: Sequence[Any] = (2, 2, 2),
    norm_name: Named = ("instance", {"affine": True}),
    act_name: Named = ("leakyrelu", {"negative_slope": 0.01}),
    res_block: bool = False,
    trans_bias: bool = False,
    deep_supervision: bool = False,
) -> nn.Module:
    """``monai.networks.nets.DynUNet`` in 2D.

    ``deep_supervision``: in training mode the coarser outputs too, enlarged, (B, 1 + n, K, H, W), the main one first;
    the weights of their heads are not in the network without it.
    """
    _edges(in_channels, out_channels)
    wide = check_widths(filters)
    if len(wide) < 3:
        raise InputError(f"architecture argument filters is {filters!r}", mend="give at least three channel counts")
    check_flag("res_block", res_block)
    check_flag("trans_bias", trans_bias)
    check_flag("deep_supervision", deep_supervision)
    steps = _sizes("strides", strides, len(wide))
    network = DynUNet(
        in_channels,
        out_channels,
        wide,
        _sizes("kernel_size", kernel_size, len(wide)),
        steps,
        _sizes("upsample_kernel_size", upsample_kernel_size, len(wide) - 1),
        _named("norm_name", norm_name, _NORMS),
        _named("act_name", act_name, _ACTS),
        res_block,
        trans_bias,
        max(1, min(3, len(wide) - 2)) if deep_supervision else 0,
    )
    return _multiple(network, steps)


def monai_attention_unet(
    in_channels: int = 1,
    out_channels: int = 1,
    channels: Sequence[int] = (16, 32, 64, 128, 256),
    strides: Sequence[int] = (2, 2, 2, 2),
    kernel_size: Sizes = 3,
    up_kernel_size: Sizes = 3,
) -> nn.Module:
    """``monai.networks.nets.AttentionUnet`` in 2D."""
    _edges(in_channels, out_channels)
    wide = check_widths(channels)
    steps = _sizes("strides", strides, len(wide) - 1)
    network = AttentionUnet(
        in_channels,
        out_channels,
        wide,
        steps,
        _size("kernel_size", kernel_size),
        _size("up_kernel_size", up_kernel_size),
    )
    return _multiple(network, steps)


def monai_segresnet(
    in_channels: int = 1,
    out_channels: int = 2,
    init_filters: int = 8,
    blocks_down: Sequence[int] = (1, 2, 2, 4),
    blocks_up: Sequence[int] = (1, 1, 1),
    act: Named = "relu",
    norm: Named = ("group", {"num_groups": 8}),
    upsample_mode: str = "nontrainable",
) -> nn.Module:
    """``monai.networks.nets.SegResNet`` in 2D."""
    _edges(in_channels, out_channels)
    check_channels("init_filters", init_filters)
    down, up = tuple(blocks_down), tuple(blocks_up)
    if not 2 <= len(down) <= 8 or len(up) != len(down) - 1:
        raise InputError(f"architecture argument blocks_down is {blocks_down!r}", mend="give one more than blocks_up")
    if any(not 1 <= check_whole("blocks", count) <= 64 for count in (*down, *up)):
        raise InputError(f"architecture argument blocks_down is {blocks_down!r}", mend="give 1 to 64 blocks a level")
    check_choice("upsample_mode", upsample_mode, ("nontrainable", "deconv"))
    network = SegResNet(
        in_channels,
        out_channels,
        init_filters,
        down,
        up,
        _named("act", act, _ACTS),
        _named("norm", norm, _NORMS),
        upsample_mode == "deconv",
    )
    return _multiple(network, (2,) * (len(down) - 1))


def _edges(in_channels: int, out_channels: int) -> None:
    check_channels("in_channels", in_channels)
    check_channels("out_channels", out_channels)


def _size(name: str, value: Any) -> int | tuple[int, int]:
    if isinstance(value, int) and not isinstance(value, bool):
        if 1 <= value <= 15:
            return value
    elif isinstance(value, Sequence) and not isinstance(value, str) and len(value) == 2:
        first, second = (check_whole(name, number) for number in value)
        if min(first, second) >= 1 and max(first, second) <= 15:
            return first, second
    raise InputError(f"architecture argument {name} is {value!r}", mend="give a whole number from 1 to 15, or two")


def _sizes(name: str, values: Any, count: int) -> tuple[Any, ...]:
    if isinstance(values, str) or not isinstance(values, Sequence) or len(values) != count:
        raise InputError(f"architecture argument {name} is {values!r}", mend=f"give a list of {count} numbers")
    return tuple(_size(name, value) for value in values)


def _named(name: str, value: Any, choices: tuple[str, ...]) -> Any:
    """``"relu"`` or ``["leakyrelu", {"negative_slope": 0.1}]``."""
    word, options = (value, {}) if isinstance(value, str) else (value[0], value[1]) if len(value) == 2 else (None, {})
    check_choice(name, str(word).lower(), choices)
    if not isinstance(options, dict) or not all(isinstance(n, (int, float, bool)) for n in options.values()):
        raise InputError(f"architecture argument {name} is {value!r}", mend="give a name, or a name and numbers")
    return (str(word).lower(), dict(options)) if options else str(word).lower()


def _multiple(network: nn.Module, strides: Sequence[Any]) -> nn.Module:
    most = 1
    for stride in strides:
        most *= max(stride) if isinstance(stride, tuple) else stride
    network.multiple_of = most  # type: ignore[assignment]
    return network
