"""The same cases in every layout come back as the same voxels, found by content."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from data_sets import (
    RGB,
    SHAPE,
    ball_case,
    card,
    config,
    dicom_series,
    errors,
    lines,
    one_slice,
    patient_case,
    picture,
    write_4d,
)
from data_sets import (
    settings as plain,
)
from medseg.errors import InputError
from medseg.io import SegmentInfo, read_segmentation_file, write_labels, write_segmentation_file, write_volume
from medseg.volume import Volume
from medseg_training.config import Config, parse_config
from medseg_training.data import LoadedCase, layout_of, list_cases, load_case


def load(settings: Config) -> dict[str, LoadedCase]:
    """Every case by name; nothing may be wrong."""
    cases, problems = list_cases(settings)
    assert not [p.line() for p in problems if p.fatal]
    loaded = {}
    for case in cases:
        one, found = load_case(case, settings)
        assert one is not None, [p.line() for p in found]
        loaded[case.name] = one
    return loaded


def same(loaded: LoadedCase, image: Volume, labels: Volume) -> None:
    assert np.array_equal(loaded.image.array, image.array)
    assert np.array_equal(loaded.labels.array, labels.array)


def test_two_folders_of_mixed_formats(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    (folder / "Images").mkdir(parents=True)
    (folder / "segmentation").mkdir()
    made = {name: patient_case(n) for n, name in enumerate(("a", "b", "c", "d"))}
    for name, suffix, label_suffix in (
        ("a", ".nii.gz", "_seg.nii.gz"),
        ("b", ".nrrd", ".seg.nrrd"),
        ("c", ".mha", "-mask.mha"),
    ):
        write_volume(made[name][0], folder / "Images" / (name + suffix))
        out = folder / "segmentation" / (name + label_suffix)
        if label_suffix == ".seg.nrrd":
            write_segmentation_file(made[name][1], [SegmentInfo(1, "ball", (1, 0, 0))], out)
        else:
            write_labels(made[name][1], out)
    dicom_series(folder / "Images" / "d", made["d"][0], "PAT-0001")
    write_labels(made["d"][1], folder / "segmentation" / "d.nii.gz")
    settings = config(folder)
    assert layout_of(folder, settings) == "folders"
    loaded = load(settings)
    assert list(loaded) == ["a", "b", "c", "d"]
    for name, one in loaded.items():
        same(one, *made[name])
        assert one.image.same_grid(made[name][0], 1e-3)


def test_one_folder_for_each_case(tmp_path: Path) -> None:
    made = {f"case{n}": patient_case(n) for n in range(3)}
    for n, (name, (image, labels)) in enumerate(made.items()):
        sub = tmp_path / name
        sub.mkdir()
        if n == 2:
            dicom_series(sub / "DICOM_anon", image, "PAT-0002")
        else:
            write_volume(image, sub / ("image.nii.gz" if n else f"{name}.nii.gz"))
        write_labels(labels, sub / ("mask.nii.gz" if n else f"{name}_label.nii.gz"))
    settings = config(tmp_path)
    assert layout_of(tmp_path, settings) == "case_folders"
    for name, one in load(settings).items():
        same(one, *made[name])


def test_several_images_of_a_case_folder_are_named_after_the_input_volumes(tmp_path: Path) -> None:
    (image, labels), (other, _) = ball_case(0), ball_case(1)
    sub = tmp_path / "BraTS_001"
    sub.mkdir()
    write_volume(image, sub / "BraTS_001_t1.nii.gz")
    write_volume(other, sub / "BraTS_001_t1ce.nii.gz")
    write_volume(other, sub / "BraTS_001_flair.nii.gz")
    write_labels(labels, sub / "BraTS_001_seg.nii.gz")
    wanted = card(volumes=["flair", "t1"])
    one = load(config(tmp_path, card=wanted))["BraTS_001"]
    assert [np.array_equal(v.array, w.array) for v, w in zip(one.images, (other, image), strict=True)] == [True, True]
    missing = errors(config(tmp_path, card=card(volumes=["t2"])))
    assert len(missing) == 1 and "0 of them called 't2'" in missing[0]


@pytest.mark.parametrize("backwards", [False, True])
def test_chaos_as_it_is_distributed_dicom_with_a_folder_of_masks(tmp_path: Path, backwards: bool) -> None:
    """DICOM_anon beside Ground: the masks are PNG slices without a place, in the order of the DICOM files."""
    image, labels = patient_case(0)
    labels.array[1] = 0  # so that the order of the slices can be seen
    dicom_series(tmp_path / "1" / "DICOM_anon", image, "1", backwards=backwards)
    ground = tmp_path / "1" / "Ground"
    ground.mkdir()
    for k, plane in enumerate(labels.array[::-1] if backwards else labels.array):
        picture(ground / f"IMG-{k:04}.png", plane * np.uint8(255))
    settings = config(tmp_path)
    same(load(settings)["1"], image, labels)
    assert any("voxel by voxel: it has no place in space" in line for line in lines(settings))


def nnunet(folder: Path, channels: int, **more: object) -> dict[str, tuple[list[Volume], Volume]]:
    made = {}
    (folder / "imagesTr").mkdir(parents=True)
    (folder / "labelsTr").mkdir()
    for n in range(2):
        name = f"liver_{n:03}"
        labels = ball_case(n)[1]
        images = [ball_case(10 * n + c)[0] for c in range(channels)]
        for c, image in enumerate(images):
            write_volume(image, folder / "imagesTr" / f"{name}_{c:04}.nii.gz")
        write_labels(labels, folder / "labelsTr" / f"{name}.nii.gz")
        made[name] = images, labels
    description = {
        "channel_names": {str(c): f"MR{c}" for c in range(channels)},
        "labels": {"background": 0, "ball": 1},
        "numTraining": 2,
        "file_ending": ".nii.gz",
    }
    (folder / "dataset.json").write_text(json.dumps({**description, **more}))
    return made


def test_nnunet_raw_folder(tmp_path: Path) -> None:
    made = nnunet(tmp_path, 2)
    (tmp_path / "imagesTs").mkdir()
    settings = config(tmp_path, card=card(volumes=["first", "second"]))
    assert layout_of(tmp_path, settings) == "nnunet"
    loaded = load(settings)
    assert list(loaded) == list(made)
    for name, one in loaded.items():
        for volume, image in zip(one.images, made[name][0], strict=True):
            assert np.array_equal(volume.array, image.array)
        assert np.array_equal(one.labels.array, made[name][1].array)
    assert lines(settings) == []
    chosen = load(config(tmp_path, channels=["mr1"]))["liver_001"]
    assert np.array_equal(chosen.image.array, made["liver_001"][0][1].array)


def test_nnunet_flaws_are_named(tmp_path: Path) -> None:
    nnunet(tmp_path, 2, numTraining=7)
    (tmp_path / "imagesTr" / "liver_000_0001.nii.gz").unlink()
    (tmp_path / "labelsTr" / "liver_001.nii.gz").rename(tmp_path / "labelsTr" / "other.nii.gz")
    found = lines(config(tmp_path, card=card(volumes=["first", "second"])))
    for what in (
        "liver_000_0000.nii.gz: the case lacks channel 0001",
        "liver_001_0000.nii.gz: has no reference",
        "other.nii.gz: has no image",
        "promises 7 training cases, 2 are here",
    ):
        assert sum(what in line for line in found) == 1, (what, found)
    assert any("has 2 channels (MR0, MR1)" in line for line in lines(config(nnunet_of_two(tmp_path / "two"))))
    assert any("has no channel 'MR7'" in line for line in lines(config(tmp_path / "two", channels=["MR7"])))


def nnunet_of_two(folder: Path) -> Path:
    nnunet(folder, 2)
    return folder


def test_names_of_the_data_set_that_contradict_the_card_are_told(tmp_path: Path) -> None:
    nnunet(tmp_path, 1, labels={"background": 0, "spleen": 1})
    found = lines(config(tmp_path))
    assert len(found) == 1 and "calls label 1 'spleen', the card 'ball'" in found[0]
    assert lines(config(tmp_path, source_labels={1: [1]})) == []  # somebody thought about it


def test_decathlon_4d_images(tmp_path: Path) -> None:
    (tmp_path / "imagesTr").mkdir()
    (tmp_path / "labelsTr").mkdir()
    first, second, labels = ball_case(0)[0], ball_case(1)[0], ball_case(0)[1]
    write_4d(tmp_path / "imagesTr" / "prostate_00.nii.gz", [first, second])
    write_labels(labels, tmp_path / "labelsTr" / "prostate_00.nii.gz")
    listing = [
        {"image": "./imagesTr/prostate_00.nii.gz", "label": "./labelsTr/prostate_00.nii.gz"},
        {"image": "./imagesTr/gone.nii.gz", "label": "./labelsTr/gone.nii.gz"},
    ]
    description = {"modality": {"0": "T2", "1": "ADC"}, "labels": {"0": "background", "1": "ball"}, "numTraining": 2}
    (tmp_path / "dataset.json").write_text(json.dumps({**description, "training": listing[:1]}))
    settings = config(tmp_path, card=card(volumes=["T2", "ADC"]))
    assert layout_of(tmp_path, settings) == "decathlon"
    one = load(settings)["prostate_00"]
    assert np.array_equal(one.images[0].array, first.array) and np.array_equal(one.images[1].array, second.array)
    assert one.image.same_grid(first)
    adc = load(config(tmp_path, channels=["adc"]))["prostate_00"]
    assert np.array_equal(adc.image.array, second.array)
    (tmp_path / "dataset.json").write_text(json.dumps({**description, "training": listing}))
    assert any("gone.nii.gz: is listed in dataset.json and not there" in line for line in lines(settings))


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif"])
def test_pictures_with_masks_beside_them(tmp_path: Path, suffix: str) -> None:
    made = {}
    for n, shape in enumerate(((20, 24), (30, 18))):  # unlike sizes
        image, labels = one_slice(n, shape)
        picture(tmp_path / f"x{n}{suffix}", image)
        picture(tmp_path / f"x{n}_mask{suffix}", labels * np.uint8(255))
        made[f"x{n}"] = image, labels
    settings = config(tmp_path, card=card(plane="acquisition"))
    assert layout_of(tmp_path, settings) == "pairs"
    for name, one in load(settings).items():
        assert np.array_equal(one.image.array[0], made[name][0])
        assert np.array_equal(one.labels.array[0], made[name][1])
        assert one.labels.array.shape[0] == 1


def test_jpeg_images_with_png_masks_in_two_folders(tmp_path: Path) -> None:
    for folder in ("imgs", "masks"):
        (tmp_path / folder).mkdir()
    image, labels = one_slice(0, (32, 40))
    picture(tmp_path / "imgs" / "x.jpg", image)
    picture(tmp_path / "masks" / "x.png", labels * np.uint8(255))
    one = load(config(tmp_path, card=card(plane="acquisition")))["x"]
    assert np.array_equal(one.labels.array[0], labels)
    picture(tmp_path / "masks" / "x.png", labels * np.uint8(255))
    (tmp_path / "masks" / "x.png").unlink()
    picture(tmp_path / "masks" / "x.jpg", labels * np.uint8(255))
    assert any("JPEG smears label values" in line for line in errors(config(tmp_path, card=card(plane="acquisition"))))


def test_colour_is_three_channels_or_refused_as_the_card_says(tmp_path: Path) -> None:
    image, labels = one_slice(0, (20, 24))
    colour = np.stack([image, image // 2, 255 - image], axis=-1)
    picture(tmp_path / "x.png", colour)
    picture(tmp_path / "x_mask.png", labels)
    one = load(config(tmp_path, card=card(plane="acquisition", volumes=RGB)))["x"]
    assert [np.array_equal(v.array[0], colour[..., n]) for n, v in enumerate(one.images)] == [True] * 3
    found = errors(config(tmp_path, card=card(plane="acquisition")))
    assert len(found) == 1 and "has 3 channels" in found[0]
    picture(tmp_path / "x.png", np.repeat(image[..., None], 3, axis=-1))  # grey saved as colour
    assert np.array_equal(load(config(tmp_path, card=card(plane="acquisition")))["x"].image.array[0], image)


def test_a_stack_and_its_labels_cut_into_blocks(tmp_path: Path) -> None:
    """ISBI 2012 as it is distributed: one stack is one patient, unless it is cut."""
    image, labels = ball_case(0, (10, 24, 20))
    write_volume(image, tmp_path / "train-volume.tif")
    write_labels(labels, tmp_path / "train-labels.tif")
    write_volume(image, tmp_path / "test-volume.tif")
    settings = config(tmp_path, card=card(plane="acquisition"), spacing_mm=[4e-6, 4e-6, 5e-5], source_labels={1: [1]})
    assert layout_of(tmp_path, settings) == "pairs"
    whole = load(settings)
    assert list(whole) == ["train"]
    same(whole["train"], image, labels)
    assert whole["train"].image.spacing == (4e-6, 4e-6, 5e-5)
    found = lines(settings)
    assert len(found) == 1 and found[0].startswith("warning") and "test-volume.tif: has no reference" in found[0]

    cut = load(config(tmp_path, card=card(plane="acquisition"), blocks=4))
    assert list(cut) == ["train_0-3", "train_4-7", "train_8-9"]
    assert [one.case.patient for one in cut.values()] == list(cut)
    assert np.array_equal(np.concatenate([one.image.array for one in cut.values()]), image.array)
    assert np.array_equal(np.concatenate([one.labels.array for one in cut.values()]), labels.array)
    assert cut["train_8-9"].image.origin == (0, 0, 8)


def test_a_folder_of_no_layout_says_what_it_found(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(InputError, match="it holds notes"):
        list_cases(config(tmp_path))
    with pytest.raises(InputError, match="no such folder"):
        list_cases(config(tmp_path / "nowhere"))


def test_two_data_folders_are_one_set_and_names_must_differ(tmp_path: Path) -> None:
    for folder, name in (("one", "a"), ("two", "b")):
        (tmp_path / folder).mkdir()
        write_volume(ball_case(0)[0], tmp_path / folder / f"{name}.nrrd")
        write_labels(ball_case(0)[1], tmp_path / folder / f"{name}_seg.nrrd")
    settings = parse_config({**plain(tmp_path), "data": [str(tmp_path / "one"), str(tmp_path / "two")]})
    assert list(load(settings)) == ["a", "b"]
    for suffix in ("", "_seg"):
        (tmp_path / "two" / f"b{suffix}.nrrd").rename(tmp_path / "two" / f"a{suffix}.nrrd")
    assert any("two cases are called a" in line for line in errors(settings))


def test_images_are_read_once_whole_and_never_resampled(tmp_path: Path) -> None:
    """What the trainer sees has the file's own grid, oblique or not."""
    tilt = np.radians(20)
    direction = np.array([[1, 0, 0], [0, np.cos(tilt), -np.sin(tilt)], [0, np.sin(tilt), np.cos(tilt)]])
    image, labels = ball_case(3)
    image, labels = (Volume(v.array, (1.1, 0.9, 4.0), (5, -7, 9), direction) for v in (image, labels))
    write_volume(image, tmp_path / "a.nii.gz")
    write_labels(labels, tmp_path / "a_seg.nii.gz")
    one = load(config(tmp_path))["a"]
    assert one.image.same_grid(image, 1e-3) and one.labels.same_grid(image, 1e-3)
    assert one.image.array.shape == SHAPE
    assert sitk.ReadImage(str(tmp_path / "a.nii.gz")).GetSize() == SHAPE[::-1]


