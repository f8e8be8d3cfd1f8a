"""Arrays through files: what is refused, and what happens when the disk is full."""

from __future__ import annotations

import uuid
from types import SimpleNamespace

import numpy as np
import pytest
from medseg.errors import MedSegError
from medseg.worker import exchange
from medseg.worker.exchange import pack, unpack


def test_a_tree_comes_back_as_it_was(tmp_path):
    tree = {"a": [np.arange(6).reshape(2, 3), {"b": np.float32([1.5])}], "n": 3, "none": None, "text": "Žluč"}
    packed = pack(tmp_path, tree)
    back = unpack(tmp_path, packed, take=True)
    np.testing.assert_array_equal(back["a"][0], tree["a"][0])
    np.testing.assert_array_equal(back["a"][1]["b"], tree["a"][1]["b"])
    assert (back["n"], back["none"], back["text"]) == (3, None, "Žluč")
    assert not list(tmp_path.iterdir())


def test_maps_cannot_be_written_to(tmp_path):
    mapped = unpack(tmp_path, pack(tmp_path, np.ones(3)))
    with pytest.raises(ValueError, match="read-only"):
        mapped[0] = 2


def test_objects_do_not_travel(tmp_path):
    with pytest.raises(MedSegError, match="object"):
        pack(tmp_path, np.array([{}, None]))
    with pytest.raises(MedSegError, match="does not take"):
        unpack(tmp_path, {"$array": {"file": "x.array", "dtype": "O", "shape": [1]}})


@pytest.mark.parametrize("name", ["../x.array", "/etc/hostname", "sub/x.array"])
def test_only_files_of_the_folder_are_read(tmp_path, name):
    with pytest.raises(MedSegError, match="does not take"):
        unpack(tmp_path, {"$array": {"file": name, "dtype": "|u1", "shape": [1]}})


def test_a_file_of_another_size_is_refused(tmp_path):
    packed = pack(tmp_path, np.ones(10))
    path = tmp_path / packed["$array"]["file"]
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(MedSegError, match="79 bytes, not 80"):
        unpack(tmp_path, packed)


def test_a_full_disk_is_named_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(exchange.uuid, "uuid4", lambda: SimpleNamespace(hex="full"))
    try:
        (tmp_path / "full.array").symlink_to("/dev/full")
        (tmp_path / "full.array").write_bytes(b"x")
    except OSError as error:
        if error.errno != 28:
            pytest.skip("no /dev/full here")
    with pytest.raises(MedSegError, match=r"disk of the temporary folder is full.*; free 8 MiB"):
        pack(tmp_path, np.ones(2**20))
    assert not list(tmp_path.iterdir())


def test_names_cannot_be_guessed(tmp_path):
    packed = pack(tmp_path, np.ones(1))
    assert uuid.UUID(packed["$array"]["file"].removesuffix(".array")).version == 4
