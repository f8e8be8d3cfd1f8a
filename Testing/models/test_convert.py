"""Every format becomes every other, with the same numbers and the card inside, for us and for its own framework."""

from __future__ import annotations

import json
import shutil
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from medseg.card import ModelCard
from medseg.errors import InputError, MedSegError
from medseg.models import embed_card, inspect_model, open_model, weights_sha256
from medseg.models.converting import convert_model
from medseg.models.writing import PARITY, compare_outputs, write_model
from medseg.models.writing.parity import Difference, check_parity
from safetensors.numpy import load_file, save_file

TARGETS = {
    "onnx": "model.onnx",
    "pt2": "model.pt2",
    "torchscript": "model.pt",
    "safetensors": "model.safetensors",
    "monai_bundle": "bundle",
}


@pytest.fixture(scope="module")
def written(network, card, tmp_path_factory) -> dict[str, Path]:
    """The small network in every format, with its card, as `write_model` writes it."""
    folder = tmp_path_factory.mktemp("written")
    return {kind: write_model(network, card, folder / name).path for kind, name in TARGETS.items()}


def own_framework(kind: str, path: Path, slices: np.ndarray) -> np.ndarray:
    """What the format's own framework answers, without this package."""
    if kind == "onnx":
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        return session.run(None, {session.get_inputs()[0].name: slices})[0]
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")
        if kind == "pt2":
            return torch.export.load(str(path)).module()(torch.from_numpy(slices)).numpy()
        file = path / "models" / "model.ts" if kind == "monai_bundle" else path
        return torch.jit.load(str(file))(torch.from_numpy(slices)).numpy()


@pytest.mark.parametrize("kind", TARGETS)
def test_what_is_written_gives_the_networks_numbers_at_any_size(written, card, kind, slices, expected) -> None:
    with open_model(written[kind], device="cpu") as model:
        np.testing.assert_allclose(model.run(slices), expected, atol=1e-5)
        assert model.card is not None and model.warnings == []
        assert replace(model.card, weights_sha256=None) == card
    if kind != "safetensors":
        np.testing.assert_allclose(own_framework(kind, written[kind], slices), expected, atol=1e-5)


def test_the_checksum_is_that_of_the_weights(written, network) -> None:
    wanted = weights_sha256({name: tensor.numpy() for name, tensor in network.state_dict().items()})
    assert weights_sha256(load_file(written["safetensors"])) == wanted
    for path in written.values():
        report = inspect_model(path)
        assert report.card is not None and report.card.weights_sha256 == wanted


#: From safetensors to ONNX and .pt2 is what `written` does; each costs seconds.
PAIRS = [(source, kind) for source in ("onnx", "pt2", "torchscript", "safetensors") for kind in TARGETS
         if (source, kind) not in (("safetensors", "onnx"), ("safetensors", "pt2"))]  # fmt: skip


@pytest.mark.parametrize(("source", "kind"), PAIRS)
def test_each_format_becomes_each_other(written, tmp_path, source, kind, slices, expected) -> None:
    out = tmp_path / TARGETS[kind]
    done = convert_model(written[source], out)
    assert done.largest_probability_difference is not None and done.largest_probability_difference <= PARITY
    with open_model(out, device="cpu") as model:
        np.testing.assert_allclose(model.run(slices), expected, atol=1e-5)
        record = model.card.training["conversion"]
        assert (record["from"], record["to"], record["precision"], record["limit"]) == (source, kind, "float32", PARITY)
        assert model.card.weights_sha256 == done.weights_sha256 and model.warnings == []
    assert [p.name for p in tmp_path.iterdir()] == [out.name]


def test_an_onnx_file_with_weights_beside_it_becomes_one_file(written, tmp_path, slices, expected) -> None:
    beside = tmp_path / "beside"
    beside.mkdir()
    onnx.save(
        onnx.load(written["onnx"]),
        beside / "m.onnx",
        save_as_external_data=True,
        location="weights.bin",
        size_threshold=0,
    )
    convert_model(beside / "m.onnx", tmp_path / "inside.onnx")
    convert_model(beside / "m.onnx", tmp_path / "program.pt2")
    shutil.rmtree(beside)
    for name in ("inside.onnx", "program.pt2"):
        with open_model(tmp_path / name, device="cpu") as model:
            np.testing.assert_allclose(model.run(slices), expected, atol=1e-5)


def test_a_second_conversion_keeps_the_record_of_the_first(written, tmp_path) -> None:
    convert_model(written["safetensors"], tmp_path / "a.pt")
    convert_model(tmp_path / "a.pt", tmp_path / "b.safetensors")
    record = inspect_model(tmp_path / "b.safetensors").card.training["conversion"]
    assert record["from"] == "torchscript" and record["before"]["from"] == "safetensors"


def test_a_card_in_a_bundle_leaves_the_rest_of_its_description(written, card, tmp_path) -> None:
    bundle = tmp_path / "bundle"
    shutil.copytree(written["monai_bundle"], bundle)
    before = json.loads((bundle / "configs" / "metadata.json").read_text())
    embed_card(bundle, replace(card, name="another"))
    after = json.loads((bundle / "configs" / "metadata.json").read_text())
    assert after["medseg"]["name"] == "another" and {**after, "medseg": 0} == {**before, "medseg": 0}


