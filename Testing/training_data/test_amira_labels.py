"""Label fields of Amira: every encoding gives the same voxels in the same place, and damage is told, not guessed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from amira_files import MATERIALS, run_lengths, write_amira
from data_sets import config, lines
from medseg.errors import InputError
from medseg.io import read_labels, read_segmentation_file, read_volume, write_volume
from medseg.volume import Volume


@pytest.fixture
def field() -> Volume:
    """Labels 0 to 2 in blocks and in noise, so that both kinds of run occur."""
    array = np.zeros((5, 12, 10), np.uint8)
    array[1:4, 3:9, 2:8] = 1
    array[2, 5:11, 4:9] = np.random.default_rng(0).integers(0, 3, (6, 5))
    return Volume(array, (0.5, 0.75, 2.0), (-10.0, 4.0, 7.5))


@pytest.mark.parametrize(
    ("kind", "encoding", "voxel", "stamp"),
    [
        ("ASCII", "", "byte", "AmiraMesh 3D"),
        ("BINARY", "", "ushort", "AmiraMesh"),
        ("BINARY-LITTLE-ENDIAN", "", "ushort", "Avizo"),
        ("BINARY-LITTLE-ENDIAN", "HxByteRLE", "byte", "AmiraMesh"),
        ("BINARY-LITTLE-ENDIAN", "HxZip", "ushort", "AmiraMesh"),
    ],
)
def test_every_encoding_gives_the_voxels_and_their_place(
    tmp_path: Path, field: Volume, kind: str, encoding: str, voxel: str, stamp: str
) -> None:
    write_amira(tmp_path / "a.am", field, kind, encoding, voxel, stamp=stamp)
    volume, segments = read_segmentation_file(tmp_path / "a.am")
    assert np.array_equal(volume.array, field.array)
    assert volume.array.dtype == np.uint8
    assert volume.same_grid(field)
    # The value is the place in the list, not the Id.
    assert [(s.value, s.name) for s in segments] == [(1, "Frontal"), (2, "Parietal")]
    assert segments[0].color == (0.8, 0.16, 0.16)


def test_runs_known_by_hand() -> None:
    assert run_lengths(b"\0\0\0\1\2\3\3") == bytes([3, 0, 128 + 2, 1, 2, 2, 3])


def test_units_and_a_transformation_place_the_lattice(tmp_path: Path, field: Volume) -> None:
    # A quarter turn about z and a shift, for row vectors as Open Inventor writes it.
    matrix = "0 1 0 0 -1 0 0 0 0 0 1 0 5 6 7 1"
    more = f'    Units {{\n        Coordinates "cm"\n    }}\n    TransformationMatrix {matrix},\n'
    write_amira(tmp_path / "a.am", field, more=more)
    volume = read_volume(tmp_path / "a.am")
    x, y, z = field.origin
    assert np.allclose(volume.origin, [10 * (5 - y), 10 * (6 + x), 10 * (7 + z)])
    assert np.allclose(volume.spacing, [5, 7.5, 20])
    assert np.allclose(volume.direction, [[0, -1, 0], [1, 0, 0], [0, 0, 1]])


def test_an_image_of_floats_is_a_volume(tmp_path: Path, field: Volume) -> None:
    image = field.with_array(field.array * np.float32(1.5))
    write_amira(tmp_path / "a.am", image, voxel="float", more="")
    assert np.array_equal(read_volume(tmp_path / "a.am").array, image.array)


@pytest.mark.parametrize("encoding", ["", "HxByteRLE", "HxZip"])
def test_a_file_cut_short_is_refused(tmp_path: Path, field: Volume, encoding: str) -> None:
    path = tmp_path / "a.am"
    write_amira(path, field, encoding=encoding)
    whole = path.read_bytes()
    start = whole.index(b"\n@1\n") + 4
    for keep in (start + 3, (start + len(whole)) // 2, start - 20):
        path.write_bytes(whole[:keep])
        with pytest.raises(InputError):
            read_labels(path)


def test_a_size_that_the_file_cannot_hold_is_refused_before_room_is_made(tmp_path: Path, field: Volume) -> None:
    path = tmp_path / "a.am"
    for encoding in ("", "HxByteRLE", "HxZip"):
        write_amira(path, field, encoding=encoding)
        path.write_bytes(path.read_bytes().replace(b"Lattice 10 12 5", b"Lattice 90000 90000 90000"))
        with pytest.raises(InputError, match="90000×90000×90000"):
            read_labels(path)


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        (b'"uniform"', b'"stacked"', "stacked coordinates"),
        (b"byte Labels", b"byte[4] Labels", "byte of 4 numbers"),
        (b"@1(HxByteRLE", b"@1(HxDiff", "encoding HxDiff"),
        (b"Lattice { byte", b"Lattice { ushort", "run-length encoded ushort"),
        (b"Lattice { byte", b"Vertices { byte", "no 3D lattice"),
        (b"# AmiraMesh", b"# HyperSurface", "not an AmiraMesh"),
    ],
)
def test_what_is_not_understood_is_named(tmp_path: Path, field: Volume, old: bytes, new: bytes, what: str) -> None:
    path = tmp_path / "a.am"
    write_amira(path, field, encoding="HxByteRLE")
    assert old in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(old, new))
    with pytest.raises(InputError, match=what):
        read_labels(path)


def test_masks_drawn_in_amira_train_on_images_of_other_formats(tmp_path: Path, field: Volume) -> None:
    """Amira knows no axis directions: a label field lies on a turned image voxel by voxel, and that is said."""
    labels = field.with_array(np.minimum(field.array, 1))
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
    rng = np.random.default_rng(1)
    for name, direction in (("straight", np.eye(3)), ("turned", np.diag([-1.0, -1.0, 1.0]))):
        noise = rng.normal(100, 10, field.array.shape).astype(np.float32)
        write_volume(Volume(noise, field.spacing, field.origin, direction), tmp_path / "images" / f"{name}.nii.gz")
        more = MATERIALS if name == "straight" else ""
        write_amira(tmp_path / "labels" / f"{name}.labels.am", labels, encoding="HxByteRLE", more=more)
    found = lines(config(tmp_path))
    assert any("turned.labels.am: is laid onto its image voxel by voxel: Amira keeps no axis" in line for line in found)
    assert not any("straight" in line and "voxel by voxel" in line for line in found)
    assert not [line for line in found if line.startswith("error")]
