"""Real images with unusual geometry, where the public data of the project is at hand."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from medseg.io import case_name, find_cases, list_series, read_labels, read_volume, write_volume


def sampled_in_ras(volume) -> np.ndarray:
    """The array turned so that its axes run to R, A and S; for axis-aligned volumes only."""
    direction = np.rint(volume.direction).astype(int)
    array = volume.array.transpose(2, 1, 0)  # (i, j, k)
    order = [int(np.flatnonzero(direction[axis])[0]) for axis in range(3)]
    array = array.transpose(order)
    for axis, wanted in enumerate((-1, -1, 1)):  # R = -L, A = -P, S = S
        if direction[axis, order[axis]] != wanted:
            array = np.flip(array, axis)
    return array


def test_one_brain_in_three_axis_orders_is_one_brain(shared_data):
    folder = shared_data / "odd_volumes"
    ras, lps, pir = (sampled_in_ras(read_volume(folder / f"{name}.nii.gz")) for name in ("RAS", "LPS", "PIR"))
    assert ras.shape == (64, 79, 67)
    assert np.array_equal(ras, lps) and np.array_equal(ras, pir)


def test_an_oblique_volume_as_nifti_and_nrrd_is_the_same_volume(shared_data, tmp_path):
    nifti = read_volume(shared_data / "odd_volumes" / "niivue_FLAIR.nii.gz")
    nrrd = read_volume(shared_data / "odd_volumes" / "niivue_FLAIR.nrrd")
    lesion = read_labels(shared_data / "odd_volumes" / "niivue_lesion.nii.gz")
    assert np.array_equal(nifti.array, nrrd.array)
    assert nifti.same_grid(nrrd) and nifti.same_grid(lesion)
    assert np.abs(nifti.direction - np.rint(nifti.direction)).max() > 0.1
    for suffix in (".nii.gz", ".nrrd", ".mha"):
        write_volume(nrrd, tmp_path / f"v{suffix}")
        assert read_volume(tmp_path / f"v{suffix}").same_grid(nrrd, 1e-4)


@pytest.mark.parametrize(
    ("folder", "shape", "spacing"),
    [("slicer_CTHeadAxialDicom", (93, 64, 64), (3.2, 3.2, 1.5)), ("torchio_dicom", (17, 128, 88), (2, 2, 2))],
)
def test_dicom_series_equal_simpleitks_reading(shared_data, folder, shape, spacing):
    import SimpleITK as sitk

    path = shared_data / "odd_volumes" / folder
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        volume = read_volume(path)
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(path)))
    image = reader.Execute()
    assert volume.array.shape == shape and volume.spacing == pytest.approx(spacing)
    assert np.array_equal(volume.array, sitk.GetArrayFromImage(image))
    assert volume.origin == pytest.approx(image.GetOrigin())
    assert np.allclose(volume.direction.ravel(), image.GetDirection())
    (series,) = list_series(path)
    assert series.slice_count == shape[0] and series.modality == "CT"


def test_every_volume_and_label_map_pair_shares_its_grid(shared_data):
    images = find_cases(shared_data / "chaos_t2spir" / "images")
    assert len(images) == 14
    for image in images[:3]:
        labels = read_labels(shared_data / "chaos_t2spir" / "labels" / image.name)
        assert read_volume(image).same_grid(labels)
        assert set(np.unique(labels.array)) == {0, 1, 2, 3, 4}
    assert case_name(images[0]) == "chaos_t2spir_01"


def test_volumes_agree_with_simpleitk_voxel_by_voxel(shared_data):
    import SimpleITK as sitk

    for name in ("brain/t1_norm.nii.gz", "abdominal_ct/example_ct.nii.gz", "odd_volumes/PIR.nii.gz"):
        volume, image = read_volume(shared_data / name), sitk.ReadImage(str(shared_data / name))
        array = sitk.GetArrayViewFromImage(image)
        assert volume.array.dtype.kind == array.dtype.kind
        assert np.allclose(volume.array, array, rtol=1e-6)
        assert volume.origin == pytest.approx(image.GetOrigin()) and volume.spacing == pytest.approx(image.GetSpacing())


@pytest.mark.usefixtures("quiet")
def test_radiographs_are_volumes_of_one_slice(shared_data):
    for folder in (
        "chest_xray_classes/covid19_ccby",
        "chest_xray_classes/kermany_normal_train",
        "chest_xray_lungs/masks",
    ):
        for path in find_cases(shared_data / folder)[:5]:
            volume = read_volume(path)
            assert volume.array.shape[0] == 1 and volume.array.dtype == np.uint8
            assert volume.name == path.stem
