"""Single arrays out of ``.npy``, ``.npz`` and HDF5 files. Objects, pickles and links to other files are refused."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from medseg.errors import InputError

#: Largest array that is read: beyond it a header lies, or the data wants to be cut into cases.
MAX_BYTES = 32 * 2**30
HDF5_SUFFIXES = (".h5", ".hdf5", ".hdf", ".he5")
SUFFIXES = (".npy", ".npz", *HDF5_SUFFIXES)


@dataclass(frozen=True)
class ArrayPlace:
    """Where an array lies: file, key (None in ``.npy``), and which case along axis ``axis`` it is."""

    file: Path
    key: str | None = None
    axis: int | None = None
    index: int = 0

    @property
    def text(self) -> str:
        """What messages call it."""
        return "the array" if self.key is None else f"the array {self.key!r}"


def read_array(place: ArrayPlace) -> np.ndarray:
    """The array, native byte order, in memory.

    Raises InputError: no such file or key, damaged, objects (which could run code), too large.
    """
    suffix = place.file.suffix.lower()
    cut: tuple[Any, ...] = ()
    if place.axis is not None:
        cut = (*(slice(None),) * place.axis, place.index)
    try:
        if suffix == ".npy":
            # Mapped, so that one case out of thousands does not read all of them.
            array = np.array(_map_npy(place.file)[cut])
        elif suffix == ".npz":
            stat = place.file.stat()
            array = _npz(place.file, _need_key(place), stat.st_mtime_ns, stat.st_size)[cut]
        elif suffix in HDF5_SUFFIXES:
            array = _hdf5(place, cut)
        else:
            raise InputError(
                f"arrays are not read from {suffix or 'a file without suffix'}",
                file=place.file,
                mend="use .npy, .npz or .h5",
            )
    except OSError as error:
        raise _damaged(place.file, error) from None
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def array_shape(file: Path, key: str | None) -> tuple[int, ...]:
    """The shape of an array, without reading it where the format allows."""
    place = ArrayPlace(file, key)
    suffix = file.suffix.lower()
    if suffix == ".npy":
        return tuple(_map_npy(file).shape)
    if suffix in HDF5_SUFFIXES:
        with open_hdf5(file) as h5:
            return tuple(_dataset(h5, place).shape)
    return tuple(read_array(place).shape)


def array_keys(file: Path) -> list[str]:
    """Every key of an ``.npz`` or HDF5 file, sorted; ``a/b`` for a data set in a group."""
    if file.suffix.lower() == ".npz":
        with _zip(file) as archive:
            return sorted(name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy"))
    with open_hdf5(file) as h5:
        import h5py

        found: list[str] = []
        h5.visititems(lambda name, item: found.append(name) if isinstance(item, h5py.Dataset) else None)
        return sorted(found)


def open_hdf5(file: Path) -> Any:
    """``h5py.File`` for reading. Raises InputError where it is none."""
    import h5py

    try:
        return h5py.File(file, "r", locking=False)
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        raise _damaged(file, error) from None


def _map_npy(file: Path) -> np.ndarray:
    try:
        return np.load(file, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise InputError("there is no such file", file=file, mend="correct the section arrays") from None
    except (ValueError, OSError, EOFError, SyntaxError, TypeError, OverflowError) as error:
        if "pickle" in str(error) or "object" in str(error).lower():
            raise _objects(file) from None
        raise _damaged(file, error) from None


@lru_cache(maxsize=2)  # an image and a label array that hold all cases: unpacked once, not once a case
def _npz(file: Path, key: str, _changed: int, _size: int) -> np.ndarray:
    with _zip(file) as archive:
        try:
            info = archive.getinfo(f"{key}.npy")
        except KeyError:
            raise _no_key(file, key, array_keys(file)) from None
        try:
            with archive.open(info) as stream:
                version = np.lib.format.read_magic(stream)
                read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
                shape, _, dtype = read(stream)
                promised = prod(shape) * dtype.itemsize
                if dtype.hasobject:
                    raise _objects(file)
                if promised > MAX_BYTES:
                    raise _too_large(file, key, promised)
                # What the header promises against what the archive holds, before anything is made room for.
                if stream.tell() + promised != info.file_size:
                    raise InputError(f"the array {key!r} is cut short", file=file, mend="save it again")
            with archive.open(info) as stream:
                return np.lib.format.read_array(stream, allow_pickle=False)
        except (ValueError, zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
            raise _damaged(file, error) from None


def _zip(file: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(file)
    except FileNotFoundError:
        raise InputError("there is no such file", file=file, mend="correct the section arrays") from None
    except (zipfile.BadZipFile, OSError) as error:
        raise _damaged(file, error) from None


def _hdf5(place: ArrayPlace, cut: tuple[Any, ...]) -> np.ndarray:
    with open_hdf5(place.file) as h5:
        data = _dataset(h5, place)
        try:
            return np.asarray(data[cut])
        except (OSError, RuntimeError, ValueError) as error:
            raise _damaged(place.file, error) from None


def _dataset(h5: Any, place: ArrayPlace) -> Any:
    import h5py

    key = _need_key(place)
    parts = [part for part in key.split("/") if part]
    for n in range(1, len(parts) + 1):
        if isinstance(h5.get("/".join(parts[:n]), getlink=True), h5py.ExternalLink):
            raise InputError(f"{key!r} lies in another file", file=place.file, mend="copy it into this one")
    found = h5.get(key)
    if not isinstance(found, h5py.Dataset):
        raise _no_key(place.file, key, array_keys(place.file))
    if found.external or found.is_virtual:
        raise InputError(f"{key!r} takes its voxels from another file", file=place.file, mend="copy them into this one")
    if found.dtype.kind not in "buif":
        raise InputError(f"{key!r} holds {found.dtype}, numbers are needed", file=place.file, mend="save it as numbers")
    if found.nbytes > MAX_BYTES:
        raise _too_large(place.file, key, found.nbytes)
    return found


def _need_key(place: ArrayPlace) -> str:
    if place.key is None:
        raise InputError(
            "holds several arrays and the configuration names none",
            file=place.file,
            mend=f"write FILE:KEY; here are {', '.join(array_keys(place.file)[:8])}",
        )
    return place.key


def _no_key(file: Path, key: str, there: list[str]) -> InputError:
    return InputError(
        f"holds no array {key!r}", file=file, mend=f"correct the section arrays; here are {', '.join(there[:8])}"
    )


def _objects(file: Path) -> InputError:
    return InputError(
        "holds Python objects, and reading them could run code", file=file, mend="save plain numbers (dtype not object)"
    )


def _too_large(file: Path, key: str, size: int) -> InputError:
    return InputError(f"the array {key!r} needs {size / 2**30:.0f} GiB", file=file, mend="cut it into cases")


def _damaged(file: Path, error: BaseException) -> InputError:
    if isinstance(error, FileNotFoundError):
        return InputError("there is no such file", file=file, mend="correct the section arrays")
    text = (str(error).splitlines() or [type(error).__name__])[0][:160]
    return InputError(f"the file is damaged or cut short ({text})", file=file, mend="save or copy it again")