def write_seg(path: Path, series: Path, stack: np.ndarray, names: list[str]) -> None:
    """A DICOM Segmentation of (k, j, i, segments) by highdicom; frames without a label are left out."""
    hd = pytest.importorskip("highdicom")
    pydicom = pytest.importorskip("pydicom")
    slices = [pydicom.dcmread(file) for file in sorted(series.iterdir())]
    for dataset in slices:
        for keyword in ("StudyDate", "StudyTime", "AccessionNumber", "PatientBirthDate", "PatientSex", "StudyID"):
            setattr(dataset, keyword, getattr(dataset, keyword, ""))
        dataset.ReferringPhysicianName = ""
        dataset.FrameOfReferenceUID = "1.2.3.4"
    code = hd.sr.CodedConcept("123037004", "SCT", "Anatomical Structure")
    described = [
        hd.seg.SegmentDescription(n, name, code, code, hd.seg.SegmentAlgorithmTypeValues.MANUAL)
        for n, name in enumerate(names, start=1)
    ]
    hd.seg.Segmentation(
        slices,
        stack.astype(np.uint8),
        hd.seg.SegmentationTypeValues.BINARY,
        described,
        hd.UID(),
        1,
        hd.UID(),
        1,
        "tests",
        "tests",
        "1",
        "1",
        omit_empty_frames=True,
    ).save_as(path)


