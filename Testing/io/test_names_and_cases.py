"""What cases are called and which files of a folder are cases."""

from __future__ import annotations

import numpy as np
import pytest
from medseg.errors import InputError
from medseg.io import case_name, find_cases, write_volume
from medseg.volume import Volume


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("a/b/mrcp.nii.gz", "mrcp"),
        ("mrcp.seg.nrrd", "mrcp"),
        ("x.y.z.nii", "x.y.z"),
        ("Žluč 1.NII.GZ", "Žluč 1"),
        ("v.ome.tif", "v"),
        ("p.png", "p"),
        ("1.2.840.113", "1.2.840.113"),
        ("scan.2024", "scan.2024"),
        ("plain", "plain"),
        (".nii.gz", ".nii.gz"),
        ("case.mha", "case"),
        ("s.dcm", "s"),
    ],
)
def test_case_names_lose_the_suffixes_of_images_only(path, name):
    assert case_name(path) == name


def test_a_folder_keeps_its_whole_name(tmp_path):
    (tmp_path / "series.nii").mkdir()
    assert case_name(tmp_path / "series.nii") == "series.nii"


def test_cases_are_files_and_dicom_subfolders_in_natural_order(tmp_path, dicom):
    volume = Volume(np.zeros((2, 3, 4), np.uint8))
    for name in ("case10.nii.gz", "case2.nrrd", "case1.mha", ".hidden.nii.gz", ".medseg-00000000.nii.gz"):
        write_volume(volume, tmp_path / name)
    (tmp_path / "notes.txt").write_text("")
    (tmp_path / "index.csv").write_text("")
    (tmp_path / "empty folder").mkdir()
    nested = tmp_path / "patient" / "study"
    nested.mkdir(parents=True)
    dicom.folder = nested
    dicom.write(np.zeros((3, 4, 5), np.int16))
    assert [p.name for p in find_cases(tmp_path)] == ["case1.mha", "case2.nrrd", "case10.nii.gz", "patient"]


def test_the_two_files_of_a_pair_are_one_case(tmp_path):
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(np.zeros((2, 3, 4), np.uint8))
    sitk.WriteImage(image, str(tmp_path / "a.hdr"))
    sitk.WriteImage(image, str(tmp_path / "b.mhd"))
    sitk.WriteImage(image, str(tmp_path / "c.nhdr"))
    assert [p.name for p in find_cases(tmp_path)] == ["a.hdr", "b.mhd", "c.nhdr"]


def test_a_folder_of_dicom_files_is_one_case(tmp_path, dicom):
    folder = dicom.write(np.zeros((3, 4, 5), np.int16), names=["1", "2", "3.dcm"])
    assert find_cases(folder) == [folder]


def test_folders_without_cases_are_refused(tmp_path):
    for path, words in ((tmp_path, "no image"), (tmp_path / "none", "no such folder")):
        with pytest.raises(InputError, match=words):
            find_cases(path)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="not a folder"):
        find_cases(tmp_path / "file")
