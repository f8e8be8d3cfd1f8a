"""What each Keras layer computes, in words of our own: an operation with its numbers, or a refusal.

An allow-list. What a layer does is taken from the Keras documentation (keras.io/api/layers); defaults are those of the
version that wrote the file where versions differ (`hard_sigmoid`, `LeakyReLU`'s argument name).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from .keras_config import Layer
from .keras_errors import ConfigRefused
from .keras_ops import OPERATION, make_operation

#: Layers that change nothing when a model is used rather than trained.
INERT = frozenset(
    {
        "Dropout",
        "SpatialDropout2D",
        "AlphaDropout",
        "GaussianDropout",
        "GaussianNoise",
        "ActivityRegularization",
        "Identity",
        "RandomFlip",
        "RandomRotation",
        "RandomZoom",
        "RandomTranslation",
        "RandomContrast",
        "RandomBrightness",
    }
)
#: Layers that join several values.
MERGES = {
    "Add": "add",
    "Multiply": "multiply",
    "Subtract": "subtract",
    "Average": "average",
    "Maximum": "maximum",
    "Minimum": "minimum",
}
ACTIVATIONS = frozenset(
    {
        "linear",
        "relu",
        "relu6",
        "sigmoid",
        "softmax",
        "tanh",
        "elu",
        "selu",
        "softplus",
        "softsign",
        "silu",
        "gelu",
        "hard_sigmoid",
        "hard_sigmoid_2",
        "exponential",
        "leaky_relu",
        "mish",
        "hard_silu",
    }
)
_SYNONYMS = {"swish": "silu", "hard_swish": "hard_silu"}
MAX_KERNEL = 255

Op = dict[str, Any]


def is_code(kind: str, config: Any) -> str | None:
    """Why a layer holds or needs code of its own, or None."""
    if kind.rpartition(">")[2] == "Lambda":
        return "a Lambda layer, which holds Python code"
    activation = config.get("activation") if isinstance(config, dict) else None
    if isinstance(activation, list) or (
        isinstance(activation, dict) and "lambda" in str(activation.get("class_name", "")).lower()
    ):
        return "an activation that holds Python code"
    return None


def operation(layer: Layer, channels_first: bool, keras_version: str) -> Op:
    """The operation of ``layer``. Raises ConfigRefused where it is none that is known here."""
    kind, config = layer.kind, layer.config
    name = kind.rpartition(">")[2]
    if kind in INERT:
        return {"op": "identity"}
    if kind in MERGES:
        return {"op": MERGES[kind]}
    if kind.startswith(OPERATION):
        return make_operation(name, config, lambda axis: _axis({"axis": axis}, channels_first))
    maker = _MAKERS.get(name if kind.startswith("Addons>") else kind)
    if maker is None or not isinstance(config, dict):
        where = "is defined by code that the file does not hold" if ">" in kind else "is not known here"
        raise ConfigRefused(f"layer {layer.name[:80]!r} is a {kind[:80]}, which {where}")
    wanted = "channels_first" if channels_first else "channels_last"
    if config.get("data_format") not in (None, wanted) and kind not in ("Activation",):
        raise ConfigRefused("some layers keep channels first and others last")
    try:
        op = maker(config, channels_first)
    except (TypeError, ValueError, KeyError, OverflowError) as error:
        if isinstance(error, ConfigRefused):
            raise ConfigRefused(f"layer {layer.name[:80]!r} ({kind}): {error}", error.mend) from None
        raise ConfigRefused(
            f"the configuration of layer {layer.name[:80]!r} ({kind}) cannot be read", "save the model again"
        ) from None
    if "activation" in op:
        op["activation"] = _activation(op["activation"], keras_version)
        if op["op"] == "activation" and isinstance(op["activation"], dict):
            return op["activation"]
        if op["op"] != "activation" and op["activation"] == "linear":
            del op["activation"]
    return op


def _activation(value: Any, keras_version: str) -> Any:
    if value is None:
        return "linear"
    if isinstance(value, dict):
        if value.get("class_name") == "function" and not value.get("registered_name", "").count(">"):
            value = value.get("config")
            value = value.get("name") if isinstance(value, dict) else value
        elif value.get("class_name") in ("ReLU", "LeakyReLU", "Softmax", "ELU") and isinstance(
            value.get("config"), dict
        ):
            return _MAKERS[value["class_name"]](value["config"], False)
    name = _SYNONYMS.get(value, value) if isinstance(value, str) else ""
    if name == "hard_sigmoid" and not _is_3(keras_version):
        return "hard_sigmoid_2"  # 0.2 x + 0.5 up to Keras 2, relu6(x + 3) / 6 from 3 on
    if name not in ACTIVATIONS or name == "hard_sigmoid_2":
        raise ConfigRefused(f"the activation {str(value)[:60]!r} is not known here")
    return name


def _is_3(version: str) -> bool:
    return version.partition(".")[0] not in ("", "0", "1", "2")


def _pair(value: Any, least: int = 1) -> list[int]:
    pair = [value, value] if isinstance(value, int) else list(value)
    if len(pair) != 2 or not all(
        isinstance(n, int) and not isinstance(n, bool) and least <= n <= MAX_KERNEL for n in pair
    ):
        raise ConfigRefused(f"{pair} cannot be a size or step")
    return pair


def _padding(config: dict[str, Any]) -> str:
    padding = str(config.get("padding", "valid")).lower()
    if padding not in ("same", "valid"):
        raise ConfigRefused(f"the padding {padding[:20]!r} is not known here")
    return padding


def _number(value: Any) -> float:
    number = float(value)
    if isinstance(value, bool) or not math.isfinite(number):
        raise ConfigRefused(f"{value} is no number to compute with")
    return number


def _convolution(op: str, config: dict[str, Any]) -> Op:
    groups = config.get("groups", 1) or 1
    if not isinstance(groups, int) or not 1 <= groups <= 65536:
        raise ConfigRefused(f"groups is {groups}")
    if op == "conv2d_transpose" and groups != 1:
        raise ConfigRefused("a transposed convolution in groups is not known to Keras")
    if config.get("output_padding") is not None:
        raise ConfigRefused("output_padding is not supported")
    return {
        "op": op,
        "kernel": _pair(config["kernel_size"]),
        "strides": _pair(config.get("strides", 1)),
        "dilation": _pair(config.get("dilation_rate", 1)),
        "padding": _padding(config),
        "groups": groups,
        "bias": bool(config.get("use_bias", True)),
        "activation": config.get("activation"),
    }


def _pooling(op: str) -> Callable[[dict[str, Any], bool], Op]:
    def make(config: dict[str, Any], _: bool) -> Op:
        size = _pair(config.get("pool_size", 2))
        return {"op": op, "kernel": size, "strides": _pair(config.get("strides") or size), "padding": _padding(config)}

    return make


def _axis(config: dict[str, Any], channels_first: bool, default: int = -1) -> int:
    """The axis in (batch, channels, height, width) that an axis in Keras's order means."""
    axis = config.get("axis", default)
    if isinstance(axis, (list, tuple)) and len(axis) == 1:
        axis = axis[0]
    if isinstance(axis, bool) or not isinstance(axis, int) or not -4 <= axis <= 3:
        raise ConfigRefused(f"the axis {axis!r} is not supported")
    axis %= 4
    return axis if channels_first else (0, 2, 3, 1)[axis]