def test_dicom_with_dicom_segmentations(tmp_path: Path) -> None:
    """The whole case as an archive gives it; empty frames are not in the file, and the mask is put in its place."""
    image, labels = patient_case(0)
    labels.array[[0, 1, 5]] = 0
    second = np.zeros_like(labels.array)
    second[3, :4, :5] = 1
    dicom_series(tmp_path / "images" / "a", image, "PAT-0001")
    (tmp_path / "labels").mkdir()
    stack = np.stack([labels.array, second], axis=-1)
    write_seg(tmp_path / "labels" / "a.dcm", tmp_path / "images" / "a", stack, ["ball", "corner"])
    made = config(tmp_path, card=card(labels=["ball", "corner"]))
    one = load(made)["a"]
    assert np.array_equal(one.labels.array, labels.array + 2 * second)
    assert one.labels.same_grid(image, 1e-3)
    assert lines(made) == []
    case = tmp_path / "by_case" / "a"  # the archive's other habit: all files of a case in one folder
    shutil.copytree(tmp_path / "images" / "a", case)
    shutil.copy(tmp_path / "labels" / "a.dcm", case / "0007.dcm")
    same(load(config(tmp_path / "by_case", card=card(labels=["ball", "corner"])))["a"], image, one.labels)
    volume, segments = read_segmentation_file(tmp_path / "labels" / "a.dcm")
    assert [(s.value, s.name) for s in segments] == [(1, "ball"), (2, "corner")]
    assert volume.array.shape[0] < image.array.shape[0]
    (tmp_path / "labels" / "a.dcm").write_bytes((tmp_path / "labels" / "a.dcm").read_bytes()[:3000])
    assert any("a.dcm: cannot be read as a DICOM segmentation" in line for line in errors(made))


