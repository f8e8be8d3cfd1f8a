"""`medseg inspect` and `medseg convert`: what they print, and their exit status."""

from __future__ import annotations

import json
import pickle
import signal
from types import SimpleNamespace

import pytest
from medseg.card import write_card
from medseg.cli import main
from medseg.errors import InputError, MedSegError
from medseg.models import inspect_model, isolated


@pytest.fixture
def medseg(capsys):
    """Run the command in this process; the worker it starts is a real one."""
    before = signal.getsignal(signal.SIGTERM)

    def run(*arguments: object) -> SimpleNamespace:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return SimpleNamespace(returncode=ended.value.code, stdout=out, stderr=err)

    yield run
    signal.signal(signal.SIGTERM, before)


def test_inspect_loads_in_a_worker_and_prints_one_json_object(medseg, carded) -> None:
    done = medseg("inspect", carded["onnx"], "--json")
    assert done.returncode == 0 and done.stderr == ""
    report = json.loads(done.stdout)
    assert report["format"] == "onnx" and report["card"]["name"] == "small" and report["missing"] == []
    assert report["in_channels"] == report["out_channels"] == 1 and report["multiple_of"] == 8
    assert report["loaded"]["slice"][0] == report["loaded"]["output"][0] == 1
    assert report["loaded"]["backend"] in ("onnxruntime", "openvino") and report["loaded"]["device"] == "cpu"


def test_inspect_says_in_words_what_a_person_needs(medseg, carded, model_files) -> None:
    text = medseg("inspect", carded["safetensors"]).stdout
    assert all(
        word in text
        for word in ("safetensors", "unet2d", "small", "axial", "PLS", "1 ducts", "yes, with torch", "slices: any × 1")
    )
    text = medseg("inspect", model_files["fixed"], "--static").stdout
    assert all(word in text for word in ("40 × 56 only", "missing", "fixed.onnx.card.json")) and "loads" not in text
    bare = json.loads(medseg("inspect", model_files["onnx"], "--static", "--json").stdout)
    assert bare["card"] is None and "plane" in bare["missing"] and bare["draft"]["output"]["activation"] == "sigmoid"
    assert bare["loaded"] == {}


def test_a_report_travels_as_json_and_comes_back(carded) -> None:
    for file in carded.values():
        report = inspect_model(file)
        again = type(report).from_dict(json.loads(json.dumps(report.as_dict())))
        assert again.as_dict() == report.as_dict() and again.card == report.card and again.inputs == report.inputs


@pytest.mark.parametrize("json_flag", [[], ["--json"]])
def test_inspect_ends_with_2_for_a_refused_file(medseg, tmp_path, json_flag) -> None:
    path = tmp_path / "model.pt"
    path.write_bytes(pickle.dumps({"a": print}))
    done = medseg("inspect", path, *json_flag)
    assert done.returncode == 2 and "pickle" in done.stderr and len(done.stderr.strip().splitlines()) == 1
    assert done.stdout == ""


def graph_of(operator: str, **options: str) -> bytes:
    from onnx import TensorProto, helper

    shape = ["b", 1, "h", "w"]
    graph = helper.make_graph(
        [helper.make_node(operator, ["x"], ["y"], **options)],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
    )
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 13)])
    return model.SerializeToString()


def test_inspect_of_an_unsafe_model_tells_all_and_ends_with_2(medseg, tmp_path) -> None:
    path = tmp_path / "evil.onnx"
    path.write_bytes(graph_of("PyOp", domain="evil"))
    done = medseg("inspect", path, "--json")
    assert done.returncode == 2 and "evil" in json.loads(done.stdout)["unsafe"][0]


def test_inspect_of_a_model_that_does_not_load_tells_what_it_is_and_ends_with_2(medseg, tmp_path) -> None:
    path = tmp_path / "unknown.onnx"
    path.write_bytes(graph_of("NoSuchOperator"))
    done = medseg("inspect", path)
    assert done.returncode == 2 and len(done.stderr.strip().splitlines()) == 1 and "cannot open" in done.stderr
    assert "loads        NO" in done.stdout and "opset 13" in done.stdout


def test_a_worker_that_takes_too_long_or_too_much_is_one_line(carded) -> None:
    found = isolated.inspect_isolated(carded["onnx"], timeout_s=0.001).loaded
    assert "longer than 0.001 s" in found["error"]
    # Fewer bytes than any backend takes to start.
    found = isolated.inspect_isolated(carded["onnx"], memory_limit_bytes=1 << 20).loaded
    assert "memory" in found["error"] and "\n" not in found["error"]


def test_a_conversion_whose_worker_dies_leaves_nothing(carded, tmp_path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    for options, kinds in (({"timeout_s": 0.01}, InputError), ({"memory_limit_bytes": 1 << 20}, MedSegError)):
        with pytest.raises(kinds) as caught:
            isolated.convert_isolated(carded["torchscript"], out / "model.onnx", **options)
        assert "\n" not in caught.value.line()
        assert list(out.iterdir()) == []


def test_convert_writes_says_what_it_did_and_replaces_only_when_asked(medseg, carded, tmp_path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    out = folder / "converted.safetensors"
    done = medseg("convert", carded["torchscript"], out, "--json")
    assert done.returncode == 0 and done.stderr == ""
    result = json.loads(done.stdout)
    assert result["largest_probability_difference"] <= 1e-5 and result["has_card"] and result["file"] == str(out)
    assert result["bytes"] == out.stat().st_size and inspect_model(out).card.name == "small"
    done = medseg("convert", carded["torchscript"], out)
    assert done.returncode == 2 and "exists already" in done.stderr and len(done.stderr.strip().splitlines()) == 1
    done = medseg("convert", carded["torchscript"], out, "--overwrite")
    assert done.returncode == 0 and "card inside" in done.stdout and "in probability" in done.stdout
    assert list(folder.iterdir()) == [out]


def test_convert_takes_a_card_from_a_file_with_a_relative_name(
    medseg, model_files, card, tmp_path, monkeypatch
) -> None:
    write_card(card, tmp_path / "card.json")
    monkeypatch.chdir(tmp_path)
    done = medseg("convert", model_files["safetensors"], "bundle", "--card", "card.json")
    assert done.returncode == 0, done.stderr
    assert inspect_model(tmp_path / "bundle").card.name == "small"


def test_convert_without_a_card_says_what_is_needed_where_one_is(medseg, model_files, tmp_path) -> None:
    done = medseg("convert", model_files["torchscript"], tmp_path / "b.safetensors")
    assert done.returncode == 2 and "card" in done.stderr and len(done.stderr.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_no_text_of_a_card_is_a_code_to_the_terminal(medseg, carded, tmp_path) -> None:
    """Colours, a cursor sent elsewhere, a window's title, writing turned round: each shows as a mark."""
    card = inspect_model(carded["onnx"]).card.to_dict()
    card["name"] = "a\x1b[31mb\x1b]0;c\x07d\u202ee"
    card["intended_use"] = "f\x9b2Jg\rh"
    card["output"]["labels"][0]["name"] = "h\x1b[2Ji [bold]j"
    path = tmp_path / "model.onnx"
    path.write_bytes(carded["onnx"].read_bytes())
    from medseg.models import embed_card

    embed_card(path, card)
    done = medseg("inspect", path, "--static")
    assert done.returncode == 0 and not set("\x1b\x07\x9b\u202e\r") & set(done.stdout + done.stderr)
    for text in ("a\ufffd[31mb\ufffd]0;c\ufffdd\ufffde", "f\ufffd2Jg\ufffdh", "h\ufffd[2Ji [bold]j"):
        assert text in done.stdout