def _channel_norm(op: str, epsilon: float) -> Callable[[dict[str, Any], bool], Op]:
    def make(config: dict[str, Any], channels_first: bool) -> Op:
        if _axis(config, channels_first) != 1:
            raise ConfigRefused("it normalises along another axis than the channels")
        made = {
            "op": op,
            "epsilon": _number(config.get("epsilon", epsilon)),
            "scale": bool(config.get("scale", True)),
            "center": bool(config.get("center", True)),
        }
        if op == "group_norm":
            made["groups"] = int(config.get("groups", 32))
        if config.get("renorm") or config.get("rms_scaling"):
            raise ConfigRefused("renormalisation is not supported")
        return made

    return make


def _upsampling(config: dict[str, Any], _: bool) -> Op:
    mode = str(config.get("interpolation", "nearest"))
    if mode not in ("nearest", "bilinear"):
        raise ConfigRefused(f"the interpolation {mode[:20]!r} is not supported")
    return {"op": "upsample", "size": _pair(config.get("size", 2)), "mode": mode}


def _borders(op: str, key: str) -> Callable[[dict[str, Any], bool], Op]:
    def make(config: dict[str, Any], _: bool) -> Op:
        value = config[key]
        rows = [value, value] if isinstance(value, int) else list(value)
        top, bottom = _pair(rows[0], 0)
        left, right = _pair(rows[1], 0)
        return {"op": op, "borders": [top, bottom, left, right]}

    return make


def _relu(config: dict[str, Any], _: bool) -> Op:
    top = config.get("max_value")
    return {
        "op": "relu",
        "top": None if top is None else _number(top),
        "slope": _number(config.get("negative_slope") or 0),
        "threshold": _number(config.get("threshold") or 0),
    }


