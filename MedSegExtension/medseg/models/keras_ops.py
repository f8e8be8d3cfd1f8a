"""Arithmetic between layers, as Keras stores it: ``x / 127.5 - 1``, ``tf.concat``, ``ops.mean``.

Keras 3 keeps each such operation as a "layer" of a module below ``keras.ops``, Keras 2 as a ``TFOpLambda`` (which holds
the name of a TensorFlow function and no code). Their constants lie among the inputs of the call, so that class names
alone would mislead: ``Subtract`` is a layer of two values as well as ``x - 1``. Only what is listed here is known.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from .keras_errors import ConfigRefused

#: What stands before the name of an operation in `keras_config.Layer.kind`.
OPERATION = "ops>"
MAX_CONSTANTS = 4096
_TENSOR = "__keras_tensor__"
_ALSO_LAYERS = frozenset({"Add", "Subtract", "Multiply", "Maximum", "Minimum", "Concatenate", "Softmax"})

#: TensorFlow's functions by the name of the same operation in Keras 3.
_TENSORFLOW = {
    "math.add": "Add", "__operators__.add": "Add", "add": "Add",
    "math.subtract": "Subtract", "subtract": "Subtract",
    "math.multiply": "Multiply", "multiply": "Multiply",
    "math.truediv": "TrueDivide", "math.divide": "TrueDivide", "divide": "TrueDivide",
    "math.maximum": "Maximum", "math.minimum": "Minimum", "concat": "Concatenate",
    "nn.relu": "Relu", "nn.relu6": "Relu6", "math.sigmoid": "Sigmoid", "math.tanh": "Tanh", "nn.silu": "Silu",
    "nn.swish": "Silu", "nn.elu": "Elu", "nn.leaky_relu": "LeakyRelu", "nn.softmax": "Softmax",
    "math.reduce_mean": "Mean", "math.reduce_max": "Max", "image.resize": "Resize", "math.negative": "Negative",
}  # fmt: skip


def as_operation(entry: dict[str, Any]) -> dict[str, Any]:
    """A stored operation with its constants in its configuration and only values among its inputs.

    Other entries come back as they are. Raises ConfigRefused where its one call cannot be read.
    """
    if entry.get("class_name") == "TFOpLambda":
        return _tensorflow(entry)
    nodes = entry.get("inbound_nodes")
    if not _is_operation(entry, nodes):
        return entry
    if not isinstance(nodes, list) or len(nodes) != 1 or not isinstance(nodes[0], dict):
        raise ConfigRefused(f"the operation {str(entry.get('name'))[:60]!r} cannot be read", "save the model again")
    keys: list[Any] = []
    arguments = [_argument(value, keys) for value in nodes[0].get("args") or []]
    named = {str(name): _argument(value, keys) for name, value in (nodes[0].get("kwargs") or {}).items()}
    arguments += [named.pop(name) for name in ("x", "xs", "x1", "x2", "images") if name in named]
    config = entry.get("config")
    options = {**(config if isinstance(config, dict) else {}), **named}
    return _entry(entry, str(entry["class_name"]), options, arguments, keys)


def _is_operation(entry: dict[str, Any], nodes: Any) -> bool:
    """Whether an entry of Keras 3 is an operation; in .h5 files only its name and the form of its call tell."""
    module, kind = str(entry.get("module") or ""), entry.get("class_name")
    if module:
        return module.startswith("keras.") and ".ops." in module
    if kind not in _MAKERS or not isinstance(nodes, list) or not nodes or not isinstance(nodes[0], dict):
        return False
    # Layers that merge take one list of values, operations take two arguments.
    given = nodes[0].get("args")
    return kind not in _ALSO_LAYERS or (isinstance(given, list) and len(given) > 1)


def _entry(
    entry: dict[str, Any], kind: str, options: dict[str, Any], arguments: list[Any], keys: list[Any]
) -> dict[str, Any]:
    config = {**options, "arguments": arguments}
    return {**entry, "class_name": OPERATION + kind, "module": None, "config": config, "inbound_nodes": [keys]}


def _argument(value: Any, keys: list[Any], depth: int = 0) -> Any:
    """A number or list of numbers as it is, "value" for a value, whose place in the graph goes into ``keys``."""
    if depth > 4:
        raise ConfigRefused("an operation has arguments nested too deeply")
    if isinstance(value, dict):
        config = value.get("config")
        if value.get("class_name") == _TENSOR and isinstance(config, dict):
            keys.append(config.get("keras_history"))
            return "value"
        if value.get("class_name") == "__numpy__" and isinstance(config, dict):
            return config.get("value")
        raise ConfigRefused("an operation has an argument that is not known here")
    if isinstance(value, list) and any(isinstance(item, (dict, list)) for item in value):
        return [_argument(item, keys, depth + 1) for item in value]
    return value


def _tensorflow(entry: dict[str, Any]) -> dict[str, Any]:
    config = entry.get("config")
    function = str(config.get("function")) if isinstance(config, dict) else ""
    kind = _TENSORFLOW.get(function)
    if kind is None:
        raise ConfigRefused(f"the TensorFlow function {function[:60]!r} is not known here")
    nodes = entry.get("inbound_nodes")
    node = nodes[0] if isinstance(nodes, list) and len(nodes) == 1 else None
    if not isinstance(node, list) or not node:
        raise ConfigRefused(f"the operation {str(entry.get('name'))[:60]!r} cannot be read", "save the model again")
    calls = node if isinstance(node[0], list) else [node]
    keys: list[Any] = []
    arguments: list[Any] = []
    options: dict[str, Any] = {}
    for call in calls:
        if not isinstance(call, list) or len(call) < 3:
            raise ConfigRefused(f"the operation {function[:60]!r} cannot be read", "save the model again")
        if call[0] == "_CONSTANT_VALUE":
            arguments.append(call[2])
        else:
            keys.append(call[:3])
            arguments.append("value")
        options |= call[3] if len(call) > 3 and isinstance(call[3], dict) else {}
    for name in ("y", "size"):  # the second argument is stored by its name
        given = options.get(name)
        if isinstance(given, list) and len(given) == 3 and isinstance(given[0], str):
            keys.append(options.pop(name))
            arguments.append("value")
        elif name == "y" and given is not None:
            arguments.append(options.pop("y"))
    if kind == "Resize":
        options["interpolation"] = options.pop("method", None) or "bilinear"
    if kind == "LeakyRelu":
        options["negative_slope"] = options.pop("alpha", 0.2)
    options.setdefault("keepdims", False)
    return _entry(entry, kind, {"name": options.pop("name", None), **options}, arguments, keys)


Op = dict[str, Any]


def make_operation(kind: str, config: dict[str, Any], axis: Callable[[Any], int]) -> Op:
    """The operation of an entry of `as_operation`; ``axis`` turns Keras's axis into ours. Raises ConfigRefused."""
    arguments = config.get("arguments")
    maker = _MAKERS.get(kind)
    if maker is None or not isinstance(arguments, list):
        raise ConfigRefused(f"the operation {kind[:60]!r} is not known here")
    return maker(arguments, config, axis)


