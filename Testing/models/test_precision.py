"""float16 and int8: what they cost is measured on cases, refused above half a point, and written into the card."""

from __future__ import annotations

from pathlib import Path

import medseg
import numpy as np
import onnx
import pytest
from medseg.errors import InputError
from medseg.io import write_labels
from medseg.models import inspect_model, open_model
from medseg.models.converting import convert_model
from medseg.volume import Volume
from tiny_models import CARD, write_onnx

pytest.importorskip("skimage")


def cases(folder: Path, *, noisy: bool, labels: bool = True) -> Path:
    """Two volumes: bars of 0 and 1, which int8 cannot harm, or noise, half of which stands near the threshold."""
    (folder / "images").mkdir(parents=True)
    (folder / "labels").mkdir()
    for number in range(2):
        rng = np.random.default_rng(number)
        array = np.zeros((6, 24, 20), np.float32)
        array[1:5, 6:12, 3:17] = 1
        if noisy:
            array = rng.uniform(0.4, 0.6, array.shape).astype(np.float32)
            array[0, 0, :2] = 0, 1
        volume = Volume(array, (1.0, 1.0, 2.0), (0.0, 0.0, 0.0), np.diag([1.0, 1.0, 1.0]))
        medseg.write_volume(volume, folder / "images" / f"case{number}.nii.gz")
        if labels:
            mask = Volume((array >= 0.5).astype(np.uint8), volume.spacing, volume.origin, volume.direction)
            write_labels(mask, folder / "labels" / f"case{number}.nii.gz")
    return folder


@pytest.fixture
def model(tmp_path) -> Path:
    return write_onnx(tmp_path / "model.onnx", CARD)


def test_int8_keeps_its_integers_and_says_what_it_costs(model, tmp_path) -> None:
    folder, out = cases(tmp_path / "cases", noisy=False), tmp_path / "int8.onnx"
    done = convert_model(model, out, precision="int8", cases=folder)
    operators = {node.op_type for node in onnx.load(out).graph.node}
    assert {"QuantizeLinear", "DequantizeLinear", "Conv"} <= operators
    assert done.loss is not None and done.loss["points"] == {"dice": 0.0, "cldice": 0.0} and done.loss["cases"] == 2
    assert done.loss["against"] == "reference segmentations"
    card = inspect_model(out).card
    assert card.training["conversion"]["loss"]["points"] == done.loss["points"]
    assert card.weights_sha256 == done.weights_sha256 is not None
    with open_model(out, device="cpu") as opened:
        volume = medseg.read_volume(folder / "images" / "case0.nii.gz")
        assert (medseg.segment(volume, opened).labels.array == (volume.array >= 0.5)).all()


@pytest.mark.parametrize("labels", [True, False])
def test_what_loses_more_than_half_a_point_is_refused_unless_forced(model, tmp_path, labels) -> None:
    folder, out = cases(tmp_path / "cases", noisy=True, labels=labels), tmp_path / "int8.onnx"
    with pytest.raises(InputError, match=r"more than 0\.5 points"):
        convert_model(model, out, precision="int8", cases=folder)
    assert not out.exists()
    done = convert_model(model, out, precision="int8", cases=folder, force=True)
    assert done.loss is not None and max(done.loss["points"].values()) > 0.5
    assert ("reference" in done.loss["against"]) == labels
    assert inspect_model(out).card.training["conversion"]["loss"]["labels"].keys() == {"bright"}


def test_the_loss_is_the_difference_of_the_scores(model, tmp_path) -> None:
    """Against references that the original misses by a known part: a model that is worse than it loses just that."""
    from medseg.models.writing.loss import measure_loss

    folder = cases(tmp_path / "cases", noisy=False)
    blind = write_onnx(tmp_path / "blind.onnx", CARD, offset=-100.0)
    with open_model(model, device="cpu") as before, open_model(blind, device="cpu") as after:
        assert measure_loss(before, after, folder)["points"] == {"dice": 100.0, "cldice": 100.0}
        assert measure_loss(after, before, folder)["points"] == {"dice": -100.0, "cldice": -100.0}


def test_cases_that_cannot_be_used_are_named(model, tmp_path) -> None:
    folder = cases(tmp_path / "cases", noisy=False)
    (folder / "labels" / "case1.nii.gz").unlink()
    with pytest.raises(InputError, match="case1"):
        convert_model(model, tmp_path / "int8.onnx", precision="int8", cases=folder)
    with pytest.raises(InputError, match="no such folder"):
        convert_model(model, tmp_path / "int8.onnx", precision="int8", cases=tmp_path / "nowhere")
