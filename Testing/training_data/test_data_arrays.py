"""Arrays are read as the mapping says; what could run code or lies about its size is refused."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from data_sets import ball_case, card, config, errors, one_slice
from medseg.errors import InputError
from medseg_training.config import parse_config
from medseg_training.data import LoadedCase, list_cases, load_case

SPACING = [1.5, 1.25, 3.0]


def load(folder: Path, arrays: dict[str, Any], **changes: Any) -> dict[str, LoadedCase]:
    settings = config(folder, card=card("acquisition", changes.pop("volumes", None)), arrays=arrays, **changes)
    cases, problems = list_cases(settings)
    assert not problems
    loaded = {}
    for case in cases:
        one, found = load_case(case, settings)
        assert one is not None, [p.line() for p in found]
        loaded[case.name] = one
    return loaded


def made(count: int = 3) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    return {f"p{n}": tuple(v.array for v in ball_case(n)) for n in range(count)}  # type: ignore[misc]


def test_one_npz_for_each_case_axes_in_any_order(tmp_path: Path) -> None:
    cases = made()
    for name, (image, labels) in cases.items():
        np.savez_compressed(tmp_path / f"{name}.npz", scan=image.transpose(2, 1, 0), truth=labels.astype(bool))
    mapping = {"image": "{case}.npz:scan", "labels": "{case}.npz:truth", "axes": "xyz", "label_axes": "zyx"}
    loaded = load(tmp_path, mapping, spacing_mm=SPACING)
    assert list(loaded) == list(cases)
    for name, one in loaded.items():
        assert np.array_equal(one.image.array, cases[name][0])
        assert np.array_equal(one.labels.array, cases[name][1])
        assert one.image.spacing == tuple(SPACING)


def test_npy_files_in_two_folders(tmp_path: Path) -> None:
    cases = made()
    for name, (image, labels) in cases.items():
        for part, array in (("images", image), ("masks", labels)):
            (tmp_path / part).mkdir(exist_ok=True)
            np.save(tmp_path / part / f"{name}.npy", np.asfortranarray(array).astype(">i2"))
    loaded = load(tmp_path, {"image": "images/{case}.npy", "labels": "masks/{case}.npy"})
    assert all(np.array_equal(one.image.array, cases[name][0]) for name, one in loaded.items())
    assert loaded["p0"].image.array.dtype == np.dtype("i2")


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".h5"])
def test_all_slices_in_one_array_as_the_reports_kept_them(tmp_path: Path, suffix: str) -> None:
    """(N, rows, columns, 1) images and masks: every slice is a case."""
    slices = [one_slice(n, (16, 20)) for n in range(12)]
    images, masks = (np.stack([s[part] for s in slices])[..., np.newaxis] for part in (0, 1))
    if suffix == ".npy":
        np.save(tmp_path / "x.npy", images)
        np.save(tmp_path / "y.npy", masks[..., 0])
        mapping = {"image": "x.npy", "labels": "y.npy"}
    elif suffix == ".npz":
        np.savez(tmp_path / "all.npz", x=images, y=masks[..., 0])
        mapping = {"image": "all.npz:x", "labels": "all.npz:y"}
    else:
        with h5py.File(tmp_path / "all.h5", "w") as file:
            file["data/x"], file["data/y"] = images, masks[..., 0]
        mapping = {"image": "all.h5:data/x", "labels": "all.h5:data/y"}
    loaded = load(tmp_path, {**mapping, "axes": "nyxc", "label_axes": "nyx"}, patient=r"_(\d)\d$")
    assert next(iter(loaded)).endswith("_00") and len(loaded) == 12
    for (image, mask), one in zip(slices, loaded.values(), strict=True):
        assert np.array_equal(one.image.array[0], image) and np.array_equal(one.labels.array[0], mask)
    assert [one.case.patient for one in loaded.values()] == ["0"] * 10 + ["1"] * 2


def test_hdf5_with_a_group_for_each_case_channels_and_its_own_spacing(tmp_path: Path) -> None:
    cases = made()
    with h5py.File(tmp_path / "all.h5", "w") as file:
        for n, (name, (image, labels)) in enumerate(cases.items()):
            group = file.create_group(f"cases/{name}")
            both = np.stack([image, -image])
            group.create_dataset("image", data=both, compression="gzip")
            group["labels"], group["spacing"] = labels, [1.0 + n, 1.0, 2.0]
    prefix = "all.h5:cases/{case}/"
    mapping = {
        "image": prefix + "image",
        "labels": prefix + "labels",
        "spacing": prefix + "spacing",
        "axes": "czyx",
    }
    loaded = load(tmp_path, mapping, volumes=["a", "b"])
    for n, (name, one) in enumerate(loaded.items()):
        assert np.array_equal(one.images[0].array, cases[name][0])
        assert np.array_equal(one.images[1].array, -cases[name][0])
        assert one.image.spacing == (1.0 + n, 1.0, 2.0)


def test_one_case_out_of_a_mapped_array_reads_only_its_slice(tmp_path: Path) -> None:
    """A .npy of 8 GiB on a sparse file opens and gives a slice: the others are not read."""
    shape = (2**17, 256, 256)
    with (tmp_path / "x.npy").open("wb") as stream:
        np.lib.format.write_array_header_1_0(stream, {"descr": "|u1", "fortran_order": False, "shape": shape})
        start = stream.tell()
        stream.seek(start + 5 * 256 * 256)
        stream.write(bytes(range(256)))
        stream.truncate(start + int(np.prod(shape, dtype=np.int64)))
    (tmp_path / "y.npy").write_bytes(b"")
    from medseg_training.data.array_files import ArrayPlace, array_shape, read_array

    assert array_shape(tmp_path / "x.npy", None) == shape
    plane = read_array(ArrayPlace(tmp_path / "x.npy", None, 0, 5))
    assert plane.shape == (256, 256) and list(plane[0]) == list(range(256)) and not plane[1:].any()


class _Bomb:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.target,))


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_pickled_objects_are_refused_and_not_run(tmp_path: Path, suffix: str) -> None:
    ran = tmp_path / "it-ran"
    array = np.array([_Bomb(ran)], dtype=object)
    data = tmp_path / "data"
    data.mkdir()
    if suffix == ".npy":
        np.save(data / "x.npy", array, allow_pickle=True)
        mapping = {"image": "x.npy", "labels": "x.npy"}
    else:
        np.savez(data / "x.npz", a=array)  # numpy pickles it
        mapping = {"image": "x.npz:a", "labels": "x.npz:a"}
    found = errors(config(data, arrays=mapping, card=card("acquisition")))
    assert len(found) == 1 and "holds Python objects" in found[0], found
    assert not ran.exists()
    (data / ("x" + suffix)).write_bytes(pickle.dumps(_Bomb(ran)))  # a bare pickle under the name of an array
    assert len(errors(config(data, arrays=mapping, card=card("acquisition")))) == 1
    assert not ran.exists()


def test_hdf5_that_leads_to_other_files_is_refused(tmp_path: Path) -> None:
    secret = tmp_path / "secret.h5"
    with h5py.File(secret, "w") as file:
        file["x"] = np.ones((2, 8, 8))
    data = tmp_path / "data"
    data.mkdir()
    np.ones(128).tofile(tmp_path / "raw.bin")
    with h5py.File(data / "a.h5", "w") as file:
        file["link"] = h5py.ExternalLink(str(secret), "x")
        file["far"] = h5py.ExternalLink(str(secret), "/")
        layout = h5py.VirtualLayout((2, 8, 8), "f8")
        layout[:] = h5py.VirtualSource(str(secret), "x", (2, 8, 8))
        file.create_virtual_dataset("virtual", layout)
        file.create_dataset("outside", (2, 8, 8), "f8", external=[(str(tmp_path / "raw.bin"), 0, 1024)])
        file["text"] = ["a", "b"]
    for key, what in (
        ("link", "lies in another file"),
        ("far/x", "lies in another file"),
        ("virtual", "from another file"),
        ("outside", "from another file"),
        ("text", "numbers are needed"),
        ("gone", "holds no array 'gone'"),
    ):
        mapping = {"image": f"a.h5:{key}", "labels": f"a.h5:{key}"}
        found = errors(config(data, arrays=mapping, card=card("acquisition")))
        assert len(found) == 1 and what in found[0], (key, found)


def test_a_header_that_promises_more_than_is_there_is_refused_before_room_is_made(tmp_path: Path) -> None:
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "<f8", "fortran_order": False, "shape": (10**6, 10**4, 2)})
    (tmp_path / "x.npy").write_bytes(head.getvalue() + b"\0" * 1000)
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("a.npy", head.getvalue() + b"\0" * 1000)
        archive.writestr("b.npy", head.getvalue()[:64].replace(b"NUMPY", b"NUMPX"))
    for place, what in (("x.npy", "cut short"), ("x.npz:a", "149 GiB"), ("x.npz:b", "damaged")):
        found = errors(config(tmp_path, arrays={"image": place, "labels": place}, card=card("acquisition")))
        assert len(found) == 1 and what in found[0], (place, found)


def test_flaws_of_the_mapping_are_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "p0.npz", image=np.ones((4, 8, 8)), labels=np.ones((4, 8, 8), np.uint8))
    np.savez(tmp_path / "p1.npz", image=np.ones((4, 8, 8)))
    good = {"image": "{case}.npz:image", "labels": "{case}.npz:labels"}
    acquisition = card("acquisition")
    found = errors(config(tmp_path, arrays=good, card=acquisition))
    assert any("p1.npz: holds no array 'labels'" in line and "here are image" in line for line in found)
    found = errors(config(tmp_path, arrays={**good, "axes": "yx"}, card=acquisition))
    assert any("has 3 axes (4, 8, 8), the configuration names 2 (yx)" in line for line in found)
    with pytest.raises(InputError, match="nothing fits arrays"):
        list_cases(config(tmp_path, arrays={"image": "{case}.npy", "labels": "{case}.npy"}))
    with pytest.raises(InputError, match="names no array file"):
        list_cases(config(tmp_path, arrays={"image": "{case}.mat", "labels": "{case}.mat"}))
    np.savez(tmp_path / "x.npz", i=np.ones((4, 8, 8)), m=np.ones((3, 8, 8), np.uint8))
    found = errors(config(tmp_path, arrays={"image": "x.npz:i", "labels": "x.npz:m", "axes": "nyx"}, card=acquisition))
    assert any("holds 3 references for 4 images" in line for line in found)


@pytest.mark.parametrize(
    ("arrays", "what"),
    [
        ({"axes": "zy"}, "needs x and y"),
        ({"axes": "nzyx"}, "n and z cannot stand together"),
        ({"label_axes": "nyx"}, "both or neither"),
        ({"axes": "zyxc", "label_axes": "zyxc"}, "no c"),
        ({"labels": "all.npz:y"}, "{case} both or neither"),
        ({"imge": "x.npz"}, "unknown key arrays.imge"),
    ],
)
def test_a_mapping_that_cannot_be_meant_is_refused_at_once(tmp_path: Path, arrays: dict[str, str], what: str) -> None:
    from data_sets import settings

    whole = {"image": "{case}.npz:x", "labels": "{case}.npz:y", **arrays}
    with pytest.raises(InputError) as raised:
        parse_config(settings(tmp_path, arrays=whole))
    assert what in raised.value.line()
