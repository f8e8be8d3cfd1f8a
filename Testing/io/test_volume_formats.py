"""Volumes of every format come back with their voxels, their voxel type and their place in space."""

from __future__ import annotations

import gzip
import struct
import warnings

import numpy as np
import pytest
import SimpleITK as sitk
from medseg.errors import InputError
from medseg.io import MedSegWarning, check_finite, read_labels, read_volume, write_labels, write_volume
from medseg.volume import Volume

SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".mha")
DTYPES = ("u1", "i1", "u2", "i2", "u4", "i4", "f4", "f8")


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_written_volumes_come_back_the_same(oblique, tmp_path, suffix, dtype):
    volume = oblique.with_array(oblique.array.astype(dtype))
    path = tmp_path / f"Žluč ducts{suffix}"
    write_volume(volume, path)
    back = read_volume(path)
    assert back.array.dtype == np.dtype(dtype)
    assert np.array_equal(back.array, volume.array)
    assert back.same_grid(volume, tolerance_mm=1e-4)
    assert back.name == "Žluč ducts"
    assert back.source == path


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_simpleitk_reads_what_is_written_and_the_reverse(oblique, tmp_path, suffix):
    write_volume(oblique, tmp_path / f"ours{suffix}")
    image = sitk.ReadImage(str(tmp_path / f"ours{suffix}"))
    assert np.array_equal(sitk.GetArrayFromImage(image), oblique.array)
    assert np.allclose(image.GetDirection(), oblique.direction.ravel(), atol=1e-6)
    sitk.WriteImage(image, str(tmp_path / f"theirs{suffix}"))
    assert read_volume(tmp_path / f"theirs{suffix}").same_grid(oblique, tolerance_mm=1e-4)


def test_a_header_with_its_voxels_in_a_second_file_opens(oblique, tmp_path):
    write_volume(oblique, tmp_path / "v.nrrd")
    image = sitk.ReadImage(str(tmp_path / "v.nrrd"))
    for name in ("v.mhd", "w.nhdr", "x.img"):
        sitk.WriteImage(image, str(tmp_path / name))
        back = read_volume(tmp_path / name)
        assert np.array_equal(back.array, oblique.array), name
        assert back.same_grid(oblique, 1e-4), name


def test_a_volume_of_one_voxel_and_one_of_one_slice_survive(tmp_path):
    for shape in ((1, 1, 1), (1, 4, 5), (4, 1, 5), (4, 5, 1)):
        volume = Volume(np.arange(np.prod(shape), dtype=np.int16).reshape(shape), (2, 3, 4), (1, 2, 3))
        for suffix in SUFFIXES:
            write_volume(volume, tmp_path / f"thin{suffix}")
            back = read_volume(tmp_path / f"thin{suffix}")
            assert np.array_equal(back.array, volume.array), (shape, suffix)
            assert back.same_grid(volume), (shape, suffix)


def test_every_axis_order_and_flip_lies_at_the_same_place(tmp_path):
    """Each voxel is found again at its own LPS position, for all 48 signed axis permutations."""
    from itertools import permutations, product

    rng = np.random.default_rng(5)
    array = rng.permutation(2 * 3 * 4).astype(np.int16).reshape(2, 3, 4)
    for n, (order, signs) in enumerate(product(permutations(range(3)), product((1, -1), repeat=3))):
        direction = np.eye(3)[:, order] * signs
        volume = Volume(array, (1.5, 2.5, 3.5), (3.0, -4.0, 5.0), direction)
        path = tmp_path / f"{n}{SUFFIXES[n % 4]}"
        write_volume(volume, path)
        back = read_volume(path)
        assert np.array_equal(back.array, array) and back.same_grid(volume)
        assert np.allclose(back.direction, direction)


def nifti_bytes(
    shape=(4, 5, 6),
    sform=None,
    qform_code=0,
    quaternion=(0, 0, 0, 0, 0, 0),
    slope=0.0,
    intercept=0.0,
    order="<",
    code=4,
    units=2,
    dims=None,
):
    """A NIfTI-1 file by the format's own table; voxels count up."""
    header = bytearray(352)
    dims = dims or (3, *shape, 1, 1, 1, 1)
    struct.pack_into(order + "i", header, 0, 348)
    struct.pack_into(order + "8h", header, 40, *dims)
    struct.pack_into(order + "hh", header, 70, code, 16)
    struct.pack_into(order + "8f", header, 76, 1, 1.5, 2, 2.5, 1, 0, 0, 0)
    struct.pack_into(order + "3f", header, 108, 352, slope, intercept)
    header[123] = units
    struct.pack_into(order + "hh", header, 252, qform_code, 0 if sform is None else 1)
    struct.pack_into(order + "6f", header, 256, *quaternion)
    if sform is not None:
        struct.pack_into(order + "12f", header, 280, *np.asarray(sform, float).ravel())
    header[344:348] = b"n+1\0"
    return bytes(header) + np.arange(np.prod(dims[1:]), dtype=order + "i2").tobytes()


