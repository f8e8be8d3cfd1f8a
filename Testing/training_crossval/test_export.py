"""Exported files give, through the engine's pipeline, exactly the masks that the run was judged by; in every format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from medseg.cli import main
from medseg.errors import InputError, MedSegError
from medseg.io import read_labels
from medseg.metrics import dice
from medseg.models import open_model, weights_sha256
from medseg_training import export_files
from medseg_training.checkpoint import load_checkpoint
from medseg_training.config import load_config, parse_config
from medseg_training.export import export, trained_network
from medseg_training.export_files import targets_of
from medseg_training.training import train

FORMATS = ("pt2", "torchscript", "monai_bundle")


@pytest.fixture(scope="module")
def trained(tiny: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A finished run, judged on p4 (which chose the epoch) and p5, and what it returned."""
    run = tmp_path_factory.mktemp("runs") / "ellipsoid"
    settings = {**tiny, "split": {"hold_out": ["p5"], "validate_on": ["p4"]}, "card": _with_postprocessing(tiny)}
    return run, train(parse_config(settings), run, quiet=True)


def _with_postprocessing(tiny: dict[str, Any]) -> dict[str, Any]:
    return {**tiny["card"], "postprocessing": {"minimum_part_mm3": 20, "fill_holes": True}}


@pytest.fixture(scope="module")
def exported(trained: tuple[Path, dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("exported")
    return export(trained[0], folder / "model.onnx", FORMATS)


def test_onnx_and_safetensors_are_always_written_others_on_request(exported: dict[str, Any]) -> None:
    folder = Path(exported["file"]).parent
    assert [one["format"] for one in exported["files"]] == ["onnx", "safetensors", *FORMATS]
    names = ["model.onnx", "model.pt", "model.pt2", "model.safetensors", "model_bundle"]
    assert sorted(path.name for path in folder.iterdir()) == names  # and nothing left over
    assert Path(exported["file"]).name == "model.onnx" and exported["bytes"] == Path(exported["file"]).stat().st_size
    assert list(targets_of(Path("x.safetensors"))) == ["safetensors", "onnx"]


@pytest.mark.parametrize("name", ["model.onnx", "model.safetensors", "model.pt2", "model.pt", "model_bundle"])
def test_every_format_gives_the_masks_of_the_evaluation_through_medseg_segment(
    trained: tuple[Path, dict[str, Any]],
    exported: dict[str, Any],
    ellipsoids: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
) -> None:
    run, result = trained
    model = Path(exported["file"]).parent / name
    out = tmp_path / "mask.nii.gz"
    backend = "onnxruntime" if name.endswith("onnx") else "torch"
    image = ellipsoids / "images" / "a_p5.nii.gz"
    with pytest.raises(SystemExit) as ended:
        main(["segment", str(image), "-m", str(model), "-o", str(out), "--backend", backend, "--json"])
    assert ended.value.code == 0, capsys.readouterr().err
    reference = read_labels(ellipsoids / "labels" / "a_p5.nii.gz").array
    (judged,) = result["hold_out"]["cases"]
    assert dice(read_labels(out).array == 1, reference == 1) == judged["labels"]["1"]["dice"]
    with open_model(model, backend=backend) as opened:
        card = opened.card
    assert card is not None and card.synthetic and card.postprocessing.minimum_part_mm3 == 20
    parity = next(one["parity"] for one in exported["files"] if Path(one["file"]).name == name)
    assert card.training["parity"] == parity and parity["largest_probability_difference"] <= parity["limit"]
    assert parity["slices"] == 8 and parity["backend"] == backend
    assert card.training["metrics"]["hold_out"]["1"]["dice"]["mean"] == pytest.approx(judged["labels"]["1"]["dice"])
    assert card.training["folds"]["cases"] == {"training": 4, "validation": 1, "hold_out": 1}
    assert card.training["folds"]["patients"] == {"training": 3, "validation": 1, "hold_out": 1}
    assert torch.__version__.startswith(card.training["software"]["torch"].split("+")[0])
    text = card.to_json()
    assert "a_p5" not in text and str(run) not in text and str(ellipsoids) not in text


def test_the_checksum_is_that_of_the_weights_of_the_chosen_epoch(
    trained: tuple[Path, dict[str, Any]], exported: dict[str, Any]
) -> None:
    run, result = trained
    network = trained_network(load_config(run / "config.yaml"), load_checkpoint(run / "checkpoints" / "best.pt"))
    wanted = weights_sha256({name: t.numpy() for name, t in network.state_dict().items()})
    assert exported["weights_sha256"] == wanted and exported["checkpoint"] == "best.pt"
    assert result["checkpoint"] == "best"
    with open_model(Path(exported["file"]).with_suffix(".safetensors"), backend="torch") as model:
        assert model.card is not None and model.card.weights_sha256 == wanted


def test_the_graph_takes_any_size_and_holds_its_weights(exported: dict[str, Any]) -> None:
    file = Path(exported["file"])
    assert not any(tensor.external_data for tensor in onnx.load(file, load_external_data=False).graph.initializer)
    with open_model(file, backend="onnxruntime") as model:
        assert model.fixed_size is None and model.fixed_batch is None
        for shape in ((1, 3, 16, 64), (3, 3, 40, 8)):
            assert model.run(np.zeros(shape, np.float32)).shape == (shape[0], 1, *shape[2:])


def test_a_file_that_answers_otherwise_is_not_written(
    trained: tuple[Path, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, _ = trained

    honest = export_files.write_model

    def other_weights(network: Any, *arguments: Any, **more: Any) -> Any:
        with torch.no_grad():
            network.head.bias += 0.01
        try:
            return honest(network, *arguments, **more)
        finally:
            with torch.no_grad():
                network.head.bias -= 0.01

    monkeypatch.setattr(export_files, "write_model", other_weights)
    with pytest.raises(MedSegError, match="differs from the original"):
        export(run, tmp_path / "model.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_exported_is_said_before_anything_is_computed(
    trained: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    run, _ = trained
    with pytest.raises(InputError, match=r"models are not written as \.h5"):
        export(run, tmp_path / "model.h5")
    with pytest.raises(InputError, match="models are not written as 'keras'"):
        export(run, tmp_path / "model.onnx", ["keras"])
    with pytest.raises(InputError, match="folder to write to does not exist"):
        export(run, tmp_path / "nowhere" / "model.onnx")
    with pytest.raises(InputError):
        export(tmp_path, tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []
