"""Opening: every format on every backend gives what the network itself gives, with the card where it was put."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from medseg.card import ModelCard, write_card
from medseg.errors import InputError, UnsafeModelError
from medseg.models import embed_card, inspect_model, open_model, weights_sha256

ZSCORE = {"kind": "zscore"}
PAIRS = [
    ("safetensors", "torch"),
    ("torchscript", "torch"),
    ("frozen", "torch"),
    ("onnx", "onnxruntime"),
    ("onnx", "openvino"),
    ("fixed", "onnxruntime"),
    ("fixed", "openvino"),
]


@pytest.mark.parametrize(("kind", "backend"), PAIRS)
def test_each_format_and_backend_gives_what_the_network_gives(carded, slices, expected, kind, backend) -> None:
    with open_model(carded[kind], backend=backend, device="cpu") as model:
        result = model.run(slices)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, expected, atol=1e-5)
    assert (model.backend.name, model.backend.device, model.choice.device) == (backend, "cpu", "cpu")
    assert model.out_channels == 1


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_an_onnx_model_of_free_size_takes_any_multiple_and_any_batch(carded, network, backend) -> None:
    rng = np.random.default_rng(0)
    with open_model(carded["onnx"], backend=backend, device="cpu") as model:
        for shape in ((1, 1, 8, 8), (4, 1, 32, 24), (1, 1, 32, 24), (2, 1, 64, 40)):
            x = rng.normal(size=shape).astype(np.float32)
            with torch.inference_mode():
                wanted = network(torch.from_numpy(x)).numpy()
            np.testing.assert_allclose(model.run(x), wanted, atol=1e-5)


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_fixed_batch_is_served_in_portions(model_files, network, backend, count) -> None:
    x = np.random.default_rng(count).normal(size=(count, 1, 40, 56)).astype(np.float32)
    with open_model(model_files["fixed"], backend=backend, device="cpu") as model:
        assert model.fixed_batch == 2 and model.fixed_size == (40, 56)
        with torch.inference_mode():
            np.testing.assert_allclose(model.run(x), network(torch.from_numpy(x)).numpy(), atol=1e-5)


def test_results_are_not_overwritten_by_the_next_batch(carded, slices) -> None:
    for kind, backend in PAIRS:
        with open_model(carded[kind], backend=backend, device="cpu") as model:
            first = model.run(slices)
            kept = first.copy()
            model.run(slices * 2 + 1)
            np.testing.assert_array_equal(first, kept)


def test_the_card_given_comes_before_the_one_inside_and_that_before_the_one_beside(card_data, carded, tmp_path) -> None:
    path = carded["onnx"]
    write_card(ModelCard.from_dict(card_data(name="beside")), Path(f"{path}.card.json"))
    assert open_model(path, device="cpu").card.name == "small"
    for given in (card_data(name="given"), ModelCard.from_dict(card_data(name="given"))):
        assert open_model(path, card=given, device="cpu").card.name == "given"
    file = tmp_path / "other.json"
    write_card(ModelCard.from_dict(card_data(name="file")), file)
    assert open_model(path, card=file, device="cpu").card.name == "file"


def test_a_card_beside_the_file_is_found(model_files, tmp_path, card) -> None:
    path = tmp_path / "renamed.bin"
    path.write_bytes(model_files["onnx"].read_bytes())
    write_card(card, tmp_path / "renamed.bin.card.json")
    model = open_model(path, device="cpu")
    assert model.card == card and model.format == "onnx" and model.missing == ()


def test_without_a_card_the_model_opens_and_says_what_is_missing(model_files, slices) -> None:
    model = open_model(model_files["onnx"], backend="onnxruntime", device="cpu")
    assert model.card is None
    assert {"plane", "orientation", "input.normalisation", "output.labels"} <= set(model.missing)
    assert model.draft["input"]["size"] == {"mode": "native", "multiple_of": 8}
    assert model.draft["output"]["activation"] == "sigmoid"
    assert model.run(slices).shape == slices.shape


def test_the_draft_becomes_a_card_with_the_missing_fields(model_files) -> None:
    for kind in ("onnx", "fixed", "torchscript"):
        draft = inspect_model(model_files[kind]).draft
        draft |= {"plane": "axial", "orientation": "PLS"}
        draft["input"]["normalisation"] = {"kind": "zscore"}
        assert ModelCard.from_dict(draft).in_channels == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"input": {"size": {"mode": "native", "multiple_of": 8}, "normalisation": ZSCORE, "context": 1}},
            ("3 input channels", "takes 1", "input.context"),
        ),
        (
            {"output": {"activation": "softmax", "labels": [{"value": 1, "name": "a"}]}},
            ("need 2", "gives 1", "output.labels"),
        ),
        (
            {"input": {"size": {"mode": "resize", "height": 64, "width": 48}, "normalisation": ZSCORE}},
            ("64 × 48", "40 × 56", "input.size"),
        ),
        (
            {"input": {"size": {"mode": "native", "multiple_of": 16}, "normalisation": ZSCORE}},
            ("multiple of 16", "40 × 56", "resize or pad_or_crop"),
        ),
    ],
)
def test_a_card_that_contradicts_the_graph_is_refused_with_both_numbers(card_data, model_files, changes, words) -> None:
    with pytest.raises(InputError) as caught:
        open_model(model_files["fixed"], card=card_data(**changes), device="cpu")
    assert all(word in caught.value.line() for word in words), caught.value.line()


def test_a_torchscript_model_of_other_channels_says_so_when_it_runs(card_data, model_files) -> None:
    card = card_data(input={**card_data()["input"], "context": 1})
    model = open_model(model_files["torchscript"], card=card, device="cpu")
    with pytest.raises(InputError, match="3 channels"):
        model.run(np.zeros((1, 3, 32, 32), np.float32))


def test_a_batch_that_does_not_fit_is_refused_before_the_backend_sees_it(model_files) -> None:
    with open_model(model_files["fixed"], backend="onnxruntime", device="cpu") as model:
        wrong = (((1, 2, 40, 56), "1 input channels"), ((1, 1, 40, 64), "40 × 56 only"), ((40, 56), "shape"))
        for shape, word in wrong:
            with pytest.raises(InputError, match=word):
                model.run(np.zeros(shape, np.float32))


def test_weights_that_do_not_fit_the_architecture_are_named(card_data, carded, model_files) -> None:
    wrong = card_data(architecture={"name": "unet2d", "arguments": {"widths": [4, 8, 8, 16]}})
    with pytest.raises(InputError) as caught:
        open_model(carded["safetensors"], card=wrong, device="cpu")
    assert "encoder.3" in caught.value.line() and "architecture.arguments" in caught.value.line()
    with open_model(model_files["safetensors"], device="cpu") as recognised:  # its names and shapes tell
        assert recognised.card is None and recognised.draft["architecture"]["name"] == "unet2d"
    with pytest.raises(InputError, match=r"no architecture 'unet3d'.*did you mean unet2d"):
        open_model(carded["safetensors"], card=card_data(architecture={"name": "unet3d"}), device="cpu")


def test_weights_changed_after_the_card_was_written_are_noticed(card_data, carded, network, tmp_path) -> None:
    right = weights_sha256({n: t.numpy() for n, t in network.state_dict().items()})
    for checksum, warned in ((right, False), ("0" * 64, True)):
        with open_model(carded["safetensors"], card=card_data(weights_sha256=checksum), device="cpu") as model:
            assert any("checksum" in warning for warning in model.warnings) == warned


@pytest.mark.parametrize("kind", ["safetensors", "torchscript", "frozen", "onnx"])
def test_embedding_a_card_changes_nothing_else(card_data, model_files, carded, card, kind, tmp_path) -> None:
    report = inspect_model(carded[kind])
    assert report.card == card and report.card_source == "inside the file" and report.card_error == ""
    again = embed_card(carded[kind], ModelCard.from_dict(card_data(name="again")), tmp_path / "again")
    report = inspect_model(again)
    assert report.card is not None and report.card.name == "again"
    assert report.parameters == inspect_model(model_files[kind]).parameters


def test_the_frameworks_own_readers_see_the_card(carded, card) -> None:
    import onnx
    from safetensors import safe_open

    with safe_open(str(carded["safetensors"]), "np") as file:
        assert json.loads(file.metadata()["medseg.card"]) == card.to_dict()
    extra = {"medseg.card": ""}
    torch.jit.load(str(carded["torchscript"]), _extra_files=extra)
    assert json.loads(extra["medseg.card"]) == card.to_dict()
    loaded = onnx.load(str(carded["onnx"]))
    onnx.checker.check_model(loaded)
    assert {entry.key for entry in loaded.metadata_props} >= {"medseg.card"}


def test_a_failed_embedding_leaves_the_file_as_it_was(card_data, model_files, tmp_path, monkeypatch) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(model_files["onnx"].read_bytes())
    before = path.read_bytes()
    monkeypatch.setattr("medseg.models.embed._copy_field", lambda *_: (_ for _ in ()).throw(OSError(28, "no space")))
    with pytest.raises(InputError, match="full"):
        embed_card(path, card_data())
    assert path.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == ["m.onnx"]


def test_a_wrong_card_inside_is_reported_not_hidden(model_files, tmp_path, card) -> None:
    path = embed_card(model_files["onnx"], card, tmp_path / "m.onnx")
    path.write_bytes(path.read_bytes().replace(b'"PLS"', b'"PXS"'))
    report = inspect_model(path)
    assert report.card is None and "orientation" in report.card_error
    with pytest.raises(InputError, match="orientation"):
        open_model(path, device="cpu")


def test_the_checksum_depends_on_names_types_shapes_and_values_only() -> None:
    a = {"x": np.arange(6, dtype=np.float32).reshape(2, 3), "y": np.ones(2, np.int64)}
    assert weights_sha256(a) == weights_sha256(dict(reversed(a.items())))
    assert weights_sha256(a) == weights_sha256({**a, "x": np.asfortranarray(a["x"])})
    assert weights_sha256(a) == weights_sha256({**a, "x": a["x"].astype(">f4")})
    for changed in (
        {**a, "x": a["x"].reshape(3, 2)},
        {**a, "x": a["x"].astype(np.float64)},
        {"x": a["x"], "z": a["y"]},
        {**a, "y": np.array([1, 2])},
    ):
        assert weights_sha256(changed) != weights_sha256(a)


def test_backends_that_cannot_run_a_format_are_refused(model_files) -> None:
    with pytest.raises(InputError, match=r"cannot run onnx files; use .*onnxruntime"):
        open_model(model_files["onnx"], backend="torch")
    with pytest.raises(InputError, match="cannot run torchscript files; use torch"):
        open_model(model_files["torchscript"], backend="openvino")
    with open_model(model_files["onnx"], isolate=True) as model:
        assert model.choice.backend in ("onnxruntime", "openvino")
    with pytest.raises(InputError, match="float8"):
        open_model(model_files["onnx"], precision="float8")
    with pytest.raises(InputError, match="bfloat16"):
        open_model(model_files["onnx"], backend="onnxruntime", precision="bfloat16", device="cpu")


def test_an_onnx_file_opens_and_runs_where_torch_and_onnx_cannot_be_imported(carded, tmp_path) -> None:
    program = (
        "import sys\n"
        "for name in ('torch', 'onnx', 'safetensors', 'openvino', 'SimpleITK'): sys.modules[name] = None\n"
        "import numpy as np\n"
        "from medseg.models import inspect_model, open_model\n"
        "assert inspect_model(sys.argv[1]).parameters and inspect_model(sys.argv[2]).parameters\n"
        "model = open_model(sys.argv[1])\n"
        "assert model.run(np.zeros((1, 1, 32, 32), np.float32)).shape == (1, 1, 32, 32)\n"
        "print(model.choice.backend, '|', model.choice.why)\n"
        "try: open_model(sys.argv[2])\n"
        "except Exception as error: print(type(error).__name__, error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(carded["onnx"]), str(carded["safetensors"])],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    )
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.strip().splitlines()
    assert first.startswith("onnxruntime |") and "openvino" not in first  # absent is not broken
    assert second.startswith("MissingPackageError") and "pip install 'medseg[torch]'" in second


def test_unsafe_files_never_reach_a_framework(carded, monkeypatch) -> None:
    monkeypatch.setattr("medseg.models.opening.static_report", _with_reason(inspect_model(carded["onnx"])))
    monkeypatch.setattr("medseg.models.opening.choose_device", lambda *_: pytest.fail("went on"))
    with pytest.raises(UnsafeModelError, match="because of the test"):
        open_model(carded["onnx"])


def _with_reason(report):
    report.unsafe = ("because of the test",)
    return lambda _path: report
