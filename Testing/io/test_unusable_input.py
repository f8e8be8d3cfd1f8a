"""Input that cannot be used is refused with one line: what, which file, how to mend it."""

from __future__ import annotations

import contextlib
import gzip
import os
import subprocess
import sys
import warnings

import numpy as np
import pytest
import SimpleITK as sitk
from medseg.errors import InputError
from medseg.io import list_series, read_labels, read_volume, write_segmentation_file, write_volume
from medseg.volume import Volume


def refused(path, **options) -> InputError:
    """The refusal of a path, after it was checked to be one line that names the file and a mend."""
    with pytest.raises(InputError) as caught:
        read_volume(path, **options)
    line = caught.value.line()
    assert "\n" not in line and str(path) in line
    assert caught.value.mend
    assert len(line) < 350 + len(str(path))
    for noise in ("Exception thrown", "ITK ERROR", ".cxx", "0x"):
        assert noise not in line
    return caught.value


@pytest.fixture
def noise() -> Volume:
    """Random voxels: nothing that compression could shrink."""
    return Volume(np.random.default_rng(1).integers(0, 60000, (12, 30, 40)).astype(np.uint16))


SUFFIXES = [".nii.gz", ".nii", ".nrrd", ".mha", ".tif"]


@pytest.mark.parametrize("share", [0.02, 0.5, 0.97])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_truncated_volume(noise, tmp_path, suffix, share, capfd):
    path = tmp_path / f"v{suffix}"
    write_volume(noise, path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    refused(path)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
def test_a_truncated_volume_without_compression(noise, tmp_path, suffix, capfd):
    path = tmp_path / f"v{suffix}"
    sitk.WriteImage(sitk.GetImageFromArray(noise.array), str(path), useCompression=False)
    path.write_bytes(path.read_bytes()[:9000])
    assert "cut short" in refused(path).what
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp"])
def test_a_truncated_picture(noise, tmp_path, suffix, capfd):
    image = pytest.importorskip("PIL.Image")
    path = tmp_path / f"x{suffix}"
    image.fromarray((noise.array[0] >> 8).astype(np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert "cut short" in refused(path).what
    assert capfd.readouterr().err == ""


def test_libjpegs_complaints_stay_off_standard_output(noise, tmp_path, capfd):
    image = pytest.importorskip("PIL.Image")
    path = tmp_path / "x.jpg"
    image.fromarray((noise.array[0] >> 8).astype(np.uint8)).save(path)
    data = bytearray(path.read_bytes())
    at = data.index(b"\xff\xc4") + 20
    data[at : at + 8] = b"\xff" * 8
    path.write_bytes(data)
    with contextlib.suppress(InputError):
        read_volume(path, spacing=(1,))
    seen = capfd.readouterr()
    assert seen.out == "" and seen.err != ""


def test_a_volume_with_one_damaged_byte_in_its_compressed_data(noise, tmp_path):
    """SimpleITK answers zeros from the damage on."""
    path = tmp_path / "v.nii.gz"
    write_volume(noise, path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    refused(path)


def test_a_header_that_promises_more_than_any_memory(tmp_path):
    write_volume(Volume(np.zeros((2, 2, 2), np.int16)), tmp_path / "v.nii")
    data = bytearray((tmp_path / "v.nii").read_bytes())
    data[42:48] = np.array([30000, 30000, 30000], "<i2").tobytes()
    (tmp_path / "v.nii").write_bytes(data)
    assert "cut short" in refused(tmp_path / "v.nii").what
    (tmp_path / "v.nii.gz").write_bytes(gzip.compress(bytes(data)))
    assert "cut short" in refused(tmp_path / "v.nii.gz").what


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".png", ".dcm", ".jpg", ".hdr", ".nhdr", ".mhd", ".xyz", ""])
def test_an_empty_file(tmp_path, suffix):
    path = tmp_path / f"v{suffix}"
    path.touch()
    assert refused(path).what == "the file is empty"


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".png", ".dcm", ".jpg", ".nhdr", ".mhd", ".xyz", ""])
def test_text_named_like_an_image(tmp_path, suffix):
    path = tmp_path / f"v{suffix}"
    path.write_text("This is a shopping list, and no image at all.\n" * 40)
    refused(path)


def test_a_missing_file(tmp_path):
    assert refused(tmp_path / "nowhere.nii.gz").what == "there is no such file or folder"
    with pytest.raises(InputError, match="no such folder"):
        list_series(tmp_path / "nowhere")
    with pytest.raises(InputError, match="no such file"):
        read_labels(tmp_path / "nowhere.nii.gz")


def test_a_missing_voxel_file(noise, tmp_path):
    for name, lost in (("v.mhd", "v.zraw"), ("w.nhdr", "w.raw.gz"), ("x.hdr", "x.img")):
        sitk.WriteImage(
            sitk.GetImageFromArray(noise.array), str(tmp_path / name), useCompression=not name.startswith("x")
        )
        (tmp_path / lost).unlink()
        assert f"{lost} is missing" in refused(tmp_path / name).what