SHEAR = [[1.5, 0.0, 0, 7], [0, 2, 0, 8], [0, 0, 2.5, 9]]


def sheared(amount):
    matrix = np.array(SHEAR)
    matrix[0, 1] = amount * 2
    return matrix


@pytest.mark.parametrize("order", "<>")
def test_nifti_of_both_byte_orders_is_read_like_itk_reads_it(tmp_path, order):
    path = tmp_path / "v.nii"
    path.write_bytes(nifti_bytes(sform=SHEAR, order=order))
    volume, image = read_volume(path), sitk.ReadImage(str(path))
    assert np.array_equal(volume.array, sitk.GetArrayFromImage(image))
    assert volume.array.dtype == np.dtype("int16") and volume.array.dtype.isnative
    assert volume.origin == pytest.approx(image.GetOrigin())
    assert volume.origin == pytest.approx((-7, -8, 9))


def test_nifti_scaling_is_applied(tmp_path):
    path = tmp_path / "v.nii"
    path.write_bytes(nifti_bytes(sform=SHEAR, slope=0.5, intercept=-3.0))
    array = read_volume(path).array
    assert array.dtype == np.float32
    assert np.array_equal(array.ravel(), np.arange(120) * 0.5 - 3)
    assert np.array_equal(array, sitk.GetArrayFromImage(sitk.ReadImage(str(path))))


@pytest.mark.parametrize("amount", [1e-5, 1e-4, 1e-3, 5e-3])
def test_slightly_sheared_nifti_opens_with_the_nearest_rotation(tmp_path, amount):
    """SimpleITK itself refuses such headers from 1e-3 on."""
    path = tmp_path / "v.nii"
    path.write_bytes(nifti_bytes(sform=sheared(amount)))
    volume = read_volume(path)
    assert np.abs(volume.direction.T @ volume.direction - np.eye(3)).max() < 1e-6
    assert np.abs(volume.direction - np.diag([-1, -1, 1])).max() <= amount
    assert volume.spacing == pytest.approx((1.5, 2, 2.5), rel=1e-4)
    assert volume.origin == pytest.approx((-7, -8, 9))
    assert np.array_equal(volume.array.ravel(), np.arange(120))


def test_truly_sheared_nifti_is_refused(tmp_path):
    path = tmp_path / "v.nii"
    path.write_bytes(nifti_bytes(sform=sheared(0.1)))
    with pytest.raises(InputError, match="not perpendicular"):
        read_volume(path)


def test_broken_sform_gives_way_to_a_good_qform_with_a_warning(tmp_path):
    path = tmp_path / "v.nii"
    path.write_bytes(nifti_bytes(sform=sheared(0.1), qform_code=1, quaternion=(0, 0, 1, 4, 5, 6)))
    with pytest.warns(MedSegWarning):
        volume = read_volume(path)
    # The quaternion (0, 0, 0, 1) is half a turn about z; RAS (-x, -y, z) is LPS (x, y, z).
    assert np.allclose(volume.direction, np.eye(3), atol=1e-6)
    assert volume.origin == pytest.approx((-4, -5, 6))


def test_disagreeing_sform_and_qform_open_and_it_is_said(tmp_path):
    path = tmp_path / "v.nii"
    path.write_bytes(nifti_bytes(sform=SHEAR, qform_code=1, quaternion=(0, 0, 0, 107, 8, 9)))
    with pytest.warns(MedSegWarning, match=r"100\.0 mm apart"):
        volume = read_volume(path)
    assert volume.origin == pytest.approx(sitk.ReadImage(str(path)).GetOrigin())


def test_own_and_itks_geometry_agree_for_random_headers(tmp_path):
    """Where ITK accepts a header, the transform read here is the same: sform, qform, units, byte order, reflections."""
    from medseg.io import nifti

    rng = np.random.default_rng(0)
    path = tmp_path / "v.nii"
    for n in range(60):
        rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
        sform = np.column_stack([rotation * [1.5, 2, 2.5], rng.normal(size=3) * 100])
        quaternion = rng.normal(size=3)
        quaternion *= rng.uniform(0, 1) / np.linalg.norm(quaternion)
        data = bytearray(
            nifti_bytes(
                sform=None if n % 3 == 1 else sform,
                qform_code=1 if n % 3 else 0,
                quaternion=(*quaternion, *rng.normal(size=3) * 50),
                units=(1, 2, 3)[n % 3],
                order="<>"[n % 2],
            )
        )
        if n % 5 == 0:
            struct.pack_into("<>"[n % 2] + "f", data, 76, -1)
        path.write_bytes(data)
        theirs, ours = nifti._itk_geometry(path), nifti._own_geometry(path, nifti.read_header(path))
        for a, b in zip(theirs, ours, strict=True):
            assert np.allclose(a, b, rtol=1e-5, atol=1e-6), n


