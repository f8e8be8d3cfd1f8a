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
SCHEMES = (
    "ZScoreNormalization", "CTNormalization", "NoNormalization", "RescaleTo01Normalization", "RGBTo01Normalization"
)  # fmt: skip
MAX_STAGES, MAX_WIDTH, MAX_BLOCKS = 12, 4096, 64


class PlansRefused(ValueError):
    """The plans are damaged, or say what cannot be built; ``args[0]`` says what."""


@dataclass(frozen=True)
class Resampling:
    """How nnU-Net resamples: spline ``order``, that of an axis resampled on its own, and whether one is (None: it
    decides by the spacing)."""

    order: int
    order_coarse: int = 0
    separate: bool | None = None


@dataclass(frozen=True)
class Plans:
    """A 2D configuration.

    Attributes
    ----------
    network : arguments of `networks.nnunet.PlannedUNet` but for the classes.
    patch, spacing : (rows, columns), pixels and mm.
    normalisations, masked, intensities : of each channel: the scheme, whether it measures inside the body alone, and
        the fixed numbers of CT.
    transpose : which stored axis (k, j, i) is slice, row and column.
    canonical : whether volumes are turned to RAS before that (nnU-Net's NibabelIOWithReorient).
    data, probabilities : how images and raw outputs are resampled.
    labels : value of each name but background; where ``regions``, the value each region is painted with, in the order
        of the output channels and of painting.
    """

    network: dict[str, Any]
    patch: tuple[int, int]
    spacing: tuple[float, float]
    normalisations: tuple[str, ...]
    masked: tuple[bool, ...]
    intensities: tuple[dict[str, float], ...]
    transpose: tuple[int, int, int]
    canonical: bool
    data: Resampling
    probabilities: Resampling
    channels: tuple[str, ...]
    labels: dict[str, int]
    regions: bool

    @property
    def heads(self) -> int:
        """Output channels of the network."""
        return len(self.labels) + (0 if self.regions else 1)


def read_plans(plans: dict[str, Any], dataset: dict[str, Any], name: str = "2d") -> Plans:
    """The configuration ``name`` of ``plans``, which must be of two dimensions. Raises PlansRefused."""
    try:
        return _plans(plans, dataset, name)
    except PlansRefused:
        raise
    except (KeyError, TypeError, AttributeError, ValueError, IndexError) as error:
        raise PlansRefused(
            f"plans.json or dataset.json cannot be understood ({type(error).__name__}: {error})"[:200]
        ) from None


def _plans(plans: dict[str, Any], dataset: dict[str, Any], name: str) -> Plans:
    if name not in plans["configurations"]:
        raise PlansRefused(f"its plans have no configuration {name[:40]!r}")
    configuration = inherited(plans["configurations"], name)
    names = dataset["channel_names"] if "channel_names" in dataset else dataset["modality"]
    channels = tuple(str(names[str(n)]) for n in range(len(names)))
    if not 1 <= len(channels) <= 16:
        raise PlansRefused(f"there are {len(channels)} input channels")
    labels, regions = _labels(dataset)
    spacing, patch = configuration["spacing"], configuration["patch_size"]
    if len(spacing) != 2 or len(patch) != 2:
        raise PlansRefused(f"its configuration {name[:40]} is not of two dimensions")
    if configuration.get("preprocessor_name", "DefaultPreprocessor") != "DefaultPreprocessor":
        raise PlansRefused(f"its preprocessor is {str(configuration['preprocessor_name'])[:60]!r}, not the default one")
    schemes = tuple(str(name) for name in configuration["normalization_schemes"])
    unknown = [name for name in schemes if name not in SCHEMES]
    if unknown or len(schemes) != len(channels):
        raise PlansRefused(f"its normalisation is {', '.join(schemes)[:120]} for {len(channels)} channels")
    masks = configuration.get("use_mask_for_norm") or [False] * len(channels)
    measured = plans.get("foreground_intensity_properties_per_channel") or {}
    intensities = tuple(_intensity(measured.get(str(n))) for n in range(len(channels)))
    for scheme, entry in zip(schemes, intensities, strict=True):
        if scheme == "CTNormalization" and len(entry) < 4:
            raise PlansRefused("plans.json lacks the intensities of CT")
    return Plans(
        network={"inputs": len(channels), **_network(configuration)},
        patch=(_whole(patch[0], 8192), _whole(patch[1], 8192)),
        spacing=(_positive(spacing[0]), _positive(spacing[1])),
        normalisations=schemes,
        masked=tuple(bool(masks[n]) for n in range(len(channels))),
        intensities=intensities,
        transpose=_permutation(plans.get("transpose_forward", (0, 1, 2))),
        canonical=plans.get("image_reader_writer") == "NibabelIOWithReorient",
        data=_resampling(configuration, "data", 3),
        probabilities=_resampling(configuration, "probabilities", 1),
        channels=channels,
        labels=labels,
        regions=regions,
    )


