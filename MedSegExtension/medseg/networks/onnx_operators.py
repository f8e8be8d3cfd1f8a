"""ONNX operators of 2D networks in PyTorch (github.com/onnx/onnx/blob/main/docs/Operators.md), by name on a list.

Each takes the values of its inputs (None where one is left out), its attributes and the operator set's number. A value
is a tensor, or, where a graph reckons with sizes, a Python number or a tuple of them, so that sizes stay free when the
network is exported again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

Attributes = dict[str, Any]
Value = Any


class OperatorError(ValueError):
    """The operator is used in a way that is not on the list; ``args[0]`` says which."""


#: TensorProto.DataType of what casts produce.
DTYPES = {
    1: torch.float32,
    2: torch.uint8,
    3: torch.int8,
    5: torch.int16,
    6: torch.int32,
    7: torch.int64,
    9: torch.bool,
    10: torch.float16,
    11: torch.float64,
    16: torch.bfloat16,
}
_WHOLE = {6, 7}


def is_size(value: Value) -> bool:
    """Whether a value is a size or a row of them rather than a tensor."""
    return not isinstance(value, Tensor)


def as_tensor(value: Value, like: Tensor | None = None) -> Tensor:
    """The value as a tensor (sizes become int64)."""
    if isinstance(value, Tensor):
        return value
    return torch.tensor(value, device=None if like is None else like.device)


def sizes(value: Value) -> tuple[Any, ...]:
    """A row of sizes from a value that must be one. Raises OperatorError."""
    if isinstance(value, tuple):
        return value
    if not isinstance(value, Tensor):
        return (value,)
    if value.numel() > 16 or value.ndim > 1:
        raise OperatorError("it takes a whole tensor where a row of sizes is expected")
    return tuple(int(n) for n in value.reshape(-1).tolist())


def numbers(value: Value) -> list[float]:
    """The numbers in a small tensor or row. Raises OperatorError."""
    if isinstance(value, Tensor):
        if value.numel() > 16:
            raise OperatorError("it takes a whole tensor where a few numbers are expected")
        return [float(n) for n in value.reshape(-1).tolist()]
    return [float(n) for n in (value if isinstance(value, tuple) else (value,))]


def axes_of(inputs: Sequence[Value], attributes: Attributes, place: int) -> tuple[int, ...] | None:
    """Axes, which older operator sets keep as an attribute and newer ones as an input."""
    if "axes" in attributes:
        return tuple(attributes["axes"])
    if len(inputs) > place and inputs[place] is not None:
        return tuple(int(axis) for axis in sizes(inputs[place]))
    return None


def _pads(attributes: Attributes, x: Tensor, kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int]):
    """(top, left, bottom, right) as attributes or ``auto_pad`` say."""
    auto = attributes.get("auto_pad", "NOTSET") or "NOTSET"
    if auto == "NOTSET":
        return tuple(attributes.get("pads") or (0, 0, 0, 0))
    if auto == "VALID":
        return (0, 0, 0, 0)
    if tuple(dilations) != (1, 1):
        raise OperatorError("its padding is automatic and its kernel dilated, which runtimes do differently")
    ends = []
    for side, k, s in zip(x.shape[2:], kernel, strides, strict=True):
        need = max(0, (-(-side // s) - 1) * s + k - side)
        small = need // 2
        ends.append((small, need - small) if auto == "SAME_UPPER" else (need - small, small))
    (top, bottom), (left, right) = ends
    return (top, left, bottom, right)


def _two(attributes: Attributes, name: str, default: int = 1) -> tuple[int, int]:
    values = tuple(attributes.get(name) or (default, default))
    if len(values) != 2:
        raise OperatorError(f"its {name} are {values}, two are needed")
    return values


def conv(inputs: list[Value], attributes: Attributes, opset: int) -> Tensor:
    x, weight = inputs[0], inputs[1]
    bias = inputs[2] if len(inputs) > 2 else None
    strides, dilations = _two(attributes, "strides"), _two(attributes, "dilations")
    top, left, bottom, right = _pads(attributes, x, weight.shape[2:], strides, dilations)
    if (top, left) != (bottom, right):
        x, top, left = F.pad(x, (left, right, top, bottom)), 0, 0
    return F.conv2d(x, weight, bias, strides, (top, left), dilations, int(attributes.get("group", 1)))


def conv_transpose(inputs: list[Value], attributes: Attributes, opset: int) -> Tensor:
    x, weight = inputs[0], inputs[1]
    bias = inputs[2] if len(inputs) > 2 else None
    strides, dilations = _two(attributes, "strides"), _two(attributes, "dilations")
    extra = _two(attributes, "output_padding", 0)
    auto = attributes.get("auto_pad", "NOTSET") or "NOTSET"
    if attributes.get("output_shape") or auto not in ("NOTSET", "VALID"):
        raise OperatorError("its output size is given, not its padding")
    top, left, bottom, right = tuple(attributes.get("pads") or (0, 0, 0, 0))
    group = int(attributes.get("group", 1))
    y = F.conv_transpose2d(x, weight, bias, strides, (0, 0), extra, group, dilations)
    return y[:, :, top : y.shape[2] - bottom, left : y.shape[3] - right]


def max_pool(inputs: list[Value], attributes: Attributes, opset: int) -> Tensor:
    x = inputs[0]
    kernel, strides, dilations = (
        _two(attributes, "kernel_shape"),
        _two(attributes, "strides"),
        _two(attributes, "dilations"),
    )
    top, left, bottom, right = _pads(attributes, x, kernel, strides, dilations)
    if top or left or bottom or right:
        x = F.pad(x, (left, right, top, bottom), value=float("-inf"))
    return F.max_pool2d(x, kernel, strides, 0, dilations, bool(attributes.get("ceil_mode", 0)))


def average_pool(inputs: list[Value], attributes: Attributes, opset: int) -> Tensor:
    x = inputs[0]
    kernel, strides = _two(attributes, "kernel_shape"), _two(attributes, "strides")
    top, left, bottom, right = _pads(attributes, x, kernel, strides, (1, 1))
    if _two(attributes, "dilations") != (1, 1) or (top, left) != (bottom, right):
        raise OperatorError("its window is dilated or padded on one side")
    counted = bool(attributes.get("count_include_pad", 0))
    return F.avg_pool2d(x, kernel, strides, (top, left), bool(attributes.get("ceil_mode", 0)), counted)


def batch_norm(inputs: list[Value], attributes: Attributes, opset: int) -> Tensor:
    if attributes.get("training_mode"):
        raise OperatorError("it is in training mode")
    x, scale, shift, mean, variance = inputs[:5]
    return F.batch_norm(x, mean, variance, scale, shift, False, 0.0, float(attributes.get("epsilon", 1e-5)))


def instance_norm(inputs: list[Value], attributes: Attributes, opset: int) -> Tensor:
    x, scale, shift = inputs[:3]
    return F.instance_norm(x, None, None, scale, shift, True, 0.0, float(attributes.get("epsilon", 1e-5)))


def group_norm(inputs: list[Value], attributes: Attributes, opset: int) -> Tensor:
    x, scale, shift = inputs[:3]
    if opset < 21 and scale.shape[0] != x.shape[1]:  # one scale a group, before it became one a channel
        repeat = x.shape[1] // scale.shape[0]
        scale, shift = scale.repeat_interleave(repeat), shift.repeat_interleave(repeat)
    return F.group_norm(x, int(attributes["num_groups"]), scale, shift, float(attributes.get("epsilon", 1e-5)))


def layer_norm(inputs: list[Value], attributes: Attributes, opset: int) -> Tensor:
    x, scale = inputs[0], inputs[1]
    shift = inputs[2] if len(inputs) > 2 else None
    axis = int(attributes.get("axis", -1)) % x.ndim
    y = F.layer_norm(x, x.shape[axis:], None, None, float(attributes.get("epsilon", 1e-5))) * scale
    return y if shift is None else y + shift


def softmax(inputs: list[Value], attributes: Attributes, opset: int) -> Tensor:
    x = inputs[0]
    if opset >= 13:
        return torch.softmax(x, int(attributes.get("axis", -1)))
    # Until then everything from the axis on is one row.
    axis = int(attributes.get("axis", 1)) % x.ndim
    return torch.softmax(x.flatten(axis), axis).reshape(x.shape)


def clip(inputs: list[Value], attributes: Attributes, opset: int) -> Tensor:
    low = attributes.get("min", inputs[1] if len(inputs) > 1 else None)
    high = attributes.get("max", inputs[2] if len(inputs) > 2 else None)
    bounds = [None if bound is None else numbers(bound)[0] for bound in (low, high)]
    return inputs[0] if bounds == [None, None] else torch.clamp(inputs[0], *bounds)


def prelu(inputs: list[Value], attributes: Attributes, opset: int) -> Tensor:
    x, slope = inputs
    return torch.where(x < 0, x * slope, x)


def pad(inputs: list[Value], attributes: Attributes, opset: int) -> Tensor:
    x = inputs[0]
    mode = attributes.get("mode", "constant")
    ends = attributes.get("pads") or sizes(inputs[1])
    given = inputs[2] if len(inputs) > 2 else attributes.get("value")
    value = 0.0 if given is None else numbers(given)[0]
    axes = axes_of(inputs, {}, 3)
    half = len(ends) // 2
    wanted = list(axes) if axes is not None else list(range(half))
    before, after = [0] * x.ndim, [0] * x.ndim
    for place, axis in enumerate(wanted):
        before[axis], after[axis] = ends[place], ends[place + half]
    flat: list[Any] = []
    for axis in reversed(range(x.ndim)):
        flat += [before[axis], after[axis]]
    if mode == "constant":
        return F.pad(x, flat, value=value)
    if any(before[:2]) or any(after[:2]) or mode not in ("reflect", "edge"):
        raise OperatorError(f"its mode is {mode}")
    return F.pad(x, flat[:4], mode="reflect" if mode == "reflect" else "replicate")


def resize(inputs: list[Value], attributes: Attributes, opset: int) -> Tensor:
    x = inputs[0]
    mode = attributes.get("mode", "nearest")
    place = attributes.get("coordinate_transformation_mode", "half_pixel" if opset >= 11 else "asymmetric")
    if attributes.get("antialias") or attributes.get("exclude_outside") or attributes.get("axes"):
        raise OperatorError("it smooths, leaves borders out or names axes")
    scales = inputs[1] if len(inputs) == 2 else inputs[2] if len(inputs) > 2 else None
    given = inputs[3] if len(inputs) > 3 else None
    factors = None if scales is None or _is_empty(scales) else numbers(scales)
    if factors is None and given is None:
        raise OperatorError("it has neither sizes nor scales")
    if factors is not None and (len(factors) != 4 or factors[:2] != [1.0, 1.0]):
        raise OperatorError("it resizes batch or channels")
    size = None if factors is not None else sizes(given)[2:]
    options: dict[str, Any] = {"size": size} if factors is None else {"scale_factor": tuple(factors[2:])}
    if mode == "nearest":
        rounding = attributes.get("nearest_mode", "round_prefer_floor" if opset >= 11 else "floor")
        whole = factors is not None and all(factor >= 1 and factor == int(factor) for factor in factors)
        if place == "asymmetric" and rounding == "floor":
            return F.interpolate(x, mode="nearest", **options)
        # To a whole multiple every way of rounding repeats pixels; otherwise PyTorch's exact mode rounds half up.
        if place in ("half_pixel", "pytorch_half_pixel") and (whole or rounding == "round_prefer_ceil"):
            return F.interpolate(x, mode="nearest-exact", **options)
        if place in ("half_pixel", "pytorch_half_pixel") and rounding == "round_prefer_floor":
            return F.interpolate(x, mode="nearest-exact", **options)
        raise OperatorError(f"it takes nearest pixels by {place} and {rounding}")
    if mode not in ("linear", "cubic"):
        raise OperatorError(f"its mode is {mode}")
    if mode == "cubic" and abs(float(attributes.get("cubic_coeff_a", -0.75)) + 0.75) > 1e-6:
        raise OperatorError("its cubic coefficient is not PyTorch's")
    if place not in ("half_pixel", "pytorch_half_pixel", "align_corners"):
        raise OperatorError(f"it interpolates by {place}")
    return F.interpolate(
        x, mode="bilinear" if mode == "linear" else "bicubic", align_corners=place == "align_corners", **options
    )


def _is_empty(value: Value) -> bool:
    return value.numel() == 0 if isinstance(value, Tensor) else isinstance(value, tuple) and not value


# Sizes and shapes.


def shape(inputs: list[Value], attributes: Attributes, opset: int) -> Value:
    full = tuple(as_tensor(inputs[0]).shape)
    return full[slice(attributes.get("start"), attributes.get("end"))]


def gather(inputs: list[Value], attributes: Attributes, opset: int) -> Value:
    data, index = inputs
    axis = int(attributes.get("axis", 0))
    if is_size(data):
        if isinstance(index, Tensor) and index.ndim > 1:
            raise OperatorError("it gathers sizes by a table")
        row = data if isinstance(data, tuple) else (data,)
        if is_size(index):
            return tuple(row[int(n)] for n in index) if isinstance(index, tuple) else row[int(index)]
        return row[int(index)] if index.ndim == 0 else tuple(row[int(n)] for n in index.tolist())
    chosen = as_tensor(index, data)
    if chosen.ndim == 0:
        return data.select(axis, int(chosen))
    if chosen.ndim > 1:
        raise OperatorError("it gathers by a table")
    return data.index_select(axis, chosen.to(data.device) % data.shape[axis])


def slice_(inputs: list[Value], attributes: Attributes, opset: int) -> Value:
    data = inputs[0]
    starts = attributes.get("starts") or sizes(inputs[1])
    ends = attributes.get("ends") or sizes(inputs[2])
    axes = axes_of(inputs, attributes, 3)
    steps = sizes(inputs[4]) if len(inputs) > 4 and inputs[4] is not None else (1,) * len(starts)
    if is_size(data):
        return data[slice(starts[0], ends[0], steps[0])]
    for place, (start, end, step) in enumerate(zip(starts, ends, steps, strict=True)):
        axis = place if axes is None else axes[place]
        if step == -1:
            raise OperatorError("it walks backwards")
        chosen = [slice(None)] * data.ndim
        chosen[axis] = slice(start, None if isinstance(end, int) and end >= 2**31 - 1 else end, step)
        data = data[tuple(chosen)]
    return data


def concat(inputs: list[Value], attributes: Attributes, opset: int) -> Value:
    if all(is_size(value) for value in inputs):
        return tuple(part for value in inputs for part in (value if isinstance(value, tuple) else (value,)))
    return torch.cat([as_tensor(value) for value in inputs], int(attributes["axis"]))


def split(inputs: list[Value], attributes: Attributes, opset: int, outputs: int = 1) -> tuple[Tensor, ...]:
    axis = int(attributes.get("axis", 0))
    parts = attributes.get("split") or (sizes(inputs[1]) if len(inputs) > 1 and inputs[1] is not None else None)
    if parts is None:
        count = int(attributes.get("num_outputs", outputs))
        return torch.split(inputs[0], -(-inputs[0].shape[axis] // count), axis)
    return torch.split(inputs[0], list(parts), axis)


def unsqueeze(inputs: list[Value], attributes: Attributes, opset: int) -> Value:
    data, axes = inputs[0], axes_of(inputs, attributes, 1) or ()
    if is_size(data):
        return data if isinstance(data, tuple) else (data,)
    for axis in sorted(axis % (data.ndim + len(axes)) for axis in axes):
        data = data.unsqueeze(axis)
    return data


def squeeze(inputs: list[Value], attributes: Attributes, opset: int) -> Value:
    data, axes = inputs[0], axes_of(inputs, attributes, 1)
    if is_size(data):
        return data[0] if isinstance(data, tuple) and len(data) == 1 else data
    return data.squeeze() if axes is None else data.squeeze(tuple(axes))


def reshape(inputs: list[Value], attributes: Attributes, opset: int) -> Value:
    data, wanted = inputs[0], attributes.get("shape") or sizes(inputs[1])
    if is_size(data):
        return data if tuple(wanted) != () else (data[0] if isinstance(data, tuple) else data)
    keep = not attributes.get("allowzero")
    return data.reshape([data.shape[n] if keep and isinstance(w, int) and w == 0 else w for n, w in enumerate(wanted)])


def cast(inputs: list[Value], attributes: Attributes, opset: int) -> Value:
    to = int(attributes["to"])
    if to not in DTYPES:
        raise OperatorError(f"it casts to type {to}")
    if is_size(inputs[0]):
        if to in _WHOLE:
            return inputs[0]
        return as_tensor(inputs[0]).to(DTYPES[to])
    if to in _WHOLE and inputs[0].numel() <= 8 and inputs[0].ndim <= 1 and not inputs[0].is_floating_point():
        return inputs[0]
    return inputs[0].to(DTYPES[to])


def expand(inputs: list[Value], attributes: Attributes, opset: int) -> Tensor:
    return inputs[0] * torch.ones(sizes(inputs[1]), dtype=inputs[0].dtype, device=inputs[0].device)


def constant_of_shape(inputs: list[Value], attributes: Attributes, opset: int) -> Value:
    value = attributes.get("value", 0.0)
    number = numbers(value)[0]
    whole = isinstance(value, tuple) or (isinstance(value, Tensor) and not value.is_floating_point())
    wanted = sizes(inputs[0])
    if whole and len(wanted) == 1 and isinstance(wanted[0], int) and wanted[0] <= 16:
        return (int(number),) * wanted[0]
    return torch.full(wanted, int(number) if whole else number)


def _reduce(function: Callable[..., Tensor]) -> Callable[[list[Value], Attributes, int], Tensor]:
    def apply(inputs: list[Value], attributes: Attributes, opset: int) -> Tensor:
        x, axes = inputs[0], axes_of(inputs, attributes, 1)
        if axes is None:
            if attributes.get("noop_with_empty_axes"):
                return x
            axes = tuple(range(x.ndim))
        return function(x, axes, keepdim=bool(attributes.get("keepdims", 1)))

    return apply


def _pointwise(function: Callable[..., Any], on_sizes: Callable[..., Any] | None = None):
    def apply(inputs: list[Value], attributes: Attributes, opset: int) -> Value:
        if all(is_size(value) for value in inputs):
            if on_sizes is None:
                raise OperatorError("it reckons with sizes")
            rows = [value for value in inputs if isinstance(value, tuple)]
            if not rows:
                return on_sizes(*inputs)
            longest = max(map(len, rows))
            full = [(value if isinstance(value, tuple) else (value,)) for value in inputs]
            full = [row * longest if len(row) == 1 else row for row in full]
            return tuple(on_sizes(*part) for part in zip(*full, strict=True))
        like = next(value for value in inputs if isinstance(value, Tensor))
        return function(*(as_tensor(value, like) for value in inputs))

    return apply


def _one(function: Callable[[Tensor], Tensor]) -> Callable[[list[Value], Attributes, int], Tensor]:
    return lambda inputs, attributes, opset: function(as_tensor(inputs[0]))


def _divide(a: Tensor, b: Tensor) -> Tensor:
    return torch.div(a, b) if a.is_floating_point() else torch.div(a, b, rounding_mode="trunc")


def _space_to_depth(inputs: list[Value], attributes: Attributes, opset: int) -> Tensor:
    block = int(attributes["blocksize"])
    n, c, h, w = inputs[0].shape
    y = inputs[0].reshape(n, c, h // block, block, w // block, block).permute(0, 3, 5, 1, 2, 4)
    return y.reshape(n, c * block * block, h // block, w // block)


def _depth_to_space(inputs: list[Value], attributes: Attributes, opset: int) -> Tensor:
    block = int(attributes["blocksize"])
    if attributes.get("mode", "DCR") == "CRD":
        return F.pixel_shuffle(inputs[0], block)
    n, c, h, w = inputs[0].shape
    y = inputs[0].reshape(n, block, block, c // block**2, h, w).permute(0, 3, 4, 1, 5, 2)
    return y.reshape(n, c // block**2, h * block, w * block)


OPERATORS: dict[str, Callable[..., Value]] = {
    "Conv": conv,
    "ConvTranspose": conv_transpose,
    "MaxPool": max_pool,
    "AveragePool": average_pool,
    "GlobalAveragePool": lambda i, a, o: i[0].mean((2, 3), keepdim=True),
    "GlobalMaxPool": lambda i, a, o: i[0].amax((2, 3), keepdim=True),
    "BatchNormalization": batch_norm,
    "InstanceNormalization": instance_norm,
    "GroupNormalization": group_norm,
    "LayerNormalization": layer_norm,
    "Relu": _one(F.relu),
    "LeakyRelu": lambda i, a, o: F.leaky_relu(i[0], float(a.get("alpha", 0.01))),
    "PRelu": prelu,
    "Elu": lambda i, a, o: F.elu(i[0], float(a.get("alpha", 1.0))),
    "Selu": _one(F.selu),
    "Sigmoid": _one(torch.sigmoid),
    "HardSigmoid": lambda i, a, o: torch.clamp(float(a.get("alpha", 0.2)) * i[0] + float(a.get("beta", 0.5)), 0, 1),
    "HardSwish": _one(F.hardswish),
    "Softplus": _one(F.softplus),
    "Mish": _one(F.mish),
    "Tanh": _one(torch.tanh),
    "Erf": _one(torch.erf),
    "Gelu": lambda i, a, o: F.gelu(i[0], approximate=a.get("approximate", "none")),
    "Softmax": softmax,
    "Clip": clip,
    "Add": _pointwise(torch.add, lambda a, b: a + b),
    "Sub": _pointwise(torch.sub, lambda a, b: a - b),
    "Mul": _pointwise(torch.mul, lambda a, b: a * b),
    "Div": _pointwise(_divide, lambda a, b: a // b),
    "Pow": _pointwise(torch.pow),
    "Min": _pointwise(torch.minimum, min),
    "Max": _pointwise(torch.maximum, max),
    "Equal": _pointwise(torch.eq),
    "Greater": _pointwise(torch.gt),
    "Less": _pointwise(torch.lt),
    "Where": _pointwise(torch.where),
    "Sqrt": _one(torch.sqrt),
    "Exp": _one(torch.exp),
    "Log": _one(torch.log),
    "Neg": _one(torch.neg),
    "Abs": _one(torch.abs),
    "Reciprocal": _one(torch.reciprocal),
    "Floor": _one(torch.floor),
    "Ceil": _one(torch.ceil),
    "Not": _one(torch.logical_not),
    "MatMul": lambda i, a, o: torch.matmul(i[0], i[1]),
    "Concat": concat,
    "Split": split,
    "Slice": slice_,
    "Gather": gather,
    "Squeeze": squeeze,
    "Unsqueeze": unsqueeze,
    "Reshape": reshape,
    "Flatten": lambda i, a, o: i[0].reshape(i[0].shape[: int(a.get("axis", 1))].numel(), -1),
    "Transpose": lambda i, a, o: i[0].permute(a.get("perm") or tuple(reversed(range(i[0].ndim)))),
    "Expand": expand,
    "Shape": shape,
    "ConstantOfShape": constant_of_shape,
    "Cast": cast,
    "Identity": lambda i, a, o: i[0],
    "Dropout": lambda i, a, o: i[0],
    "Pad": pad,
    "Resize": resize,
    "Upsample": resize,
    "ReduceMean": _reduce(torch.mean),
    "ReduceSum": _reduce(torch.sum),
    "ReduceMax": _reduce(torch.amax),
    "ReduceMin": _reduce(torch.amin),
    "DepthToSpace": _depth_to_space,
    "SpaceToDepth": _space_to_depth,
}
