"""Networks with several inputs or outputs: told apart by card or graph, or refused with the line to write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from medseg.card import ModelCard
from medseg.cli.inspect import describe
from medseg.errors import InputError
from medseg.models import inspect_model, open_model
from medseg.models.converting import convert_model
from onnx import TensorProto, helper, numpy_helper

SLICES = np.random.default_rng(2).normal(size=(2, 2, 16, 24)).astype(np.float32)
WEIGHTS = np.random.default_rng(3).normal(size=(3, 2, 3, 3)).astype(np.float32)


def card(channels: int = 2, tensor: str | None = None, **entry: Any) -> dict[str, Any]:
    volumes = [f"v{number}" for number in range(channels)]
    output = {"activation": "softmax", "labels": [{"value": 1, "name": "a"}, {"value": 2, "name": "b"}]}
    return {
        "schema_version": 1,
        "name": "ports",
        "plane": "axial",
        "orientation": "PLS",
        "input": {"size": {"mode": "native"}, "normalisation": {"kind": "zscore"}, "volumes": volumes, **entry},
        "output": {**output, **({"tensor": tensor} if tensor else {})},
    }


def write(path: Path, nodes: list[Any], inputs: dict[str, Any], outputs: dict[str, Any], opset: int = 17) -> Path:
    """An ONNX file; inputs and outputs by name: shape, or (type, shape)."""

    def infos(given: dict[str, Any]) -> list[Any]:
        typed = {name: v if isinstance(v, tuple) else (TensorProto.FLOAT, v) for name, v in given.items()}
        return [helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in typed.items()]

    graph = helper.make_graph(nodes, "g", infos(inputs), infos(outputs), [numpy_helper.from_array(WEIGHTS, "w")])
    onnx.save(helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", opset)]), path)
    return path


def conv(x: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        return torch.conv2d(torch.from_numpy(x), torch.from_numpy(WEIGHTS), padding=1).numpy()


FREE, THREE = ["b", 2, "h", "w"], ["b", 3, "h", "w"]
HEAD = helper.make_node("Conv", ["x", "w"], ["main"], pads=[1, 1, 1, 1])


@pytest.fixture
def two_heads(tmp_path: Path) -> Path:
    """Two outputs of one size that are not each other's probabilities."""
    return write(
        tmp_path / "heads.onnx", [HEAD, helper.make_node("Neg", ["main"], ["aux"])], {"x": FREE},
        {"main": THREE, "aux": THREE},
    )  # fmt: skip


def test_what_cannot_be_told_is_asked_for_with_the_line_to_write(two_heads: Path) -> None:
    report = inspect_model(two_heads)
    assert [info.name for info in report.outputs] == ["main", "aux"] and "output.tensor" in report.missing
    with pytest.raises(InputError, match=r'2 outputs \(main .*aux .*write into the card.*"output": {"tensor": "main"'):
        open_model(two_heads, device="cpu")
    with pytest.raises(InputError, match="2 outputs"):
        open_model(two_heads, card=card(), device="cpu")
    with pytest.raises(InputError, match=r"output.tensor names 'other', the model has 'main', 'aux'"):
        open_model(two_heads, card=card(tensor="other"), device="cpu")


def test_inspect_prints_the_line_to_write(two_heads: Path) -> None:
    lines = describe(inspect_model(two_heads))
    assert any("output.tensor" in line for line in lines) and any('"tensor": "main"' in line for line in lines)
    named = describe(inspect_model(write_card_beside(two_heads, card(tensor="aux"))))
    assert not any("write into the card" in line for line in named)


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
@pytest.mark.parametrize(("name", "sign"), [("main", 1), ("aux", -1)])
def test_the_card_names_the_output(two_heads: Path, backend: str, name: str, sign: int) -> None:
    with open_model(two_heads, card=card(tensor=name), backend=backend, device="cpu") as model:
        assert model.out_channels == 3
        np.testing.assert_allclose(model.run(SLICES), sign * conv(SLICES), atol=1e-5)


