"""An ONNX graph rebuilt in PyTorch gives what ONNX Runtime gives, operator by operator."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from medseg.errors import InputError
from medseg.models.onnx_module import onnx_module
from medseg.networks.onnx_operators import OPERATORS
from onnx import TensorProto, helper, numpy_helper, save

SHAPE = (2, 4, 12, 10)
RNG = np.random.default_rng(5)


def weights(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


def whole(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def one(op: str, tensors: dict[str, np.ndarray] | None = None, **attributes: Any) -> tuple[list, dict[str, np.ndarray]]:
    """A graph of one operator on the image and on stored tensors."""
    tensors = tensors or {}
    return [helper.make_node(op, ["x", *tensors], ["y"], **attributes)], tensors


NORM = {"scale": weights(4), "shift": weights(4)}
CASES: dict[str, tuple[list, dict[str, np.ndarray]]] = {
    "Conv": one("Conv", {"w": weights(3, 4, 3, 3), "b": weights(3)}, pads=[1, 1, 1, 1]),
    "Conv grouped, strided": one("Conv", {"w": weights(6, 2, 3, 3)}, group=2, strides=[2, 2], pads=[0, 0, 1, 1]),
    "Conv same, strided": one("Conv", {"w": weights(3, 4, 3, 3)}, auto_pad="SAME_UPPER", strides=[2, 2]),
    "Conv same lower": one("Conv", {"w": weights(3, 4, 2, 2)}, auto_pad="SAME_LOWER"),
    "ConvTranspose": one("ConvTranspose", {"w": weights(4, 3, 2, 2), "b": weights(3)}, strides=[2, 2]),
    "ConvTranspose padded": one(
        "ConvTranspose", {"w": weights(4, 3, 3, 3)}, strides=[2, 2], pads=[1, 1, 1, 1], output_padding=[1, 1]
    ),
    "MaxPool": one("MaxPool", kernel_shape=[2, 2], strides=[2, 2]),
    "MaxPool padded": one("MaxPool", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
    "AveragePool": one("AveragePool", kernel_shape=[2, 2], strides=[2, 2]),
    "AveragePool padded": one("AveragePool", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
    "GlobalAveragePool": one("GlobalAveragePool"),
    "GlobalMaxPool": one("GlobalMaxPool"),
    "BatchNormalization": one(
        "BatchNormalization", {**NORM, "m": weights(4), "v": np.abs(weights(4)) + 0.1}, epsilon=1e-3
    ),
    "InstanceNormalization": one("InstanceNormalization", NORM, epsilon=1e-4),
    "LayerNormalization": one("LayerNormalization", {"s": weights(10), "t": weights(10)}, axis=-1),
    "Relu": one("Relu"),
    "LeakyRelu": one("LeakyRelu", alpha=0.2),
    "PRelu": one("PRelu", {"a": weights(4, 1, 1)}),
    "Elu": one("Elu", alpha=0.7),
    "Selu": one("Selu"),
    "Sigmoid": one("Sigmoid"),
    "HardSigmoid": one("HardSigmoid", alpha=0.3, beta=0.4),
    "HardSwish": one("HardSwish"),
    "Softplus": one("Softplus"),
    "Mish": one("Mish"),
    "Tanh": one("Tanh"),
    "Erf": one("Erf"),
    "Softmax": one("Softmax", axis=1),
    "Clip": one("Clip", {"low": np.float32(-0.3), "high": np.float32(0.6)}),
    "Add": one("Add", {"b": weights(4, 1, 1)}),
    "Sub": one("Sub", {"b": weights(1)}),
    "Mul": one("Mul", {"b": weights(1, 4, 1, 1)}),
    "Div": one("Div", {"b": np.abs(weights(4, 1, 1)) + 1}),
    "Pow": one("Pow", {"b": np.array(2.0, np.float32)}),
    "Min": one("Min", {"b": weights(1)}),
    "Max": one("Max", {"b": weights(1)}),
    "Neg": one("Neg"),
    "Abs": one("Abs"),
    "Exp": one("Exp"),
    "Floor": one("Floor"),
    "Ceil": one("Ceil"),
    "Identity": one("Identity"),
    "Dropout": one("Dropout"),
    "MatMul": one("MatMul", {"w": weights(10, 7)}),
    "Transpose": one("Transpose", perm=[0, 2, 3, 1]),
    "Flatten": one("Flatten", axis=2),
    "Slice": one("Slice", {"s": whole(1, -8), "e": whole(11, 2**62), "a": whole(2, 3), "t": whole(2, 1)}),
    "Pad constant": one("Pad", {"p": whole(0, 0, 1, 2, 0, 0, 3, 0), "v": np.float32(0.5)}),
    "Pad reflect": one("Pad", {"p": whole(0, 0, 1, 2, 0, 0, 3, 1)}, mode="reflect"),
    "Pad edge": one("Pad", {"p": whole(0, 0, 1, 2, 0, 0, 3, 1)}, mode="edge"),
    "ReduceMean": one("ReduceMean", {"a": whole(2, 3)}),
    "ReduceSum": one("ReduceSum", {"a": whole(1)}, keepdims=0),
    "ReduceMax": one("ReduceMax", {"a": whole(1)}),
    "ReduceMin": one("ReduceMin", {"a": whole(-1)}),
    "DepthToSpace": one("DepthToSpace", blocksize=2),
    "DepthToSpace CRD": one("DepthToSpace", blocksize=2, mode="CRD"),
    "SpaceToDepth": one("SpaceToDepth", blocksize=2),
    "Expand": one("Expand", {"s": whole(1, 1, 1, 1)}),
    "Squeeze": (
        [
            helper.make_node("Unsqueeze", ["x", "a"], ["u"]),
            helper.make_node("Squeeze", ["u", "a"], ["y"]),
        ],
        {"a": whole(1)},
    ),
    "Concat": ([helper.make_node("Concat", ["x", "x"], ["y"], axis=1)], {}),
    "Split": (
        [
            helper.make_node("Split", ["x", "parts"], ["a", "b"], axis=1),
            helper.make_node("Concat", ["b", "a"], ["y"], axis=1),
        ],
        {"parts": whole(1, 3)},
    ),
    "Reciprocal, Sqrt, Log": (
        [
            helper.make_node("Abs", ["x"], ["p"]),
            helper.make_node("Sqrt", ["p"], ["q"]),
            helper.make_node("Add", ["q", "c"], ["r"]),
            helper.make_node("Reciprocal", ["r"], ["s"]),
            helper.make_node("Log", ["s"], ["y"]),
        ],
        {"c": np.array(1.0, np.float32)},
    ),
    "Where, Greater, Less, Equal, Not": (
        [
            helper.make_node("Greater", ["x", "c"], ["g"]),
            helper.make_node("Less", ["x", "d"], ["l"]),
            helper.make_node("Equal", ["g", "l"], ["e"]),
            helper.make_node("Not", ["e"], ["n"]),
            helper.make_node("Where", ["n", "x", "c"], ["y"]),
        ],
        {"c": np.array(0.1, np.float32), "d": np.array(0.7, np.float32)},
    ),
    "Gather": one("Gather", {"i": whole(2, 0, -1)}, axis=1),
    "Gather one": one("Gather", {"i": np.array(1, np.int64)}, axis=1),
    "Cast": (
        [helper.make_node("Cast", ["x"], ["h"], to=6), helper.make_node("Cast", ["h"], ["y"], to=1)],
        {},
    ),
    "Shape, Gather, Unsqueeze, Concat, Reshape": (
        [
            helper.make_node("Shape", ["x"], ["full"]),
            helper.make_node("Gather", ["full", "zero"], ["n"], axis=0),
            helper.make_node("Unsqueeze", ["n", "axis"], ["row"]),
            helper.make_node("Concat", ["row", "rest"], ["sizes"], axis=0),
            helper.make_node("Reshape", ["x", "sizes"], ["y"]),
        ],
        {"zero": np.array(0, np.int64), "axis": whole(0), "rest": whole(4, -1)},
    ),
    "sizes: Slice, Mul, Add, Sub, Div, Cast": (
        [
            helper.make_node("Shape", ["x"], ["full"]),
            helper.make_node("Slice", ["full", "two", "four"], ["side"]),
            helper.make_node("Mul", ["side", "double"], ["big"]),
            helper.make_node("Add", ["big", "double"], ["bigger"]),
            helper.make_node("Sub", ["bigger", "double"], ["again"]),
            helper.make_node("Div", ["again", "double"], ["same"]),
            helper.make_node("Cast", ["same"], ["cast"], to=7),
            helper.make_node("Slice", ["full", "nought", "two"], ["head"]),
            helper.make_node("Concat", ["head", "cast"], ["sizes"], axis=0),
            helper.make_node("Resize", ["x", "", "", "sizes"], ["y"], mode="linear"),
        ],
        {"nought": whole(0), "two": whole(2), "four": whole(4), "double": whole(2)},
    ),
    "ConstantOfShape": (
        [
            helper.make_node("Shape", ["x"], ["full"]),
            helper.make_node(
                "ConstantOfShape", ["full"], ["c"], value=numpy_helper.from_array(np.array([1.5], np.float32))
            ),
            helper.make_node("Add", ["x", "c"], ["y"]),
        ],
        {},
    ),
    "Constant": (
        [
            helper.make_node("Constant", [], ["c"], value=numpy_helper.from_array(weights(4, 1, 1))),
            helper.make_node("Mul", ["x", "c"], ["y"]),
        ],
        {},
    ),
}
for mode, place, rounding in (
    ("nearest", "asymmetric", "floor"),
    ("nearest", "half_pixel", "round_prefer_floor"),
    ("linear", "half_pixel", None),
    ("linear", "align_corners", None),
    ("linear", "pytorch_half_pixel", None),
    ("cubic", "half_pixel", None),
):
    more = {"nearest_mode": rounding} if rounding else {}
    CASES[f"Resize {mode} {place}"] = (
        [helper.make_node("Resize", ["x", "", "s"], ["y"], mode=mode, coordinate_transformation_mode=place, **more)],
        {"s": np.array([1, 1, 2, 2], np.float32)},
    )
CASES["Resize down"] = (
    [helper.make_node("Resize", ["x", "", "s"], ["y"], mode="linear")],
    {"s": np.array([1, 1, 0.5, 0.5], np.float32)},
)
#: Of other operator sets: (nodes, tensors), set.
OLDER: dict[str, tuple[tuple[list, dict[str, np.ndarray]], int]] = {
    "Softmax": (one("Softmax", axis=1), 9),
    "Upsample": (one("Upsample", {"s": np.array([1, 1, 2, 2], np.float32)}, mode="nearest"), 9),
    "Upsample linear": (one("Upsample", {"s": np.array([1, 1, 3, 2], np.float32)}, mode="nearest"), 9),
    "Resize 10": (one("Resize", {"s": np.array([1, 1, 2, 2], np.float32)}, mode="nearest"), 10),
    "Clip": (one("Clip", min=-0.2, max=0.4), 9),
    "Pad": (one("Pad", pads=[0, 0, 1, 1, 0, 0, 2, 0], value=0.25), 9),
    "Slice": (one("Slice", starts=[1, 2], ends=[9, 8], axes=[2, 3]), 9),
    "Unsqueeze": (
        (
            [
                helper.make_node("Unsqueeze", ["x"], ["u"], axes=[0]),
                helper.make_node("Squeeze", ["u"], ["y"], axes=[0]),
            ],
            {},
        ),
        11,
    ),
    "Split": (
        (
            [
                helper.make_node("Split", ["x"], ["a", "b"], axis=1, split=[2, 2]),
                helper.make_node("Concat", ["b", "a"], ["y"], axis=1),
            ],
            {},
        ),
        11,
    ),
    "ReduceMean": (one("ReduceMean", axes=[2, 3]), 13),
    "GroupNormalization": (one("GroupNormalization", {"s": weights(2), "t": weights(2)}, num_groups=2), 18),
    "GroupNormalization 21": (one("GroupNormalization", NORM, num_groups=2), 21),
    "Gelu": (one("Gelu", approximate="tanh"), 20),
}


def write(path, graph: tuple[list, dict[str, np.ndarray]], opset: int) -> None:
    nodes, tensors = graph
    made = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", SHAPE[1], "h", "w"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(values), name) for name, values in tensors.items()],
    )
    save(helper.make_model(made, opset_imports=[helper.make_opsetid("", opset)], ir_version=8), path)


ALL = {f"{name} @18": (graph, 18) for name, graph in CASES.items()} | {
    f"{name} @{opset}": (graph, opset) for name, (graph, opset) in OLDER.items()
}


@pytest.mark.parametrize("name", ALL)
def test_an_operator_gives_what_onnx_runtime_gives(tmp_path, monkeypatch, name) -> None:
    # Checks of whole segmentation networks, which one operator is not.
    monkeypatch.setattr("medseg.models.onnx_module.reduction", lambda graph: 1)
    path = tmp_path / "one.onnx"
    write(path, *ALL[name])
    slices = np.random.default_rng(1).normal(size=SHAPE).astype(np.float32) * 2
    (expected,) = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(None, {"x": slices})
    network, _ = onnx_module(path)
    with torch.inference_mode():
        found = network(torch.from_numpy(slices)).numpy()
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=1e-5, rtol=1e-5)


def test_every_operator_on_the_list_is_in_a_case() -> None:
    used = {node.op_type for (nodes, _), _ in ALL.values() for node in nodes}
    assert OPERATORS.keys() - used == set()


@pytest.mark.parametrize(
    ("nodes", "word"),
    [
        ([helper.make_node("NonMaxSuppression", ["x", "x"], ["y"])], "NonMaxSuppression"),
        ([helper.make_node("Relu", ["x"], ["y"], domain="com.microsoft")], "com.microsoft"),
        (
            [helper.make_node("Resize", ["x", "", "s"], ["y"], coordinate_transformation_mode="tf_crop_and_resize")],
            "tf_",
        ),
    ],
)
def test_what_has_no_counterpart_is_refused_by_name(tmp_path, nodes, word) -> None:
    path = tmp_path / "odd.onnx"
    write(path, (nodes, {"s": np.array([1, 1, 2, 2], np.float32)}), 18)
    with pytest.raises(InputError, match=word):
        onnx_module(path)[0](torch.zeros(SHAPE))