def test_half_precision_halves_the_weights_and_keeps_the_arithmetic(
    written, network, card, tmp_path, slices, expected
) -> None:
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    for kind in ("onnx", "pt2", "safetensors"):
        convert_model(written[kind], tmp_path / TARGETS[kind], precision="float16", force=True)
        with open_model(tmp_path / TARGETS[kind], device="cpu") as model:
            assert model.card.training["conversion"]["loss"] == "not measured"
            difference = float(np.abs(model.run(slices) - expected).max())
            assert model.warnings == []
        assert 0 < difference < 2e-3, kind  # float16 has three digits; the sums are those of float32
    stored = load_file(tmp_path / "model.safetensors")
    assert {a.dtype for a in stored.values() if a.dtype.kind == "f"} == {np.dtype(np.float16)}
    assert {t.data_type for t in onnx.load(tmp_path / "model.onnx").graph.initializer if np.prod(t.dims) >= 256} == {10}
    assert all(torch.equal(tensor, state[name]) for name, tensor in network.state_dict().items())
    with pytest.raises(InputError, match="float16"):
        write_model(network, card, tmp_path / "m.pt", half=True)


def test_weights_beyond_what_half_precision_holds_are_refused(card, network, tmp_path) -> None:
    big = {name: tensor.numpy().copy() for name, tensor in network.state_dict().items()}
    next(a for a in big.values() if a.dtype.kind == "f").flat[0] = 1e6
    save_file(big, tmp_path / "big.safetensors")
    with pytest.raises(InputError, match="float16"):
        convert_model(
            tmp_path / "big.safetensors", tmp_path / "h.safetensors", card=card, precision="float16", force=True
        )
    assert not (tmp_path / "h.safetensors").exists()


def test_parity_is_refused_above_its_limit_and_for_nan(card) -> None:
    shape = (1, 1, 4, 4)
    zeros, slices = np.zeros(shape, np.float32), np.zeros(shape, np.float32)

    def difference(by: float, with_card: ModelCard | None = card) -> Difference:
        return compare_outputs(lambda x: zeros, lambda x: zeros + np.float32(by), slices, with_card)

    check_parity(difference(2e-5))  # a quarter of it in probability
    for by in (1e-4, float("nan")):
        with pytest.raises(MedSegError, match="differs"):
            check_parity(difference(by))
    with pytest.raises(MedSegError, match="differs"):
        check_parity(difference(2e-5, None))
    check_parity(difference(2e-5, None), scale=10.0)


def test_nothing_is_written_where_the_outputs_differ(written, tmp_path, monkeypatch) -> None:
    from medseg.models import converting

    def wrong(*arguments, **named):
        done = write_model(*arguments, **named)
        weights = load_file(done.path)
        weights["head.bias"] = weights["head.bias"] + np.float32(1e-3)
        save_file(weights, done.path)
        return done

    monkeypatch.setattr(converting, "write_model", wrong)
    out = tmp_path / "out.safetensors"
    out.write_bytes(b"kept")
    with pytest.raises(MedSegError, match="differs"):
        convert_model(written["torchscript"], out)
    assert out.read_bytes() == b"kept" and [p.name for p in tmp_path.iterdir()] == [out.name]


@pytest.mark.parametrize(
    ("out", "options", "word"),
    [
        ("m.xyz", {}, "xyz"),
        ("missing/m.onnx", {}, "does not exist"),
        ("there.pt", {"overwrite": False}, "exists already"),
        ("full", {}, "no MONAI bundle"),
        ("m.pt2", {"precision": "int8", "cases": "."}, "ONNX only"),
        ("m.onnx", {"precision": "int8"}, "--cases"),
        ("m.onnx", {"precision": "float16"}, "--cases"),
        ("m.onnx", {"precision": "float8"}, "float8"),
        ("m.onnx", {"cases": "."}, "lower precision"),
    ],
)
def test_what_cannot_be_done_is_said_before_any_work(written, tmp_path, out, options, word) -> None:
    (tmp_path / "there.pt").write_bytes(b"kept")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("kept")
    with pytest.raises(InputError, match=word):
        convert_model(written["safetensors"], tmp_path / out, **options)
    assert (tmp_path / "there.pt").read_bytes() == b"kept" and (tmp_path / "full" / "thesis.txt").read_text() == "kept"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["full", "there.pt"]


def test_a_bundle_is_replaced_only_when_asked(written, tmp_path) -> None:
    out = tmp_path / "bundle"
    convert_model(written["torchscript"], out)
    with pytest.raises(InputError, match="exists already"):
        convert_model(written["torchscript"], out, overwrite=False)
    (out / "models" / "stale.txt").write_text("old")
    convert_model(written["torchscript"], out)
    assert not (out / "models" / "stale.txt").exists() and [p.name for p in tmp_path.iterdir()] == ["bundle"]