@pytest.mark.parametrize("suffix", [".onnx", ".pt2", ".ts", ".safetensors", ""])
def test_a_conversion_leaves_one_output_and_a_card_without_names(two_heads: Path, tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"converted{suffix}"
    done = convert_model(two_heads, out, card=card(tensor="aux"))
    assert done.largest_probability_difference is not None and done.largest_probability_difference <= 1e-5
    report = inspect_model(out)
    assert len(report.outputs) <= 1 and report.card is not None and not report.card.names_tensors
    with open_model(out, device="cpu") as model:
        np.testing.assert_allclose(model.run(SLICES), -conv(SLICES), atol=1e-5)


def test_probabilities_classes_and_smaller_outputs_leave_no_doubt(tmp_path: Path) -> None:
    nodes = [
        HEAD,
        helper.make_node("Softmax", ["main"], ["probabilities"], axis=1),
        helper.make_node("ArgMax", ["probabilities"], ["classes"], axis=1),
        helper.make_node("AveragePool", ["main"], ["coarse"], kernel_shape=[2, 2], strides=[2, 2]),
    ]
    outputs = {
        "coarse": [1, 3, 8, 12],
        "probabilities": [1, 3, 16, 24],
        "classes": (TensorProto.INT64, [1, 1, 16, 24]),
        "main": [1, 3, 16, 24],
    }
    path = write(tmp_path / "many.onnx", nodes, {"x": [1, 2, 16, 24]}, outputs)
    report = inspect_model(path)
    assert "output.tensor" not in report.missing and "main" in report.inferred["output.tensor"]
    assert report.ends_in is None and report.out_channels == 3
    for backend in ("onnxruntime", "openvino"):
        with open_model(path, backend=backend, device="cpu") as model:
            np.testing.assert_allclose(model.run(SLICES), conv(SLICES), atol=1e-5)
    named = inspect_model(write_card_beside(path, card(tensor="probabilities")))
    assert named.ends_in == "softmax" and named.card is not None


def write_card_beside(path: Path, data: dict[str, Any]) -> Path:
    from medseg.card import card_path_beside, write_card

    write_card(ModelCard.from_dict(data), card_path_beside(path))
    return path


@pytest.mark.parametrize("opset", [11, 17])
def test_slices_are_divided_over_inputs_and_other_inputs_hold_a_number(tmp_path: Path, opset: int) -> None:
    nodes = [
        helper.make_node("Concat", ["flair", "t1"], ["x"], axis=1),
        HEAD,
        helper.make_node("Mul", ["main", "keep"], ["scaled"]),
    ]
    inputs = {"flair": ["b", 1, "h", "w"], "t1": ["b", 1, "h", "w"], "keep": []}
    path = write(tmp_path / "two.onnx", nodes, inputs, {"scaled": THREE}, opset)
    with pytest.raises(InputError, match=r'2 inputs for slices .*"input": {"tensors": \["flair", "t1"\]'):
        open_model(path, device="cpu")
    with pytest.raises(InputError, match=r'takes keep float32.*"constants": {"keep": 1.0}'):
        open_model(path, card=card(tensors=["flair", "t1"]), device="cpu")
    with pytest.raises(InputError, match=r"card gives 3 input channels, the model takes 2"):
        open_model(path, card=card(3, tensors=["t1", "flair"], constants={"keep": 0.5}), device="cpu")
    given = card(tensors=["t1", "flair"], constants={"keep": 0.5})
    for backend in ("onnxruntime", "openvino"):
        with open_model(path, card=given, backend=backend, device="cpu") as model:
            assert model.in_channels == 2
            np.testing.assert_allclose(model.run(SLICES), 0.5 * conv(SLICES[:, ::-1].copy()), atol=1e-5)
    for suffix in (".onnx", ".pt2"):
        convert_model(path, tmp_path / f"one{suffix}", card=given)
        with open_model(tmp_path / f"one{suffix}", device="cpu") as model:
            assert model.card is not None and not model.card.names_tensors
            np.testing.assert_allclose(model.run(SLICES), 0.5 * conv(SLICES[:, ::-1].copy()), atol=1e-5)


class Heads(torch.nn.Module):
    """Answers with a tuple or a dictionary of two tensors of one size; takes one input or two."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.conv = torch.nn.Conv2d(2, 3, 3, padding=1, bias=False)
        self.conv.weight = torch.nn.Parameter(torch.from_numpy(WEIGHTS), requires_grad=False)

    def forward(self, x: torch.Tensor, more: torch.Tensor | None = None) -> Any:
        main = self.conv(x if more is None else torch.cat((x, more), dim=1))
        return {"seg": main, "aux": -main} if self.kind == "dictionary" else (main, -main)


def test_an_exported_program_is_wired_by_the_card(tmp_path: Path) -> None:
    path = tmp_path / "two.pt2"
    sample = (torch.zeros(2, 1, 16, 24), torch.zeros(2, 1, 16, 24))
    torch.export.save(torch.export.export(Heads("tuple").eval(), sample), path)
    report = inspect_model(path)
    (first, second), (_, last) = [info.name for info in report.inputs], [info.name for info in report.outputs]
    assert "input.tensors" in report.missing
    with open_model(path, card=card(tensors=[second, first], tensor=last), device="cpu") as model:
        np.testing.assert_allclose(model.run(SLICES), -conv(SLICES[:, ::-1].copy()), atol=1e-5)


@pytest.mark.parametrize(("kind", "name"), [("tuple", "1"), ("dictionary", "aux")])
def test_torchscript_that_answers_with_several_is_wired_by_the_card(tmp_path: Path, kind: str, name: str) -> None:
    path = tmp_path / "two.ts"
    torch.jit.trace(Heads(kind).eval(), torch.zeros(1, 2, 16, 24), strict=False).save(str(path))
    with open_model(path, device="cpu") as model, pytest.raises(InputError, match=r'2 outputs.*"output": {"tensor"'):
        model.run(SLICES)
    with open_model(path, card=card(tensor=name), device="cpu") as model:
        np.testing.assert_allclose(model.run(SLICES), -conv(SLICES), atol=1e-5)
    with open_model(path, card=card(tensor="7"), device="cpu") as model, pytest.raises(InputError, match="none is"):
        model.run(SLICES)
    convert_model(path, tmp_path / "one.onnx", card=card(tensor=name))
    with open_model(tmp_path / "one.onnx", device="cpu") as model:
        np.testing.assert_allclose(model.run(SLICES), -conv(SLICES), atol=1e-5)


def test_torchvision_s_networks_answer_under_out(tmp_path: Path) -> None:
    class Named(Heads):
        def forward(self, x: torch.Tensor, more: torch.Tensor | None = None) -> Any:
            return {"aux": -self.conv(x), "out": self.conv(x)}

    path = tmp_path / "named.ts"
    torch.jit.trace(Named("").eval(), torch.zeros(1, 2, 16, 24), strict=False).save(str(path))
    with open_model(path, device="cpu") as model:
        np.testing.assert_allclose(model.run(SLICES), conv(SLICES), atol=1e-5)


def test_a_keras_model_is_wired_by_the_card(tmp_path: Path) -> None:
    from keras_models import keras

    first, second = keras.Input((None, None, 1), name="flair"), keras.Input((None, None, 1), name="t1")
    x = keras.layers.Concatenate()([first, second])
    main = keras.layers.Conv2D(3, 3, padding="same", use_bias=False, name="main")(x)
    aux = keras.layers.Conv2D(3, 3, padding="same", use_bias=False, name="aux")(x)
    model = keras.Model([first, second], [main, aux])
    model.get_layer("aux").set_weights([-WEIGHTS.transpose(2, 3, 1, 0)])
    for name in ("model.keras", "model.h5"):
        model.save(tmp_path / name)
        report = inspect_model(tmp_path / name)
        assert {info.name for info in report.outputs} == {"main", "aux"} and "input.tensors" in report.missing
        given = card(tensors=["t1", "flair"], tensor="aux")
        with open_model(tmp_path / name, card=given, device="cpu") as opened:
            np.testing.assert_allclose(opened.run(SLICES), -conv(SLICES[:, ::-1].copy()), atol=1e-5)
    for suffix in (".safetensors", ".onnx"):
        convert_model(tmp_path / "model.keras", tmp_path / f"one{suffix}", card=given)
        with open_model(tmp_path / f"one{suffix}", device="cpu") as opened:
            np.testing.assert_allclose(opened.run(SLICES), -conv(SLICES[:, ::-1].copy()), atol=1e-5)


def test_a_card_keeps_the_names_it_was_given() -> None:
    data = card(tensors=["a", "b"], constants={"keep": 1}, tensor="out")
    again = ModelCard.from_dict(ModelCard.from_dict(data).to_dict())
    assert again.input.tensors == ("a", "b") and again.input.constants == {"keep": 1.0} and again.output.tensor == "out"
    plain = ModelCard.from_dict(card()).to_dict()
    assert "tensors" not in plain["input"] and "constants" not in plain["input"] and "tensor" not in plain["output"]