def test_two_voxel_sizes_in_one_header_are_told(tmp_path):
    path = tmp_path / "v.nii"
    path.write_bytes(nifti_bytes(sform=np.multiply(SHEAR, [[2, 1, 1, 1]])))
    with pytest.warns(MedSegWarning, match=r"two voxel sizes, 1\.5×2×2\.5 and 3×2×2\.5 mm"):
        volume = read_volume(path)
    assert volume.spacing == pytest.approx(sitk.ReadImage(str(path)).GetSpacing())


def write_nrrd(path, space, directions, origin="(1,2,3)"):
    path.write_bytes(
        f"NRRD0004\ntype: short\ndimension: 3\nspace: {space}\nsizes: 2 3 4\nspace directions: {directions}\n"
        f"kinds: domain domain domain\nendian: little\nencoding: raw\nspace origin: {origin}\n\n".encode()
        + np.arange(24, dtype="<i2").tobytes()
    )


def test_an_nrrd_in_another_space_is_turned_to_lps(tmp_path):
    write_nrrd(tmp_path / "v.nrrd", "right-anterior-superior", "(0,2,0) (3,0,0) (0,0,4)")
    volume = read_volume(tmp_path / "v.nrrd")
    assert volume.spacing == (2, 3, 4) and volume.origin == (-1, -2, 3)
    assert np.array_equal(volume.direction, [[0, -1, 0], [-1, 0, 0], [0, 0, 1]])
    assert np.array_equal(volume.array.ravel(), np.arange(24))


def test_a_sheared_nrrd_or_metaimage_is_refused_and_a_rounded_one_mended(tmp_path):
    write_nrrd(tmp_path / "v.nrrd", "left-posterior-superior", "(2,0,0) (0.3,3,0) (0,0,4)")
    with pytest.raises(InputError, match="not perpendicular"):
        read_volume(tmp_path / "v.nrrd")
    write_nrrd(tmp_path / "w.nrrd", "left-posterior-superior", "(2,0,0) (0.003,3,0) (0,0,4)")
    volume = read_volume(tmp_path / "w.nrrd")
    assert np.abs(volume.direction.T @ volume.direction - np.eye(3)).max() < 1e-6
    header = (
        "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\nCompressedData = False\n"
        "TransformMatrix = 1 0 0 0.2 1 0 0 0 1\nOffset = 0 0 0\nElementSpacing = 1 1 1\nDimSize = 2 3 4\n"
        "ElementType = MET_SHORT\nElementDataFile = LOCAL\n"
    )
    (tmp_path / "v.mha").write_bytes(header.encode() + np.arange(24, dtype="<i2").tobytes())
    with pytest.raises(InputError, match="not perpendicular"):
        read_volume(tmp_path / "v.mha")


def test_four_dimensions_are_fine_when_the_fourth_is_one(oblique, tmp_path):
    (tmp_path / "v.nii").write_bytes(nifti_bytes(sform=SHEAR, dims=(4, 4, 5, 6, 1, 1, 1, 1)))
    assert read_volume(tmp_path / "v.nii").array.shape == (6, 5, 4)
    image = sitk.JoinSeries([sitk.GetImageFromArray(oblique.array)])
    for suffix in (".nrrd", ".mha"):
        sitk.WriteImage(image, str(tmp_path / f"v{suffix}"))
        assert np.array_equal(read_volume(tmp_path / f"v{suffix}").array, oblique.array)


def test_a_nifti_named_gz_that_is_not_compressed_opens(tmp_path):
    (tmp_path / "v.nii.gz").write_bytes(nifti_bytes(sform=SHEAR))
    (tmp_path / "w.nii").write_bytes(gzip.compress(nifti_bytes(sform=SHEAR)))
    for name in ("v.nii.gz", "w.nii"):
        assert np.array_equal(read_volume(tmp_path / name).array.ravel(), np.arange(120))


