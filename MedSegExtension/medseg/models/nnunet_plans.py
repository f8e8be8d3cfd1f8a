"""What nnU-Net v2's ``plans.json`` and ``dataset.json`` say about a 2D configuration, checked and as plain values.

Both styles of plans are read: the older with names such as ``conv_kernel_sizes``, and the newer with an
``architecture`` whose classes are compared with a list and never imported.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .yaml_text import number

_PLAIN = {"dynamic_network_architectures.architectures.unet.PlainConvUNet", "PlainConvUNet"}
_RESIDUAL = {"dynamic_network_architectures.architectures.unet.ResidualEncoderUNet", "ResidualEncoderUNet"}
_FIXED = {"conv_op": ("torch.nn.modules.conv.Conv2d", "torch.nn.Conv2d"),
          "norm_op": ("torch.nn.modules.instancenorm.InstanceNorm2d", "torch.nn.InstanceNorm2d"),
          "nonlin": ("torch.nn.LeakyReLU", "torch.nn.modules.activation.LeakyReLU")}  # fmt: skip
MAX_STAGES, MAX_WIDTH, MAX_BLOCKS = 12, 4096, 64


class PlansRefused(ValueError):
    """The plans are damaged, or say what cannot be built; ``args[0]`` says what."""


@dataclass(frozen=True)
class Plans:
    """A 2D configuration. ``network`` holds the arguments of `networks.nnunet.PlannedUNet` but for the classes."""

    network: dict[str, Any]
    patch: tuple[int, int]
    spacing: tuple[float, float]
    normalisations: tuple[str, ...]
    masked: bool
    intensities: tuple[dict[str, float], ...]
    transpose: tuple[int, ...]
    cubic: bool
    channels: tuple[str, ...]
    labels: dict[str, int]
    regions: bool

    @property
    def classes(self) -> int:
        return len(self.labels) + 1


def read_plans(plans: dict[str, Any], dataset: dict[str, Any]) -> Plans:
    """The 2D configuration of ``plans``. Raises PlansRefused."""
    try:
        return _plans(plans, dataset)
    except PlansRefused:
        raise
    except (KeyError, TypeError, AttributeError, ValueError, IndexError) as error:
        raise PlansRefused(
            f"plans.json or dataset.json cannot be understood ({type(error).__name__}: {error})"[:200]
        ) from None


def _plans(plans: dict[str, Any], dataset: dict[str, Any]) -> Plans:
    configuration = plans["configurations"]["2d"]
    names = dataset["channel_names"]
    channels = tuple(str(names[str(n)]) for n in range(len(names)))
    if not 1 <= len(channels) <= 16:
        raise PlansRefused(f"there are {len(channels)} input channels")
    labels = {str(name): value for name, value in dataset["labels"].items() if name not in ("background", "ignore")}
    regions = any(isinstance(value, list) for value in labels.values())
    if not regions and sorted(labels.values()) != list(range(1, len(labels) + 1)):
        raise PlansRefused("its labels are not numbered from 1")
    if not 1 <= len(labels) <= 1000:
        raise PlansRefused(f"it has {len(labels)} labels")
    spacing, patch = configuration["spacing"], configuration["patch_size"]
    if len(spacing) != 2 or len(patch) != 2:
        raise PlansRefused("its configuration 2d is not of two dimensions")
    schemes = tuple(str(name) for name in configuration["normalization_schemes"])
    measured = plans.get("foreground_intensity_properties_per_channel") or {}
    intensities = tuple(_intensity(measured.get(str(n))) for n in range(len(channels)))
    order = (configuration.get("resampling_fn_data_kwargs") or {}).get("order", 3)
    return Plans(
        network={"inputs": len(channels), **_network(configuration)},
        patch=(_whole(patch[0], 8192), _whole(patch[1], 8192)),
        spacing=(_positive(spacing[0]), _positive(spacing[1])),
        normalisations=schemes, masked=any(configuration.get("use_mask_for_norm") or []), intensities=intensities,
        transpose=tuple(int(axis) for axis in plans.get("transpose_forward", (0, 1, 2))), cubic=order == 3,
        channels=channels, labels=labels, regions=regions,
    )  # fmt: skip


def _intensity(entry: Any) -> dict[str, float]:
    found = {}
    for key in ("mean", "std", "percentile_00_5", "percentile_99_5"):
        value = number(entry.get(key)) if isinstance(entry, dict) else None
        if value is not None:
            found[key] = value
    return found


def _network(configuration: dict[str, Any]) -> dict[str, Any]:
    architecture = configuration.get("architecture")
    if architecture is None:
        return _old(configuration)
    name, arguments = str(architecture["network_class_name"]), architecture["arch_kwargs"]
    residual = name in _RESIDUAL
    if not residual and name not in _PLAIN:
        raise PlansRefused(f"the network {name[:80]!r} is not on the list (PlainConvUNet, ResidualEncoderUNet)")
    for key, known in _FIXED.items():
        if arguments.get(key) not in known:
            raise PlansRefused(f"its {key} is {str(arguments.get(key))[:60]!r}, {known[0]} is needed")
    norm, act = arguments.get("norm_op_kwargs") or {}, arguments.get("nonlin_kwargs") or {}
    count = _whole(arguments["n_stages"], MAX_STAGES)
    widths = arguments["features_per_stage"]
    encoder = arguments["n_blocks_per_stage"] if residual else arguments["n_conv_per_stage"]
    return _checked(count, widths, arguments["kernel_sizes"], arguments["strides"], encoder,
                    arguments["n_conv_per_stage_decoder"], residual, bool(arguments.get("conv_bias", False)),
                    float(norm.get("eps", 1e-5)), bool(norm.get("affine", False)),
                    float(act.get("negative_slope", 0.01)))  # fmt: skip


def _old(configuration: dict[str, Any]) -> dict[str, Any]:
    """Plans of nnU-Net 2.0 to 2.2."""
    name = str(configuration.get("UNet_class_name"))
    residual = name in _RESIDUAL
    if not residual and name not in _PLAIN:
        raise PlansRefused(f"the network {name[:80]!r} is not on the list (PlainConvUNet, ResidualEncoderUNet)")
    kernels, strides = configuration["conv_kernel_sizes"], configuration["pool_op_kernel_sizes"]
    base, most = _whole(configuration["UNet_base_num_features"], MAX_WIDTH), configuration["unet_max_num_features"]
    count = len(kernels)
    if count > MAX_STAGES:
        raise PlansRefused(f"it has {count} stages")
    widths = [min(_whole(most, MAX_WIDTH), base * 2**stage) for stage in range(count)]
    return _checked(count, widths, kernels, strides, configuration["n_conv_per_stage_encoder"],
                    configuration["n_conv_per_stage_decoder"], residual, True, 1e-5, True, 0.01)  # fmt: skip


def _checked(
    count: int, widths: Any, kernels: Any, strides: Any, encoder: Any, decoder: Any, residual: bool, bias: bool,
    eps: float, affine: bool, slope: float,
) -> dict[str, Any]:  # fmt: skip
    encoder = [encoder] * count if isinstance(encoder, int) else encoder
    decoder = [decoder] * (count - 1) if isinstance(decoder, int) else decoder
    if isinstance(widths, int):
        widths = [widths * 2**stage for stage in range(count)]
    lists = (widths, kernels, strides, encoder)
    if count < 2 or any(len(values) != count for values in lists) or len(decoder) != count - 1:
        raise PlansRefused("its stages are of different numbers")
    found: dict[str, Any] = {
        "widths": [_whole(width, MAX_WIDTH) for width in widths],
        "kernels": [_pair(kernel, 15) for kernel in kernels], "strides": [_pair(stride, 8) for stride in strides],
        "encoder_counts": [_whole(n, MAX_BLOCKS) for n in encoder],
        "decoder_counts": [_whole(n, MAX_BLOCKS) for n in decoder],
        "residual": residual, "bias": bias, "eps": eps, "affine": affine, "slope": slope,
    }  # fmt: skip
    if found["strides"][0] != (1, 1):
        raise PlansRefused("its first stage strides")
    return found


def _whole(value: Any, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise PlansRefused(f"{str(value)[:40]!r} is no number from 1 to {most}")
    return value


def _pair(value: Any, most: int) -> tuple[int, int]:
    if isinstance(value, int):
        value = [value, value]
    if len(value) != 2:
        raise PlansRefused(f"{str(value)[:40]!r} is not of two dimensions")
    return _whole(value[0], most), _whole(value[1], most)


def _positive(value: Any) -> float:
    found = number(value)
    if found is None or not 0 < found <= 100:
        raise PlansRefused(f"{str(value)[:40]!r} is no spacing in mm")
    return found
