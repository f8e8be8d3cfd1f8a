"""A network that Keras described, run by PyTorch: the same layers in the same order, channels first.

The graph is plain data (see `medseg.models.keras_file`), so that it can stand in a model card beside converted weights;
every name in it is looked up in a table here and nothing else can be called.

What Keras does differently from PyTorch, and is done here as Keras does it (keras.io/api/layers, TensorFlow's
"Notes on padding" in tensorflow.org/api_docs/python/tf/nn): ``same`` padding puts the odd pixel at the end and
depends on stride and size; pooling pads with what does not count; transposed convolutions crop what the forward
convolution would have padded; bilinear upsampling takes pixel centres.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import InputError

MAX_LAYERS = 20_000
MAX_ELEMENTS = 2**31
_STATISTICS = ("running_mean", "running_var")

Op = dict[str, Any]


class KerasNetwork(nn.Module):
    """The network of ``graph``: ``{"inputs": [name], "layers": {name: operation}, "calls": [[value, layer, [values]]],
    "output": value, "multiple_of": number}``; an operation has ``op``, its options and the ``shapes`` of its tensors.
    Of several inputs, ``"input_channels"`` says how many of the slices' channels each takes, in order.

    Maps float32 (B, C, H, W) to whatever the Keras model ends in, activation included, (B, K, H, W).

    Raises InputError where the graph is not of this form.
    """

    def __init__(self, graph: Mapping[str, Any]) -> None:
        super().__init__()
        try:
            layers, calls = dict(graph["layers"]), list(graph["calls"])
            self._inputs, self._output = [str(name) for name in graph["inputs"]], graph["output"]
            self._counts = [int(count) for count in graph.get("input_channels", ())]
            if len(self._inputs) != max(1, len(self._counts)):
                raise ValueError("it has several inputs, and not for each a number of channels")
            if len(layers) > MAX_LAYERS or len(calls) > MAX_LAYERS:
                raise ValueError(f"more than {MAX_LAYERS} layers")
            self._keys = {name: f"{number:03d}_{_plain(name)}" for number, name in enumerate(layers)}
            self.layers = nn.ModuleDict({self._keys[name]: _Layer(op) for name, op in layers.items()})
            self._calls = [(str(value), self._keys[layer], tuple(map(str, given))) for value, layer, given in calls]
            self.multiple_of = max(1, int(graph.get("multiple_of", 1)))
            known = set(self._inputs)
            for value, _, given in self._calls:
                if not set(given) <= known or value in known:
                    raise ValueError(f"{value} is made out of order")
                known.add(value)
            if self._output not in known:
                raise ValueError("the output is never made")
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(
                f"architecture argument graph is not a Keras graph ({error})", mend="convert the Keras file again"
            ) from None
        last = {name: number for number, (_, _, given) in enumerate(self._calls) for name in given}
        self._done = [
            [name for name, when in last.items() if when == number and name != self._output]
            for number in range(len(self._calls))
        ]

    def forward(self, x: Tensor) -> Tensor:
        parts = torch.split(x, self._counts, dim=1) if self._counts else (x,)
        values = dict(zip(self._inputs, parts, strict=True))
        for (value, key, given), done in zip(self._calls, self._done, strict=True):
            values[value] = self.layers[key](*[values[name] for name in given])
            for name in done:
                del values[name]  # skip connections are held as long as they are needed, and no longer
        return values[self._output]


def _plain(name: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in name)[:80]


class _Layer(nn.Module):
    """One operation with its tensors as parameters, running statistics as buffers."""

    def __init__(self, op: Op) -> None:
        super().__init__()
        op = dict(op)
        self._run = _OPERATIONS[op["op"]]
        self._op = op
        activation = op.get("activation", "linear")
        self._activation = _Layer(dict(activation)) if isinstance(activation, Mapping) else None
        if self._activation is None and activation not in _ACTIVATIONS:
            raise ValueError(f"activation {activation!r}")
        for name, shape in op.get("shapes", {}).items():
            if not all(isinstance(n, int) and n >= 1 for n in shape) or prod(shape) > MAX_ELEMENTS:
                raise ValueError(f"shape {shape}")
            if name in _STATISTICS:
                self.register_buffer(name, torch.empty(shape).fill_(0.0 if name == "running_mean" else 1.0))
            elif name in ("weight", "bias", "depthwise", "pointwise"):
                self.register_parameter(name, nn.Parameter(torch.empty(shape)))
            else:
                raise ValueError(f"tensor {name!r}")

    def tensor(self, name: str) -> Tensor | None:
        return getattr(self, name, None)

    def forward(self, *inputs: Tensor) -> Tensor:
        y = self._run(self, self._op, *inputs)
        if self._activation is not None:
            return self._activation(y)
        return y if self._op["op"] == "activation" else _ACTIVATIONS[self._op.get("activation", "linear")](y)


def _same(x: Tensor, kernel: list[int], strides: list[int], dilation: list[int]) -> list[int]:
    """Left, right, top and bottom padding for ``same``: ceil(size / stride) outputs, the odd pixel at the end."""
    borders: list[int] = []
    for axis in (1, 0):
        size, step = x.shape[2 + axis], strides[axis]
        reach = (kernel[axis] - 1) * dilation[axis] + 1
        rest = size % step
        total = max(reach - (step if rest == 0 else rest), 0)
        borders += [total // 2, total - total // 2]
    return borders


def _convolve(op: Op, x: Tensor, weight: Tensor | None, bias: Tensor | None, groups: int) -> Tensor:
    assert weight is not None
    if op["padding"] == "valid":
        return F.conv2d(x, weight, bias, op["strides"], 0, op["dilation"], groups)
    left, right, top, bottom = _same(x, op["kernel"], op["strides"], op["dilation"])
    if left == right and top == bottom:
        return F.conv2d(x, weight, bias, op["strides"], (top, left), op["dilation"], groups)
    return F.conv2d(F.pad(x, (left, right, top, bottom)), weight, bias, op["strides"], 0, op["dilation"], groups)


def _conv2d(layer: _Layer, op: Op, x: Tensor) -> Tensor:
    return _convolve(op, x, layer.tensor("weight"), layer.tensor("bias"), op.get("groups", 1))


def _depthwise(layer: _Layer, op: Op, x: Tensor) -> Tensor:
    return _convolve(op, x, layer.tensor("weight"), layer.tensor("bias"), x.shape[1])


def _separable(layer: _Layer, op: Op, x: Tensor) -> Tensor:
    x = _convolve(op, x, layer.tensor("depthwise"), None, x.shape[1])
    pointwise = layer.tensor("pointwise")
    assert pointwise is not None
    return F.conv2d(x, pointwise, layer.tensor("bias"))


def _transposed(layer: _Layer, op: Op, x: Tensor) -> Tensor:
    weight = layer.tensor("weight")
    assert weight is not None
    y = F.conv_transpose2d(x, weight, layer.tensor("bias"), op["strides"], 0, 0, 1, op["dilation"])
    borders: list[int] = []
    for axis in (1, 0):
        reach = (op["kernel"][axis] - 1) * op["dilation"][axis] + 1
        extra = reach - op["strides"][axis]
        if extra < 0:
            borders += [0, -extra]  # pixels that no weight reaches
        elif op["padding"] == "same":
            borders += [-(extra // 2), -(extra - extra // 2)]
        else:
            borders += [0, 0]
    if not any(borders):
        return y
    y = F.pad(y, borders)
    if max(borders) > 0 and layer.tensor("bias") is not None:
        y = _bias_in_gaps(y, layer.tensor("bias"), borders)
    return y


def _bias_in_gaps(y: Tensor, bias: Tensor | None, borders: list[int]) -> Tensor:
    assert bias is not None
    _, right, _, bottom = (max(0, border) for border in borders)
    gap = torch.zeros_like(y[:1, :1])
    if right:
        gap[..., -right:] = 1
    if bottom:
        gap[..., -bottom:, :] = 1
    return y + gap * bias[:, None, None]


def _max_pool(layer: _Layer, op: Op, x: Tensor) -> Tensor:
    if op["padding"] == "same":
        borders = _same(x, op["kernel"], op["strides"], [1, 1])
        if any(borders):
            x = F.pad(x, borders, value=float("-inf"))
    return F.max_pool2d(x, op["kernel"], op["strides"])


def _average_pool(layer: _Layer, op: Op, x: Tensor) -> Tensor:
    borders = _same(x, op["kernel"], op["strides"], [1, 1]) if op["padding"] == "same" else [0, 0, 0, 0]
    if not any(borders):
        return F.avg_pool2d(x, op["kernel"], op["strides"])
    # The padding is not counted among what is averaged.
    inside = F.avg_pool2d(F.pad(torch.ones_like(x[:1, :1]), borders), op["kernel"], op["strides"])
    return F.avg_pool2d(F.pad(x, borders), op["kernel"], op["strides"]) / inside


def _batch_norm(layer: _Layer, op: Op, x: Tensor) -> Tensor:
    return F.batch_norm(
        x,
        layer.tensor("running_mean"),
        layer.tensor("running_var"),
        layer.tensor("weight"),
        layer.tensor("bias"),
        False,
        0.0,
        op["epsilon"],
    )


def _group_norm(layer: _Layer, op: Op, x: Tensor) -> Tensor:
    groups = x.shape[1] if op["op"] == "instance_norm" or op.get("groups") == -1 else op["groups"]
    return F.group_norm(x, groups, layer.tensor("weight"), layer.tensor("bias"), op["epsilon"])


def _layer_norm(layer: _Layer, op: Op, x: Tensor) -> Tensor:
    y = F.layer_norm(x.movedim(1, -1), (x.shape[1],), layer.tensor("weight"), layer.tensor("bias"), op["epsilon"])
    return y.movedim(-1, 1)


def _normalise(layer: _Layer, op: Op, x: Tensor) -> Tensor:
    mean, variance = layer.tensor("running_mean"), layer.tensor("running_var")
    assert mean is not None and variance is not None
    return (x - mean[:, None, None]) / variance.sqrt().clamp_min(1e-7)[:, None, None]


def _dense(layer: _Layer, op: Op, x: Tensor) -> Tensor:
    weight = layer.tensor("weight")
    assert weight is not None
    if x.ndim == 4:
        return F.conv2d(x, weight[:, :, None, None], layer.tensor("bias"))
    return F.linear(x, weight, layer.tensor("bias"))


def _relu(layer: _Layer, op: Op, x: Tensor) -> Tensor:
    slope, threshold, top = op["slope"], op["threshold"], op["top"]
    if threshold == 0:
        y = F.leaky_relu(x, slope) if slope else F.relu(x)
    else:
        y = torch.where(x >= threshold, x, slope * (x - threshold))
    return y if top is None else y.clamp_max(top)


def _prelu(layer: _Layer, op: Op, x: Tensor) -> Tensor:
    weight = layer.tensor("weight")
    assert weight is not None
    return F.relu(x) - weight * F.relu(-x)


def _rescale(layer: _Layer, op: Op, x: Tensor) -> Tensor:
    scale, offset = (x.new_tensor(op[name])[:, None, None] for name in ("scale", "offset"))
    return x * scale + offset


def _upsample(layer: _Layer, op: Op, x: Tensor) -> Tensor:
    size = (x.shape[2] * op["size"][0], x.shape[3] * op["size"][1])
    if op["mode"] == "nearest":
        return F.interpolate(x, size=size, mode="nearest")
    return F.interpolate(x, size=size, mode="bilinear", align_corners=False)


def _resize(layer: _Layer, op: Op, x: Tensor) -> Tensor:
    if op.get("mode") == "nearest":  # by pixel centres, as TensorFlow does it
        return F.interpolate(x, size=tuple(op["size"]), mode="nearest-exact")
    return F.interpolate(x, size=tuple(op["size"]), mode="bilinear", align_corners=False)


def _crop(layer: _Layer, op: Op, x: Tensor) -> Tensor:
    top, bottom, left, right = op["borders"]
    return x[:, :, top : x.shape[2] - bottom, left : x.shape[3] - right]


def _pad(layer: _Layer, op: Op, x: Tensor) -> Tensor:
    top, bottom, left, right = op["borders"]
    return F.pad(x, (left, right, top, bottom))


def _fold(function: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    def merge(layer: _Layer, op: Op, *inputs: Tensor) -> Tensor:
        y = inputs[0]
        for x in inputs[1:]:
            y = function(y, x)
        return y

    return merge


def _average(layer: _Layer, op: Op, *inputs: Tensor) -> Tensor:
    return torch.stack(torch.broadcast_tensors(*inputs)).mean(0)


_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "linear": lambda x: x,
    "relu": F.relu,
    "relu6": F.relu6,
    "sigmoid": torch.sigmoid,
    "softmax": lambda x: torch.softmax(x, 1),
    "tanh": torch.tanh,
    "elu": F.elu,
    "selu": F.selu,
    "softplus": F.softplus,
    "softsign": F.softsign,
    "silu": F.silu,
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "exponential": torch.exp,
    "mish": F.mish,
    "hard_sigmoid": F.hardsigmoid,
    "hard_sigmoid_2": lambda x: (0.2 * x + 0.5).clamp(0, 1),
    "hard_silu": F.hardswish,
    "leaky_relu": lambda x: F.leaky_relu(x, 0.2),
}

_OPERATIONS: dict[str, Callable[..., Tensor]] = {
    "identity": lambda layer, op, x: x,
    "activation": lambda layer, op, x: _ACTIVATIONS[op["activation"]](x),
    "conv2d": _conv2d,
    "conv2d_transpose": _transposed,
    "depthwise_conv2d": _depthwise,
    "separable_conv2d": _separable,
    "dense": _dense,
    "batch_norm": _batch_norm,
    "layer_norm": _layer_norm,
    "group_norm": _group_norm,
    "instance_norm": _group_norm,
    "normalise": _normalise,
    "prelu": _prelu,
    "relu": _relu,
    "elu": lambda layer, op, x: F.elu(x, op["alpha"]),
    "max_pool": _max_pool,
    "average_pool": _average_pool,
    "mean": lambda layer, op, x: x.mean((2, 3), keepdim=op["keep"]),
    "to_map": lambda layer, op, x: x[:, :, None, None],
    "upsample": _upsample,
    "pad": _pad,
    "crop": _crop,
    "rescale": _rescale,
    "max": lambda layer, op, x: x.amax((2, 3), keepdim=op["keep"]),
    "mean_channels": lambda layer, op, x: x.mean(1, keepdim=True),
    "max_channels": lambda layer, op, x: x.amax(1, keepdim=True),
    "resize": _resize,
    "concatenate": lambda layer, op, *inputs: torch.cat(inputs, op["axis"]),
    "add": _fold(torch.add),
    "multiply": _fold(torch.mul),
    "subtract": _fold(torch.sub),
    "divide": _fold(torch.div),
    "maximum": _fold(torch.maximum),
    "minimum": _fold(torch.minimum),
    "average": _average,
}