def test_a_reference_of_another_size_is_refused_even_where_the_headers_would_fit(tmp_path: Path) -> None:
    image, labels = ball_case(0)
    cropped = Volume(
        labels.array[1:5, 3:20, 2:18],
        labels.spacing,
        tuple((labels.ijk_to_lps @ [2, 3, 1, 1])[:3]),
        labels.direction,
    )
    write_volume(image, tmp_path / "a.nrrd")
    write_labels(cropped, tmp_path / "a_seg.nrrd")
    found = lines(config(tmp_path))
    assert len(found) == 1 and "has 16×17×4 voxels, its image 20×24×6" in found[0]


def test_single_dicom_files_with_masks_of_their_own_are_a_case_each(tmp_path: Path) -> None:
    """X-rays as archives give them, and the slices of one volume, lie in a folder alike; the masks tell."""
    made = {}
    for name in ("a", "b"):
        image = Volume(ball_case(ord(name))[0].array[2:3], (0.2, 0.2, 1.0))
        dicom_series(tmp_path / "in" / name, image, f"PAT-{name}")
        (tmp_path / "images").mkdir(exist_ok=True)
        (tmp_path / "masks").mkdir(exist_ok=True)
        (tmp_path / "in" / name / "IM0000.dcm").rename(tmp_path / "images" / f"{name}.dcm")
        mask = (image.array[0] > 150).astype(np.uint8) * np.uint8(255)
        picture(tmp_path / "masks" / f"{name}.png", mask)
        made[name] = image, mask
    loaded = load(config(tmp_path, card=card("acquisition")))
    assert list(loaded) == ["a", "b"]
    for name, one in loaded.items():
        assert np.array_equal(one.image.array, made[name][0].array)
        assert np.array_equal(one.labels.array[0] * 255, made[name][1])