def test_nifti_of_several_gzip_members_and_with_bytes_after_the_end_opens(tmp_path):
    whole = nifti_bytes(sform=SHEAR)
    (tmp_path / "v.nii.gz").write_bytes(gzip.compress(whole[:400]) + gzip.compress(whole[400:]) + b"\0" * 100)
    (tmp_path / "w.nii.gz").write_bytes(gzip.compress(whole) + b"left over by an archiver")
    for name in ("v.nii.gz", "w.nii.gz"):
        assert np.array_equal(read_volume(tmp_path / name).array.ravel(), np.arange(120))


def test_nifti_2_which_itk_does_not_know_is_read(tmp_path):
    header = bytearray(544)
    struct.pack_into("<i8s", header, 0, 540, b"n+2\0\r\n\x1a\n")
    struct.pack_into("<hh8q", header, 12, 4, 16, 3, 4, 5, 6, 1, 1, 1, 1)
    struct.pack_into("<8d", header, 104, 1, 1.5, 2, 2.5, 1, 0, 0, 0)
    struct.pack_into("<q2d", header, 168, 544, 1, 0)
    struct.pack_into("<2i", header, 344, 0, 1)
    struct.pack_into("<12d", header, 400, *np.ravel(SHEAR))
    struct.pack_into("<i", header, 500, 2)
    path = tmp_path / "v.nii"
    path.write_bytes(bytes(header) + np.arange(120, dtype="<i2").tobytes())
    (tmp_path / "one.nii").write_bytes(nifti_bytes(sform=SHEAR))
    two, one = read_volume(path), read_volume(tmp_path / "one.nii")
    assert np.array_equal(two.array, one.array) and two.same_grid(one)


def test_given_spacing_replaces_the_one_of_the_file(oblique, tmp_path):
    write_volume(oblique, tmp_path / "v.nii.gz")
    assert read_volume(tmp_path / "v.nii.gz", spacing=(1, 2, 3)).spacing == (1, 2, 3)
    assert read_volume(tmp_path / "v.nii.gz", spacing=(0.5, 4)).spacing == (0.5, 4, 4)
    for bad in ((0, 1, 1), (1, -1, 1), (1, 1, float("nan")), (1, 2, 3, 4), ()):
        with pytest.raises(InputError, match="spacing"):
            read_volume(tmp_path / "v.nii.gz", spacing=bad)


def test_values_that_are_not_finite_are_kept_and_check_finite_counts_them(oblique, tmp_path):
    array = oblique.array.astype(np.float32)
    array[1, 2, 3], array[0, 0, 0], array[4, 4, 4] = np.nan, np.inf, -np.inf
    write_volume(oblique.with_array(array), tmp_path / "v.nii.gz")
    volume = read_volume(tmp_path / "v.nii.gz")
    assert np.array_equal(volume.array, array, equal_nan=True)
    with pytest.raises(InputError, match="3 of 315 voxels"):
        check_finite(volume)
    check_finite(oblique)


def test_labels_become_the_smallest_unsigned_type(oblique, tmp_path):
    for top, dtype in ((1, np.uint8), (255, np.uint8), (256, np.uint16)):
        labels = np.zeros(oblique.array.shape, np.float64)
        labels[1] = top
        write_labels(oblique.with_array(labels), tmp_path / "l.nii.gz")
        back = read_labels(tmp_path / "l.nii.gz")
        assert back.array.dtype == dtype
        assert np.array_equal(back.array, labels)
    write_labels(oblique.with_array(labels > 0), tmp_path / "l.nrrd")
    assert set(np.unique(read_labels(tmp_path / "l.nrrd").array)) == {0, 1}


@pytest.mark.parametrize("value", [0.5, -1.0, 70000.0, np.nan])
def test_values_that_are_no_labels_are_refused(oblique, tmp_path, value):
    array = np.zeros(oblique.array.shape, np.float32)
    array[2, 2, 2] = value
    write_volume(oblique.with_array(array), tmp_path / "l.nii.gz")
    with pytest.raises(InputError, match=r"label"):
        read_labels(tmp_path / "l.nii.gz")
    with pytest.raises(InputError, match=r"label"):
        write_labels(oblique.with_array(array), tmp_path / "m.nii.gz")
    assert not (tmp_path / "m.nii.gz").exists()


def test_float_labels_of_whole_numbers_are_read(oblique, tmp_path):
    array = np.zeros(oblique.array.shape, np.float32)
    array[2] = 3
    write_volume(oblique.with_array(array), tmp_path / "l.nii.gz")
    assert np.array_equal(read_labels(tmp_path / "l.nii.gz").array, array)


def test_nothing_is_warned_about_a_good_volume(oblique, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for suffix in SUFFIXES:
            write_volume(oblique, tmp_path / f"v{suffix}")
            read_volume(tmp_path / f"v{suffix}")