def _constant(value: Any) -> list[float]:
    while isinstance(value, list) and len(value) == 1 and isinstance(value[0], list):
        value = value[0]
    numbers = value if isinstance(value, list) else [value]
    fits = 1 <= len(numbers) <= MAX_CONSTANTS and all(
        isinstance(n, (int, float)) and not isinstance(n, bool) and math.isfinite(n) for n in numbers
    )
    if not fits:
        raise ConfigRefused(f"the constant {str(value)[:40]} is not supported")
    return [float(n) for n in numbers]


def _values(arguments: list[Any], count: int | None = None) -> None:
    flat = arguments[0] if len(arguments) == 1 and isinstance(arguments[0], list) else arguments
    if any(argument != "value" for argument in flat) or (count is not None and len(flat) != count):
        raise ConfigRefused("an operation has arguments that are not supported")


def _binary(op: str) -> Callable[..., Op]:
    def make(arguments: list[Any], config: dict[str, Any], axis: Any) -> Op:
        if len(arguments) != 2:
            raise ConfigRefused("an operation lacks one of its two arguments")
        first, second = arguments
        if first == "value" and second == "value":
            return {"op": op}
        numbers = _constant(second if first == "value" else first)
        if op == "add":
            return {"op": "rescale", "scale": [1.0], "offset": numbers}
        if op == "multiply":
            return {"op": "rescale", "scale": numbers, "offset": [0.0]}
        if op == "subtract":
            if first == "value":
                return {"op": "rescale", "scale": [1.0], "offset": [-n for n in numbers]}
            return {"op": "rescale", "scale": [-1.0], "offset": numbers}
        if op == "divide" and first == "value" and 0.0 not in numbers:
            return {"op": "rescale", "scale": [1 / n for n in numbers], "offset": [0.0]}
        if op == "maximum" and numbers == [0.0]:
            return {"op": "activation", "activation": "relu"}
        raise ConfigRefused(f"{op} with a constant on this side is not supported")

    return make