def _leaky(config: dict[str, Any], _: bool) -> Op:
    slope = config.get("negative_slope", config.get("alpha", 0.3))
    return {"op": "relu", "top": None, "slope": _number(slope), "threshold": 0.0}


def _softmax(config: dict[str, Any], channels_first: bool) -> Op:
    if _axis(config, channels_first) != 1:
        raise ConfigRefused("a softmax along another axis than the channels is not supported")
    return {"op": "activation", "activation": "softmax"}


def _prelu(config: dict[str, Any], channels_first: bool) -> Op:
    shared = config.get("shared_axes") or []
    return {"op": "prelu", "shared": sorted(_axis({"axis": axis}, channels_first) for axis in shared)}


def _rescaling(config: dict[str, Any], _: bool) -> Op:
    def numbers(value: Any) -> list[float]:
        return [_number(n) for n in (value if isinstance(value, list) else [value])]

    return {"op": "rescale", "scale": numbers(config["scale"]), "offset": numbers(config.get("offset", 0.0))}


def _resizing(config: dict[str, Any], _: bool) -> Op:
    odd = config.get("crop_to_aspect_ratio") or config.get("pad_to_aspect_ratio") or config.get("antialias")
    mode = str(config.get("interpolation", "bilinear"))
    if mode not in ("bilinear", "nearest") or odd:
        raise ConfigRefused("only bilinear and nearest resizing are supported")
    size = [config["height"], config["width"]]
    if not all(isinstance(n, int) and 1 <= n <= 8192 for n in size):
        raise ConfigRefused(f"it resizes to {size}")
    return {"op": "resize", "size": size, "mode": mode}


def _reshape(config: dict[str, Any], channels_first: bool) -> Op:
    shape = config["target_shape"]
    ones = shape[1:] if channels_first else shape[:2]
    if len(shape) != 3 or list(ones) != [1, 1]:  # the gate of squeeze and excitation
        raise ConfigRefused(f"reshaping to {shape} is not supported")
    return {"op": "to_map"}


def _global(op: str) -> Callable[[dict[str, Any], bool], Op]:
    return lambda config, _: {"op": op, "keep": bool(config.get("keepdims", False))}


_MAKERS: dict[str, Callable[[dict[str, Any], bool], Op]] = {
    "Conv2D": lambda c, _: _convolution("conv2d", c),
    "Convolution2D": lambda c, _: _convolution("conv2d", c),
    "Conv2DTranspose": lambda c, _: _convolution("conv2d_transpose", c),
    "DepthwiseConv2D": lambda c, _: _convolution("depthwise_conv2d", c),
    "SeparableConv2D": lambda c, _: _convolution("separable_conv2d", c),
    "Dense": lambda c, _: {"op": "dense", "bias": bool(c.get("use_bias", True)), "activation": c.get("activation")},
    "BatchNormalization": _channel_norm("batch_norm", 1e-3),
    "SyncBatchNormalization": _channel_norm("batch_norm", 1e-3),
    "LayerNormalization": _channel_norm("layer_norm", 1e-3),
    "GroupNormalization": _channel_norm("group_norm", 1e-3),
    "InstanceNormalization": _channel_norm("instance_norm", 1e-3),
    "Normalization": _channel_norm("normalise", 0.0),
    "Activation": lambda c, _: {"op": "activation", "activation": c["activation"]},
    "ReLU": _relu,
    "LeakyReLU": _leaky,
    "PReLU": _prelu,
    "ELU": lambda c, _: {"op": "elu", "alpha": _number(c.get("alpha", 1.0))},
    "Softmax": _softmax,
    "MaxPooling2D": _pooling("max_pool"),
    "MaxPool2D": _pooling("max_pool"),
    "AveragePooling2D": _pooling("average_pool"),
    "AvgPool2D": _pooling("average_pool"),
    "GlobalAveragePooling2D": _global("mean"),
    "GlobalAvgPool2D": _global("mean"),
    "GlobalMaxPooling2D": _global("max"),
    "GlobalMaxPool2D": _global("max"),
    "UpSampling2D": _upsampling,
    "ZeroPadding2D": _borders("pad", "padding"),
    "Cropping2D": _borders("crop", "cropping"),
    "Concatenate": lambda c, first: {"op": "concatenate", "axis": _axis(c, first)},
    "Rescaling": _rescaling,
    "Resizing": _resizing,
    "Reshape": _reshape,
}
