"""ONNX files of every operator set in use, made by ONNX's own tools, against numpy and ONNX Runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from medseg.errors import InputError
from medseg.models import inspect_model, open_model

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
ort = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402


def unet(opset: int, kind: int = TensorProto.FLOAT, size: tuple[Any, Any] = ("height", "width")) -> Any:
    """Convolution, pooling, transposed convolution, concatenation, sigmoid: what every opset from 9 on has."""
    rng = np.random.default_rng(opset)
    dtype = helper.tensor_dtype_to_np_dtype(kind)
    weights = {
        "w1": rng.normal(0, 0.3, (4, 1, 3, 3)),
        "w2": rng.normal(0, 0.3, (8, 4, 3, 3)),
        "up": rng.normal(0, 0.3, (8, 4, 2, 2)),
        "w3": rng.normal(0, 0.3, (2, 8, 1, 1)),
    }
    nodes = [
        helper.make_node("Conv", ["image", "w1"], ["a"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("MaxPool", ["b"], ["c"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Conv", ["c", "w2"], ["d"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        helper.make_node("ConvTranspose", ["d", "up"], ["e"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Concat", ["b", "e"], ["f"], axis=1),
        helper.make_node("Conv", ["f", "w3"], ["g"], kernel_shape=[1, 1]),
        helper.make_node("Sigmoid", ["g"], ["masks"]),
    ]
    graph = helper.make_graph(
        nodes,
        "unet",
        [helper.make_tensor_value_info("image", kind, ["batch", 1, *size])],
        [helper.make_tensor_value_info("masks", kind, ["batch", 2, *size])],
        [numpy_helper.from_array(value.astype(dtype), name) for name, value in weights.items()],
    )
    version = helper.find_min_ir_version_for([helper.make_opsetid("", opset)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=version)
    onnx.checker.check_model(model)
    return model


def newest() -> int:
    """The newest operator set that both ONNX and the installed runtime know."""
    for opset in range(onnx.defs.onnx_opset_version(), 9, -1):
        try:
            ort.InferenceSession(unet(opset).SerializeToString(), providers=["CPUExecutionProvider"])
        except Exception:  # the runtime raises kinds of its own
            continue
        return opset
    raise AssertionError("no operator set in common")


OPSETS = sorted({9, 10, 11, 13, 15, 17, 18, 20, newest()})


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("opset", OPSETS)
def test_every_opset_gives_what_onnx_runtime_gives(opset: int, backend: str, tmp_path: Path) -> None:
    if backend == "openvino":
        pytest.importorskip("openvino")
    path = tmp_path / "model.onnx"
    onnx.save(unet(opset), path)
    report = inspect_model(path)
    assert report.format == "onnx" and report.ends_in == "sigmoid" and str(opset) in str(report.version)
    assert (report.in_channels, report.out_channels, report.fixed_size) == (1, 2, None)
    x = np.random.default_rng(0).normal(size=(3, 1, 32, 48)).astype(np.float32)
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (wanted,) = session.run(None, {"image": x})
    with open_model(path, backend=backend, device="cpu") as model:
        assert np.abs(model.run(x) - wanted).max() <= 1e-5
    assert wanted.std() > 0.01


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_half_precision_goes_in_and_out_as_float32(backend: str, tmp_path: Path) -> None:
    if backend == "openvino":
        pytest.importorskip("openvino")
    path = tmp_path / "half.onnx"
    onnx.save(unet(17, TensorProto.FLOAT16), path)
    x = np.random.default_rng(0).normal(size=(2, 1, 16, 24)).astype(np.float32)
    onnx.save(unet(17), tmp_path / "full.onnx")
    with open_model(path, backend=backend, device="cpu") as half, open_model(tmp_path / "full.onnx") as full:
        answer = half.run(x)
        assert answer.dtype == np.float32
        assert np.abs(answer - full.run(x)).max() < 5e-3


def test_a_fixed_size_is_told_and_held(tmp_path: Path) -> None:
    path = tmp_path / "fixed.onnx"
    onnx.save(unet(11, size=(32, 48)), path)
    assert inspect_model(path).fixed_size == (32, 48)
    with open_model(path, device="cpu") as model, pytest.raises(InputError, match="32"):
        model.run(np.zeros((1, 1, 16, 48), np.float32))


@pytest.mark.parametrize("many", ["inputs", "outputs"])
def test_several_inputs_or_outputs_are_refused_with_the_reason(many: str, tmp_path: Path) -> None:
    model = unet(17)
    if many == "outputs":
        model.graph.output.append(
            helper.make_tensor_value_info("d", TensorProto.FLOAT, ["batch", 8, "half", "half_width"])
        )
    else:
        model.graph.input.append(helper.make_tensor_value_info("second", TensorProto.FLOAT, ["batch", 1, 4, 4]))
        model.graph.node.append(helper.make_node("Identity", ["second"], ["unused"]))
    path = tmp_path / "model.onnx"
    onnx.save(model, path)
    with pytest.raises(InputError, match=r"inputs|outputs"):
        open_model(path, device="cpu")


@pytest.mark.parametrize("name", ["model.pt", "model.h5", "model.safetensors", "model", "model.nii.gz"])
def test_the_content_tells_and_not_the_ending(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    onnx.save(unet(17), path)
    assert inspect_model(path).format == "onnx"
    with open_model(path, device="cpu") as model:
        assert model.run(np.zeros((1, 1, 8, 8), np.float32)).shape == (1, 2, 8, 8)