def _plain(op: Op) -> Callable[..., Op]:
    def make(arguments: list[Any], config: dict[str, Any], axis: Any) -> Op:
        _values(arguments, 1)
        return dict(op)

    return make


def _activation(name: str) -> Callable[..., Op]:
    return _plain({"op": "activation", "activation": name})


def _gelu(arguments: list[Any], config: dict[str, Any], axis: Any) -> Op:
    _values(arguments, 1)
    return {"op": "activation", "activation": "gelu_tanh" if config.get("approximate", True) else "gelu"}


def _leaky(arguments: list[Any], config: dict[str, Any], axis: Any) -> Op:
    _values(arguments, 1)
    return {"op": "relu", "top": None, "slope": _constant(config.get("negative_slope", 0.2))[0], "threshold": 0.0}


def _elu(arguments: list[Any], config: dict[str, Any], axis: Any) -> Op:
    _values(arguments, 1)
    return {"op": "elu", "alpha": _constant(config.get("alpha", 1.0))[0]}


def _softmax(arguments: list[Any], config: dict[str, Any], axis: Any) -> Op:
    _values(arguments, 1)
    if axis(-1 if config.get("axis") is None else config["axis"]) != 1:
        raise ConfigRefused("a softmax along another axis than the channels is not supported")
    return {"op": "activation", "activation": "softmax"}


def _concatenate(arguments: list[Any], config: dict[str, Any], axis: Any) -> Op:
    _values(arguments)
    return {"op": "concatenate", "axis": axis(config.get("axis", -1))}


def _reduce(how: str) -> Callable[..., Op]:
    def make(arguments: list[Any], config: dict[str, Any], axis: Any) -> Op:
        _values(arguments, 1)
        given = config.get("axis")
        axes = sorted(axis(n) for n in (given if isinstance(given, list) else [given]) if n is not None)
        keep = bool(config.get("keepdims", False))
        if axes == [2, 3]:
            return {"op": how, "keep": keep}
        if axes == [1] and keep:
            return {"op": f"{how}_channels"}
        raise ConfigRefused(f"a {how} along {given} is not supported")

    return make


def _resize(arguments: list[Any], config: dict[str, Any], axis: Any) -> Op:
    size = config.get("size") if "size" in config else arguments[1] if len(arguments) > 1 else None
    flags = ("antialias", "crop_to_aspect_ratio", "pad_to_aspect_ratio", "preserve_aspect_ratio")
    odd = any(config.get(name) for name in flags)
    mode = str(config.get("interpolation"))
    if arguments[:1] != ["value"] or odd or mode not in ("bilinear", "nearest"):
        raise ConfigRefused(f"resizing by {mode[:20]!r} with these options is not supported")
    if not isinstance(size, list) or len(size) != 2 or not all(isinstance(n, int) and 1 <= n <= 8192 for n in size):
        raise ConfigRefused(f"it resizes to {str(size)[:40]}")
    return {"op": "resize", "size": size, "mode": mode}


_MAKERS: dict[str, Callable[..., Op]] = {
    "Add": _binary("add"),
    "Subtract": _binary("subtract"),
    "Multiply": _binary("multiply"),
    "TrueDivide": _binary("divide"),
    "Divide": _binary("divide"),
    "Maximum": _binary("maximum"),
    "Minimum": _binary("minimum"),
    "Negative": _plain({"op": "rescale", "scale": [-1.0], "offset": [0.0]}),
    "Concatenate": _concatenate,
    "Relu": _activation("relu"),
    "Relu6": _activation("relu6"),
    "Sigmoid": _activation("sigmoid"),
    "Tanh": _activation("tanh"),
    "Silu": _activation("silu"),
    "Softplus": _activation("softplus"),
    "Exp": _activation("exponential"),
    "Gelu": _gelu,
    "Elu": _elu,
    "LeakyRelu": _leaky,
    "Softmax": _softmax,
    "Mean": _reduce("mean"),
    "Max": _reduce("max"),
    "Resize": _resize,
}