def test_four_dimensions(noise, tmp_path):
    image = sitk.JoinSeries([sitk.GetImageFromArray(noise.array)] * 3)
    for suffix in (".nii.gz", ".nrrd", ".mha"):
        sitk.WriteImage(image, str(tmp_path / f"v{suffix}"))
        assert "4D image of 3" in refused(tmp_path / f"v{suffix}").what


def test_vectors(noise, tmp_path):
    planes = [sitk.GetImageFromArray(noise.array.astype(np.float32) + n) for n in range(3)]
    for suffix in (".nii.gz", ".nrrd", ".mha"):
        sitk.WriteImage(sitk.Compose(planes), str(tmp_path / f"v{suffix}"))
        refused(tmp_path / f"v{suffix}")


def test_an_empty_folder_and_one_without_images(tmp_path):
    assert "no image" in refused(tmp_path).what
    (tmp_path / "notes.txt").write_text("nothing")
    assert "no image" in refused(tmp_path).what


def test_a_folder_of_volumes(noise, tmp_path):
    write_volume(noise, tmp_path / "case1.nii.gz")
    assert "case1.nii.gz" in refused(tmp_path).line()


@pytest.mark.skipif(
    sys.platform == "win32" or getattr(os, "geteuid", lambda: 1)() == 0, reason="root may read everything"
)
def test_a_file_that_may_not_be_read(noise, tmp_path):
    write_volume(noise, tmp_path / "v.nii.gz")
    (tmp_path / "v.nii.gz").chmod(0)
    assert "may not be read" in refused(tmp_path / "v.nii.gz").what


@pytest.mark.skipif(sys.platform == "win32", reason="no such devices")
def test_a_device():
    assert "neither a file nor a folder" in refused("/dev/null").what


def test_spacing_and_origin_that_are_not_numbers(noise, tmp_path):
    write_volume(noise, tmp_path / "v.nii")
    data = bytearray((tmp_path / "v.nii").read_bytes())
    for at in (80, 280):  # pixdim[1] and the first number of the sform
        broken = bytearray(data)
        broken[at : at + 4] = np.array([np.nan], "<f4").tobytes()
        if at == 80:
            broken[252:256] = b"\0\0\0\0"  # without transforms, so that pixdim is what counts
        (tmp_path / "b.nii").write_bytes(broken)
        if at == 80:
            refused(tmp_path / "b.nii")
        else:
            with pytest.warns(UserWarning):
                assert read_volume(tmp_path / "b.nii").same_grid(noise)


def test_memory_stays_near_two_copies(tmp_path):
    """Peak of a whole process that reads and writes 48 MiB of voxels, above what its imports take."""
    resource = pytest.importorskip("resource")
    assert resource
    array = np.resize(np.arange(4096, dtype=np.int16), (96, 512, 512))
    write_volume(Volume(array), tmp_path / "v.nii.gz")
    script = (
        "import resource, sys; from medseg.io import read_volume, write_volume, write_labels\n"
        "unit = 2**20 if sys.platform == 'darwin' else 1024\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit\n"
        "start = peak(); volume = read_volume(sys.argv[1]); read = peak() - start\n"
        "write_volume(volume, sys.argv[2]); print(read, peak() - start)\n"
    )
    for suffix in (".nii.gz", ".nrrd", ".mha"):
        done = subprocess.run(
            [sys.executable, "-c", script, str(tmp_path / "v.nii.gz"), str(tmp_path / f"w{suffix}")],
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
        read, written = (float(word) for word in done.stdout.split())
        assert read < 1.3 * 48
        assert written < 2.6 * 48, suffix


@pytest.mark.parametrize(("suffix", "sizes"), [(".nrrd", b"sizes: 40 30 12"), (".mha", b"DimSize = 40 30 12")])
def test_other_headers_that_promise_more_than_any_memory(noise, tmp_path, suffix, sizes):
    path = tmp_path / f"v{suffix}"
    write_volume(noise, path)
    data = path.read_bytes()
    assert sizes in data
    path.write_bytes(data.replace(sizes, sizes[:-8] + b"90000 90000 90000"))
    refused(path)


def test_a_name_that_no_disk_takes(noise, tmp_path):
    path = tmp_path / f"{'long' * 100}.nii.gz"
    with pytest.raises(InputError, match="cannot be opened"):
        read_volume(path)
    with pytest.raises(InputError, match="file name"):
        write_volume(noise, path)
    assert not list(tmp_path.iterdir())


def test_random_damage_is_refused_or_read_but_never_a_crash(noise, tmp_path):
    """Bytes of headers are changed at random, with a fixed seed; anything but a volume or a refusal fails the test."""
    small = Volume(noise.array[:3, :6, :8])
    rng = np.random.default_rng(11)
    for suffix in (*SUFFIXES, ".seg.nrrd"):
        path = tmp_path / f"v{suffix}"
        if suffix == ".seg.nrrd":
            write_segmentation_file(Volume((small.array > 9).astype(np.uint8)), [], path)
        else:
            write_volume(small, path)
        whole = path.read_bytes()
        for _ in range(20):
            data = bytearray(whole)
            for at in rng.integers(0, len(data), rng.integers(1, 5)):
                data[at] = rng.integers(0, 256)
            path.write_bytes(data)
            with contextlib.suppress(InputError), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                read_volume(path)
                read_labels(path)