def inherited(configurations: dict[str, Any], name: str, depth: int = 0) -> dict[str, Any]:
    """A configuration with what it inherits from others filled in, as nnU-Net's plans handler does."""
    found = configurations[name]
    parent = found.get("inherits_from")
    if parent is None:
        return found
    if depth > 8:
        raise PlansRefused("its configurations inherit from each other in a circle")
    return {**inherited(configurations, str(parent), depth + 1), **found}


def _labels(dataset: dict[str, Any]) -> tuple[dict[str, int], bool]:
    """Value of each name, and whether they are regions (then in the order of channels)."""
    given = {str(name): value for name, value in dataset["labels"].items() if name not in ("background", "ignore")}
    regions = any(isinstance(value, list) and len(value) > 1 for value in given.values())
    if not 1 <= len(given) <= 1000:
        raise PlansRefused(f"it has {len(given)} labels")
    if regions:
        order = dataset.get("regions_class_order")
        given = {name: value for name, value in given.items() if value not in (0, [0])}
        if not isinstance(order, list) or len(order) != len(given):
            raise PlansRefused("its regions have no order (regions_class_order)")
        values = [_whole(value, 65535) for value in order]
        if len(set(values)) != len(values):
            raise PlansRefused("two of its regions are painted with the same value")
        return dict(zip(given, values, strict=True)), True
    plain = {name: value[0] if isinstance(value, list) and len(value) == 1 else value for name, value in given.items()}
    if sorted(plain.values()) != list(range(1, len(plain) + 1)):
        raise PlansRefused("its labels are not numbered from 1")
    return plain, False


def _permutation(axes: Any) -> tuple[int, int, int]:
    found = tuple(int(axis) for axis in axes)
    if sorted(found) != [0, 1, 2]:
        raise PlansRefused(f"{str(axes)[:40]} is no order of three axes")
    return found[0], found[1], found[2]


def _resampling(configuration: dict[str, Any], what: str, usual: int) -> Resampling:
    name = configuration.get(f"resampling_fn_{what}", "resample_data_or_seg_to_shape")
    if name != "resample_data_or_seg_to_shape":
        raise PlansRefused(f"it resamples with {str(name)[:60]!r}, not with nnU-Net's default function")
    given = configuration.get(f"resampling_fn_{what}_kwargs") or {}
    order, coarse, separate = given.get("order", usual), given.get("order_z", 0), given.get("force_separate_z")
    if order not in range(6) or coarse not in range(6) or separate not in (None, True, False):
        raise PlansRefused("its settings of resampling cannot be understood")
    return Resampling(order, coarse, separate)


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
    return checked_network(count, widths, arguments["kernel_sizes"], arguments["strides"], encoder,
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
    return checked_network(count, widths, kernels, strides, configuration["n_conv_per_stage_encoder"],
                    configuration["n_conv_per_stage_decoder"], residual, True, 1e-5, True, 0.01)  # fmt: skip


def checked_network(
    count: int, widths: Any, kernels: Any, strides: Any, encoder: Any, decoder: Any, residual: bool, bias: bool,
    eps: float, affine: bool, slope: float,
) -> dict[str, Any]:  # fmt: skip
    """The arguments of `networks.nnunet.PlannedUNet` but for channels and classes. Raises PlansRefused."""
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
