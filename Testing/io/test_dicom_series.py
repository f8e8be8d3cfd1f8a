"""DICOM folders: slices come back in space, series are chosen, and what is no regular volume is refused."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from medseg.errors import InputError
from medseg.io import MedSegWarning, list_series, read_volume

ROTATED = np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])  # sagittal


def voxels(k: int = 5, j: int = 6, i: int = 8) -> np.ndarray:
    return np.arange(k * j * i, dtype=np.int16).reshape(k, j, i)


@pytest.mark.parametrize("direction", [np.eye(3), ROTATED, np.diag([-1.0, 1.0, -1.0])])
def test_slices_are_sorted_along_their_normal_whatever_names_and_numbers_say(dicom, direction):
    volume = read_volume(dicom.write(voxels(), direction=direction))
    assert np.array_equal(volume.array, voxels())
    assert volume.array.dtype == np.int16
    assert volume.spacing == pytest.approx((0.8, 1.2, 2.5))
    assert volume.origin == pytest.approx((-10.0, 20.0, 5.0))
    assert np.allclose(volume.direction, direction)
    assert volume.modality == "MR"


def test_geometry_equals_simpleitks_own_series_reader(dicom):
    import SimpleITK as sitk

    angle = np.radians(17)
    tilted = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
    volume = read_volume(dicom.write(voxels(), direction=tilted))
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(dicom.folder)))
    image = reader.Execute()
    assert np.array_equal(volume.array, sitk.GetArrayFromImage(image))
    assert volume.origin == pytest.approx(image.GetOrigin())
    assert volume.spacing == pytest.approx(image.GetSpacing())
    assert np.allclose(volume.direction.ravel(), image.GetDirection())


def test_rescaled_values_are_returned_and_slopes_may_differ_between_slices(dicom):
    dicom.write(voxels()[:2], RescaleSlope="2", RescaleIntercept="-1024")
    dicom.write(voxels()[2:], [5.0, 7.5, 10.0], names=["c", "b", "a"], RescaleSlope="0.5", RescaleIntercept="0")
    array = read_volume(dicom.folder).array
    expected = voxels().astype(float)
    expected[:2] = expected[:2] * 2 - 1024
    expected[2:] *= 0.5
    assert np.array_equal(array, expected)


def test_no_patient_name_or_identifier_reaches_volume_or_listing(dicom):
    folder = dicom.write(voxels())
    seen = repr(read_volume(folder)) + repr(list_series(folder)) + read_volume(folder).name
    assert "Nov" not in seen and "4711" not in seen
    assert read_volume(folder).name == "series-4"


class TestTwoSeries:
    @pytest.fixture
    def folder(self, dicom, another_dicom):
        dicom.write(voxels())
        another_dicom.folder = dicom.folder / "deeper"
        another_dicom.folder.mkdir()
        another_dicom.write(voxels(3) + 1000, SeriesNumber=11, SeriesDescription="MRCP 3D", Modality="MR")
        return dicom.folder

    def test_are_listed_by_number(self, folder, dicom, another_dicom):
        assert [(s.uid, s.number, s.description, s.modality, s.slice_count) for s in list_series(folder)] == [
            (dicom.uid, 4, "T2 HASTE cor", "MR", 5),
            (another_dicom.uid, 11, "MRCP 3D", "MR", 3),
        ]

    def test_are_refused_with_the_list_when_none_is_chosen(self, folder, dicom, another_dicom):
        with pytest.raises(InputError, match="2 series") as caught:
            read_volume(folder)
        for part in (dicom.uid, another_dicom.uid, "number 4", "number 11", "MRCP 3D", "5 slices", "3 slices"):
            assert part in caught.value.line()
        assert "\n" not in caught.value.line()

    def test_are_chosen_by_number_uid_and_unique_beginning(self, folder, another_dicom, dicom):
        common = next(n for n, (a, b) in enumerate(zip(dicom.uid, another_dicom.uid, strict=False)) if a != b)
        for series in ("11", another_dicom.uid, another_dicom.uid[: common + 1]):
            assert read_volume(folder, series=series).array.min() == 1000
        with pytest.raises(InputError, match="ambiguous"):
            read_volume(folder, series=dicom.uid[:common])
        with pytest.raises(InputError, match="no series 12"):
            read_volume(folder, series="12")


def test_a_missing_slice_is_refused(dicom):
    with pytest.raises(InputError, match="1 of 6 slices are missing"):
        read_volume(dicom.write(voxels(), [0, 2.5, 5, 10, 12.5]))


def test_uneven_spacing_is_noted_when_small_and_refused_when_large(dicom, another_dicom):
    with pytest.warns(MedSegWarning, match="unevenly spaced"):
        volume = read_volume(dicom.write(voxels(), [0, 2.6, 5, 7.5, 10]))
    assert volume.spacing[2] == pytest.approx(2.5)
    with pytest.raises(InputError, match="unevenly spaced"):
        read_volume(another_dicom.write(voxels(), [0, 2, 5.6, 7.8, 10]))


def test_two_slices_at_one_position_are_refused(dicom):
    with pytest.raises(InputError, match="same position"):
        read_volume(dicom.write(voxels(6), [0, 0, 2.5, 2.5, 5, 5]))


def test_gantry_tilt_is_refused_with_its_angle(dicom):
    for k, slice_ in enumerate(voxels()):
        position = np.array([0.0, 2.5 * k * np.tan(np.radians(15)), 2.5 * k])
        dicom.write_slice(slice_, dicom.folder / f"{k}.dcm", position, np.eye(3))
    with pytest.raises(InputError, match=r"gantry tilt of 15\.0°"):
        read_volume(dicom.folder)


def test_several_orientations_sizes_or_pixel_spacings_are_refused(dicom):
    dicom.write(voxels())
    for fields, words in (({"direction": ROTATED}, "orientations"), ({"spacing": (2.0, 2.0)}, "pixel spacings")):
        odd = dicom.write_slice(
            voxels()[0], dicom.folder / "odd", np.array([0, 0, 12.5]), **{"direction": np.eye(3), **fields}
        )
        with pytest.raises(InputError, match=words):
            read_volume(dicom.folder)
        odd.unlink()
    dicom.write_slice(voxels(1, 6, 9)[0], dicom.folder / "odd", np.array([0, 0, 12.5]), np.eye(3))
    with pytest.raises(InputError, match="2 sizes"):
        read_volume(dicom.folder)


def test_multi_frame_is_refused(dicom):
    file = dicom.write_slice(
        voxels()[0],
        dicom.folder / "enhanced.dcm",
        np.zeros(3),
        np.eye(3),
        NumberOfFrames=5,
        PixelData=voxels().tobytes(),
    )
    for path in (file, dicom.folder):
        with pytest.raises(InputError, match="multi-frame DICOM file of 5 frames"):
            read_volume(path)


def test_one_file_is_a_volume_of_one_slice(dicom):
    file = dicom.write_slice(
        voxels()[0], dicom.folder / "no suffix", np.array([1.0, 2.0, 3.0]), ROTATED, SliceThickness=4.5
    )
    volume = read_volume(file)
    assert volume.array.shape == (1, 6, 8)
    assert volume.spacing == pytest.approx((0.8, 1.2, 4.5))
    assert np.allclose(volume.direction, ROTATED)


def test_slices_without_positions_are_stacked_by_instance_number_and_it_is_said(dicom):
    for k, slice_ in enumerate(voxels()):
        dicom.write_slice(slice_, dicom.folder / f"{9 - k}.dcm", None, np.eye(3), instance=k + 1, SliceThickness=3)
    with pytest.warns(MedSegWarning, match="no positions"):
        volume = read_volume(dicom.folder)
    assert np.array_equal(volume.array, voxels())
    assert volume.spacing[2] == 3.0


def test_a_truncated_slice_is_refused_and_named(dicom):
    folder = dicom.write(voxels(5, 64, 64))
    victim = folder / "IM0014.dcm"
    victim.write_bytes(victim.read_bytes()[:-3000])
    with pytest.raises(InputError, match="IM0014"):
        read_volume(folder)


def test_other_files_in_the_folder_are_passed_over(dicom):
    folder = dicom.write(voxels())
    (folder / "readme.txt").write_text("not an image")
    (folder / ".hidden.dcm").write_bytes(b"")
    (folder / "preview.png").write_bytes(b"\x89PNG")
    dicom.write_slice(voxels()[0], folder / "report.dcm", None, np.eye(3), SOPClassUID="1.2.840.10008.5.1.4.1.1.88.11")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_volume(folder).array.shape == (5, 6, 8)


def test_a_dicom_file_without_an_image_is_refused(dicom):
    report = dicom.write_slice(
        voxels()[0], dicom.folder / "sr.dcm", None, np.eye(3), SOPClassUID="1.2.840.10008.5.1.4.1.1.88.11"
    )
    with pytest.raises(InputError, match="without an image"):
        read_volume(report)
    with pytest.raises(InputError, match="no DICOM image in this folder"):
        read_volume(dicom.folder)


def test_colour_dicom_is_refused_or_split(dicom):
    rgb = np.stack([voxels()[0], voxels()[0] + 1, voxels()[0] + 2], axis=-1).astype(np.uint8)
    file = dicom.write_slice(rgb, dicom.folder / "us.dcm", np.zeros(3), np.eye(3), Modality="US")
    with pytest.raises(InputError, match="colour image"):
        read_volume(file)
    channels = read_volume(file, colour="channels")
    assert [int(c.array[0, 0, 0]) for c in channels] == [0, 1, 2]
    assert {c.modality for c in channels} == {"US"}


def test_reversed_greys_are_turned_right_and_it_is_told(dicom):
    file = dicom.write_slice(
        voxels()[0].astype(np.uint8),
        dicom.folder / "cr.dcm",
        np.zeros(3),
        np.eye(3),
        PhotometricInterpretation="MONOCHROME1",
    )
    with pytest.warns(MedSegWarning, match="MONOCHROME1"):
        assert np.array_equal(read_volume(file).array[0], 255 - voxels()[0])


def test_paths_may_be_spaced_and_not_ascii(dicom, tmp_path):
    folder = tmp_path / "Žluč ducts" / "čase 1"
    folder.parent.mkdir()
    dicom.write(voxels()).rename(folder)
    assert np.array_equal(read_volume(folder).array, voxels())


@pytest.mark.parametrize(
    ("character_set", "description"),
    [
        ("ISO_IR 101", "Žlučové cesty"),
        ("ISO_IR 192", "Žlučové cesty 胆管"),
        ("ISO_IR 100", "Voies biliaires étendues"),
        ("ISO_IR 144", "Жёлчные протоки"),
        (["", "ISO 2022 IR 87"], "MRCP 胆管"),
        ("GB18030", "胆管"),
    ],
)
def test_descriptions_are_read_in_the_character_set_of_the_file(dicom, character_set, description):
    folder = dicom.write(voxels(), SpecificCharacterSet=character_set, SeriesDescription=description)
    assert list_series(folder)[0].description == description
