"""`medseg inspect` and `medseg convert`: what they print, and their exit status."""

from __future__ import annotations

import json
import pickle
import signal
from types import SimpleNamespace

import numpy as np
import pytest
from medseg.cli import main
from medseg.models import inspect_model, open_model


@pytest.fixture
def medseg(capsys):
    """Run the command in this process, where torch is loaded already."""
    before = signal.getsignal(signal.SIGTERM)

    def run(*arguments: object) -> SimpleNamespace:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return SimpleNamespace(returncode=ended.value.code, stdout=out, stderr=err)

    yield run
    signal.signal(signal.SIGTERM, before)


def test_inspect_prints_one_json_object(medseg, carded, model_files) -> None:
    done = medseg("inspect", carded["onnx"], "--json")
    assert done.returncode == 0 and done.stderr == ""
    report = json.loads(done.stdout)
    assert report["format"] == "onnx" and report["card"]["name"] == "small" and report["missing"] == []
    assert report["in_channels"] == report["out_channels"] == 1 and report["multiple_of"] == 8
    bare = json.loads(medseg("inspect", model_files["onnx"], "--json").stdout)
    assert bare["card"] is None and "plane" in bare["missing"] and bare["draft"]["output"]["activation"] == "sigmoid"


def test_inspect_says_in_words_what_a_person_needs(medseg, carded, model_files) -> None:
    text = medseg("inspect", carded["safetensors"]).stdout
    assert all(word in text for word in ("safetensors", "unet2d", "small", "axial", "PLS", "1 ducts"))
    text = medseg("inspect", model_files["fixed"]).stdout
    assert all(word in text for word in ("40 × 56 only", "missing", "fixed.onnx.card.json"))


@pytest.mark.parametrize("json_flag", [[], ["--json"]])
def test_inspect_ends_with_2_for_a_refused_file(medseg, tmp_path, json_flag) -> None:
    path = tmp_path / "model.pt"
    path.write_bytes(pickle.dumps({"a": print}))
    done = medseg("inspect", path, *json_flag)
    assert done.returncode == 2 and "pickle" in done.stderr and len(done.stderr.strip().splitlines()) == 1
    assert done.stdout == ""


def test_inspect_of_an_unsafe_model_tells_all_and_ends_with_2(medseg, tmp_path) -> None:
    from onnx import TensorProto, helper

    shape = ["b", 1, "h", "w"]
    graph = helper.make_graph(
        [helper.make_node("PyOp", ["x"], ["y"], domain="evil")],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
    )
    path = tmp_path / "evil.onnx"
    path.write_bytes(helper.make_model(graph).SerializeToString())
    done = medseg("inspect", path, "--json")
    assert done.returncode == 2 and "evil" in json.loads(done.stdout)["unsafe"][0]


@pytest.mark.parametrize(
    ("kind", "suffix"),
    [
        ("safetensors", ".onnx"),
        ("safetensors", ".pt"),
        ("torchscript", ".onnx"),
        ("torchscript", ".safetensors"),
        ("onnx", ".onnx"),
    ],
)
def test_convert_carries_card_and_numbers_over(medseg, carded, slices, expected, tmp_path, kind, suffix) -> None:
    out = tmp_path / f"converted{suffix}"
    done = medseg("convert", carded[kind], out, "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["largest_probability_difference"] < 1e-5 and result["has_card"]
    with open_model(out, device="cpu") as model:
        np.testing.assert_allclose(model.run(slices), expected, atol=1e-5)
        assert model.card is not None and model.card.name == "small" and model.warnings == []
        assert model.card.training["conversion"]["from"] == inspect_model(carded[kind]).format
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_convert_takes_a_card_and_serves_models_without_one(medseg, model_files, card, tmp_path) -> None:
    from medseg.card import write_card

    write_card(card, tmp_path / "card.json")
    done = medseg("convert", model_files["safetensors"], tmp_path / "a.onnx", "--card", tmp_path / "card.json")
    assert done.returncode == 0 and "card inside" in done.stdout
    done = medseg("convert", model_files["torchscript"], tmp_path / "b.onnx")
    assert done.returncode == 0 and "no card" in done.stdout
    assert open_model(tmp_path / "b.onnx", device="cpu").card is None


@pytest.mark.parametrize(
    ("kind", "out", "word"),
    [
        ("onnx", "model.pt", "yet"),
        ("onnx", "model.safetensors", "yet"),
        ("safetensors", "model.pt2", "yet"),
        ("safetensors", "bundle", "yet"),
        ("safetensors", "missing/model.onnx", "does not exist"),
    ],
)
def test_convert_says_what_is_not_possible_and_writes_nothing(medseg, carded, tmp_path, kind, out, word) -> None:
    before = sorted(tmp_path.iterdir())
    done = medseg("convert", carded[kind], tmp_path / out)
    assert done.returncode == 2 and word in done.stderr and len(done.stderr.strip().splitlines()) == 1
    assert sorted(tmp_path.iterdir()) == before
