"""Real images and a network that was not made here, through the whole pipeline."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from function_networks import Network, lopsided
from medseg import open_model, read_volume, segment
from medseg.card import ModelCard
from medseg.orientation import PLANES
from medseg.volume import Volume
from tiny_models import card_with


def in_physical_space(volume: Volume) -> sitk.Image:
    image = sitk.GetImageFromArray(volume.array)
    image.SetSpacing(volume.spacing)
    image.SetOrigin(volume.origin)
    image.SetDirection(volume.direction.ravel())
    return sitk.DICOMOrient(image, "RAS")


@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
def test_one_brain_in_three_axis_orders_gives_one_segmentation(shared_data: Path, plane: str) -> None:
    card = card_with(
        plane=plane, orientation=PLANES[plane], input={"size": {"mode": "resize", "height": 64, "width": 96}}
    )
    found = {}
    for name in ("RAS", "LPS", "PIR"):
        volume = read_volume(shared_data / "odd_volumes" / f"{name}.nii.gz")
        labels = segment(volume, Network(card, lopsided)).labels
        assert labels.same_grid(volume)
        found[name] = in_physical_space(labels)
    first = sitk.GetArrayFromImage(found["RAS"])
    assert 0.01 < first.mean() < 0.99
    for name in ("LPS", "PIR"):
        np.testing.assert_array_equal(sitk.GetArrayFromImage(found[name]), first)


def test_an_oblique_flair_comes_back_on_its_own_grid_from_either_format(shared_data: Path) -> None:
    results = []
    for name in ("niivue_FLAIR.nii.gz", "niivue_FLAIR.nrrd"):
        volume = read_volume(shared_data / "odd_volumes" / name)
        labels = segment(volume, Network(card_with(), lopsided)).labels
        assert labels.same_grid(volume, tolerance_mm=0)
        results.append(labels.array)
    np.testing.assert_array_equal(*results)


@pytest.mark.parametrize(
    ("file", "backend"),
    [
        ("weights.onnx", "onnxruntime"),
        ("weights.onnx", "openvino"),
        ("weights.pt", "torch"),
    ],
)
def test_a_network_made_elsewhere_gives_its_reference_output(shared_data: Path, file: str, backend: str) -> None:
    pytest.importorskip(backend)
    folder = shared_data / "models" / "nuclei_unet2d"
    card = ModelCard.from_dict(
        {
            "schema_version": 1,
            "name": "nuclei",
            "plane": "acquisition",
            "orientation": None,
            "input": {"size": {"mode": "native"}, "normalisation": {"kind": "zscore", "scope": "slice"}},
            "output": {"activation": "sigmoid", "labels": [{"value": 1, "name": "nucleus"}]},
        }
    )
    image = np.load(folder / "test_input.npy").reshape(1, 512, 512)
    reference = np.load(folder / "test_output.npy").reshape(1, 1, 512, 512)
    model = open_model(folder / file, card=card, backend=backend, device="cpu")
    result = segment(Volume(image), model, keep_probabilities=True)
    assert result.probabilities is not None
    assert np.abs(result.probabilities - reference).max() <= 1e-5
    assert reference.max() > 0.99 and reference.min() < 0.01  # it says something
