"""HDF5 files are read in another process: what comes back, and what of a file that ends its reader."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from medseg.errors import InputError, MissingPackageError, UnsafeModelError
from medseg.models import hdf5_reader, inspect_model, open_model
from medseg.models.hdf5_reader import read_hdf5, reading_here

h5py = pytest.importorskip("h5py")
FIXTURES = Path(__file__).parent / "fixtures"


def test_a_process_of_its_own_gives_what_reading_here_gives() -> None:
    for path, entry in ((FIXTURES / "unet.h5", None), (FIXTURES / "unet.keras", "model.weights.h5")):
        apart = read_hdf5(path, entry, values=True)
        with reading_here():
            near = read_hdf5(path, entry, values=True)
        assert compare(apart, near) > 10
    with reading_here():
        wanted = open_model(FIXTURES / "unet.h5", device="cpu")
    x = np.random.default_rng(0).normal(size=(1, wanted.in_channels or 1, 32, 48)).astype(np.float32)
    with open_model(FIXTURES / "unet.h5", device="cpu") as model:
        np.testing.assert_array_equal(model.run(x), wanted.run(x))
    wanted.close()


def compare(a: hdf5_reader.Group, b: hdf5_reader.Group) -> int:
    """How many data sets were found alike; both trees must be."""
    assert a.attrs == b.attrs and list(a) == list(b)
    count = 0
    for name in a:
        if isinstance(a[name], hdf5_reader.Group):
            count += compare(a[name], b[name])
        elif a[name].values is not None:
            np.testing.assert_array_equal(a[name].values, b[name].values, strict=True)
            count += 1
    return count


def crashing(path: Path) -> Path:
    """Found by fuzzing: ten changed bytes end the process that asks h5py (3.16) for an attribute."""
    content = bytearray((FIXTURES / "sequential.h5").read_bytes())
    content[0x3EE:0x3F3], content[0x147F:0x1483], content[0x4C3C:0x4C3D] = b"1e999", b"\x03\xf4\xff\xff", b"1"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("ask", [inspect_model, open_model])
def test_a_file_that_ends_its_reader_is_one_line_by_a_process_of_its_own(tmp_path: Path, ask) -> None:
    with pytest.raises(InputError) as caught:
        ask(crashing(tmp_path / "crash.h5"))
    assert "\n" not in caught.value.line() and caught.value.exit_status == 2


def test_limits_of_a_process_of_its_own_are_one_line(monkeypatch) -> None:
    monkeypatch.setattr(hdf5_reader, "READ_BYTES", 1 << 20)
    with pytest.raises(InputError, match=r"memory|did not come back"):
        read_hdf5(FIXTURES / "unet.h5", None, values=True)
    monkeypatch.setattr(hdf5_reader, "READ_BYTES", 8 << 30)
    monkeypatch.setattr(hdf5_reader, "READ_SECONDS", 0.001)
    with pytest.raises(InputError, match=r"took longer than 0\.001 s"):
        read_hdf5(FIXTURES / "unet.h5")


def test_refusals_come_from_a_process_of_its_own_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "links.h5"
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps({"class_name": "Sequential", "config": {"layers": []}})
        group = file.create_group("model_weights")
        group["again"] = group
    with pytest.raises(UnsafeModelError, match="two links lead to one group"):
        inspect_model(path)
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    with pytest.raises(InputError, match="damaged or cut short"):
        inspect_model(path)


def test_slicer_s_own_process_is_never_started_again(tmp_path: Path, monkeypatch) -> None:
    """There ``sys.executable`` is the application: the interpreter beside it is taken, or none."""
    monkeypatch.setattr(hdf5_reader.sys, "executable", str(tmp_path / "SlicerApp-real"))
    assert hdf5_reader._interpreter() is None
    (tmp_path / "PythonSlicer").touch()
    assert hdf5_reader._interpreter() == str(tmp_path / "PythonSlicer")


def test_a_missing_package_is_named_by_a_process_of_its_own(monkeypatch, tmp_path: Path) -> None:
    (tmp_path / "h5py.py").write_text("raise ModuleNotFoundError(\"No module named 'h5py'\", name='h5py')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(MissingPackageError, match="h5py"):
        read_hdf5(FIXTURES / "unet.h5")
