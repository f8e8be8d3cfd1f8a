"""A volume loaded into the scene gives, voxel for voxel, what the same file gives without Slicer."""

from __future__ import annotations

from pathlib import Path

import medseg
import numpy as np
import pytest

pytest.importorskip("onnxruntime")

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"


def card(size: dict) -> dict:
    from MedSegLib import selfTest

    return {
        **selfTest.CARD,
        "plane": "axial",
        "orientation": "PLS",
        "input": {"size": size, "normalisation": {"kind": "minmax", "scope": "slice"}},
    }


def load(scene, path: Path):
    """The file as Slicer reads it."""
    import slicer

    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    storage = slicer.vtkMRMLVolumeArchetypeStorageNode()
    storage.SetFileName(str(path))
    assert storage.ReadData(node)
    return node


def compare(scene, logic, path: Path, size: dict, tmp_path: Path) -> np.ndarray:
    from MedSegLib import selfTest

    model = tmp_path / "bare.onnx"
    model.write_bytes(selfTest.identityModel())
    expected = medseg.segment(
        medseg.read_volume(path), medseg.open_model(model, card=card(size), device="cpu"), keep_probabilities=True
    )
    result = logic.segment(
        load(scene, path), model, card=card(size), device="cpu", keepProbabilities=True, show3D=False
    )
    # Slicer stores an image with left-handed axes with its slices in the other order.
    back = np.s_[::-1] if np.linalg.det(expected.labels.direction) < 0 else np.s_[:]
    np.testing.assert_array_equal(result.labels.array[back], expected.labels.array)
    np.testing.assert_allclose(result.probabilities[:, back], expected.probabilities, atol=1e-6)
    assert result.labels.same_grid(expected.labels) == (back == np.s_[:])
    return result.labels.array


@pytest.mark.parametrize(
    "size",
    [
        {"mode": "native"},
        {"mode": "resample", "spacing_mm": [1.3, 1.3]},
        {"mode": "resize", "height": 32, "width": 48},
    ],
    ids=["native", "resample", "resize"],
)
@pytest.mark.parametrize(("suffix", "right_handed"), [(".nii.gz", True), (".nii.gz", False), (".nrrd", False)])
def test_an_oblique_file(scene, logic, tmp_path, size, suffix, right_handed):
    from MedSegLib import selfTest

    matrix = np.diag([-1, -1, 1, 1]) @ selfTest.obliqueFlipped()
    if right_handed:
        matrix[:3, 2] *= -1
    spacing = np.linalg.norm(matrix[:3, :3], axis=0)
    array = np.random.default_rng(5).integers(0, 900, (9, 41, 37)).astype(np.int16)
    path = tmp_path / f"oblique{suffix}"
    medseg.write_volume(medseg.Volume(array, tuple(spacing), tuple(matrix[:3, 3]), matrix[:3, :3] / spacing), path)
    labels = compare(scene, logic, path, size, tmp_path)
    assert 0 < labels.mean() < 1


@pytest.mark.skipif(not (SHARED / "chaos_t2spir").is_dir(), reason="needs ../shared/data/chaos_t2spir")
def test_a_real_liver(scene, logic, tmp_path):
    path = sorted(p for p in (SHARED / "chaos_t2spir").rglob("*.nii.gz") if "label" not in p.name.lower())[0]
    compare(scene, logic, path, {"mode": "resize", "height": 128, "width": 128}, tmp_path)
