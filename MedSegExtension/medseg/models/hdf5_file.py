"""HDF5 files from strangers: every link, data set and filter is looked at before anything is read.

Read it in a process of its own, with `hdf5_reader.read_hdf5`.

HDF5 can point to other files (external links, external storage, virtual data sets), can promise data that were never
written, and can be compressed a thousandfold. None of this is needed for weights, and all of it is refused here.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from ..backends import require
from ..errors import InputError, UnsafeModelError
from .archive import check_archive, read_entry
from .hdf5_heap import check_heaps
from .hdf5_tree import Data, Group, Text

MAX_OBJECTS = 100_000
MAX_DEPTH = 64
#: All data sets together.
MAX_BYTES = 8 * 2**30
#: Weights hardly compress; a data set that unpacks to more than this times its stored size is a bomb.
MAX_RATIO = 200
#: A configuration is text of some hundred kilobytes.
MAX_ATTRIBUTE = 64 * 2**20
#: A file of weights in an archive.
MAX_WEIGHTS = 4 * 2**30
#: Attributes that Keras writes and that are read here; long lists go on as name0, name1, ...
_ATTRIBUTES = re.compile(r"model_config|keras_version|medseg\.card|name|(layer|weight)_names\d*")
#: What h5py raises where a file's bytes are not what they should be (found by flipping them).
_H5PY_ERRORS = (OSError, RuntimeError, LookupError, TypeError, ValueError, AttributeError, ArithmeticError, SystemError)
#: deflate, shuffle, fletcher32: built into HDF5, so that no filter is looked for outside it.
_FILTERS = {1, 2, 3}


def read_here(path: Path, entry: str | None, values: bool) -> Group:
    """As `hdf5_reader.read_hdf5`, in this very process."""
    content = None
    if entry is not None:
        with check_archive(path) as archive:
            content = read_entry(path, archive, entry, MAX_WEIGHTS)
    with open_hdf5(path, content) as file:
        return _tree(path, file, values)


def _tree(path: Path, group: Any, values: bool) -> Group:
    """The plain values of a checked group, which no other link leads to."""
    import h5py

    found = Group({name: text for name in group.attrs if _ATTRIBUTES.fullmatch(name)
                   if (text := _text(path, group, name)) is not None})  # fmt: skip
    for name, item in group.items():
        if isinstance(item, h5py.Dataset):
            numeric = values and item.dtype.kind in "fiub"
            found.items[name] = Data(tuple(item.shape or ()), np.asarray(item[()]) if numeric else None)
        elif isinstance(item, h5py.Group):
            found.items[name] = _tree(path, item, values)
    return found


@contextmanager
def open_hdf5(path: Path, content: bytes | None = None) -> Iterator[Any]:
    """The checked ``h5py.File`` at ``path``, or in the bytes ``content`` that were read from an archive at ``path``.

    Raises
    ------
    InputError : damaged or cut short.
    UnsafeModelError : it leads to other files, or would take far more memory than it has bytes.
    MissingPackageError : h5py is not installed.
    """
    h5py = require("h5py", "keras")
    source: Any = str(path) if content is None else io.BytesIO(content)
    try:
        check_heaps(path if content is None else content)
        file = h5py.File(source, "r", locking=False) if content is None else h5py.File(source, "r")
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise _damaged(path, error) from None
    with file:
        try:
            _check(h5py, path, file)
            yield file
        except _H5PY_ERRORS as error:
            raise _damaged(path, error) from error


def _damaged(path: Path, error: BaseException) -> InputError:
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    return InputError(
        f"the HDF5 file is damaged or cut short ({text[:200]})", file=path, mend="copy or download it again"
    )


def _check(h5py: Any, path: Path, file: Any) -> None:
    total = count = 0
    seen: set[int] = set()
    stack = [(file, 0)]
    while stack:
        group, depth = stack.pop()
        # Hard links can make circles, and trees that multiply: each object, known by its address, has one link.
        address = h5py.h5o.get_info(group.id).addr
        if address in seen:
            _unsafe(path, "two links lead to one group")
        seen.add(address)
        if depth > MAX_DEPTH:
            _unsafe(path, f"its groups are nested deeper than {MAX_DEPTH}")
        for name in group:
            count += 1
            if count > MAX_OBJECTS:
                _unsafe(path, f"it has more than {MAX_OBJECTS} objects")
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                _unsafe(path, f"{name[:80]!r} is a link to another place")
            item = group[name]
            if isinstance(item, h5py.Dataset):
                total += _check_dataset(path, name, item)
                if total > MAX_BYTES:
                    _unsafe(path, f"its data sets need more than {MAX_BYTES} bytes")
            elif isinstance(item, h5py.Group):
                stack.append((item, depth + 1))


def _check_dataset(path: Path, name: str, dataset: Any) -> int:
    if dataset.external or dataset.is_virtual:
        _unsafe(path, f"the data of {name[:80]!r} lie in another file")
    if dataset.dtype.kind not in "fiubSOV" or (dataset.dtype.hasobject and dataset.shape):
        raise InputError(f"the data set {name[:80]!r} holds no numbers", file=path, mend="save the model again")
    if dataset.dtype.hasobject:
        return 0  # a single text, such as the one that names a format
    create = dataset.id.get_create_plist()
    for number in range(create.get_nfilters()):
        if create.get_filter(number)[0] not in _FILTERS:
            _unsafe(path, f"{name[:80]!r} is compressed in a way model files do not use")
    size = prod(dataset.shape) * dataset.dtype.itemsize if dataset.shape is not None else 0
    stored = dataset.id.get_storage_size()
    if size > MAX_RATIO * max(stored, 1) and size > 1 << 16:
        _unsafe(path, f"{name[:80]!r} would unpack to {size} bytes from {stored}")
    return size


def _text(path: Path, item: Any, name: str) -> Text | None:
    """The attribute ``name`` of an open object: text, a list of texts, or None where it is neither."""
    stored = item.attrs.get_id(name)
    if 0 in stored.shape:  # as of layers without weights
        return []
    if stored.get_storage_size() > MAX_ATTRIBUTE:
        _unsafe(path, f"its attribute {name} is longer than {MAX_ATTRIBUTE} bytes")
    value = item.attrs[name]
    if isinstance(value, np.ndarray) and value.ndim == 1:
        return [v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in value.tolist()]
    if isinstance(value, np.ndarray) and value.shape == ():
        value = value[()]
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, str) and len(value) > MAX_ATTRIBUTE:
        _unsafe(path, f"its attribute {name} is longer than {MAX_ATTRIBUTE} bytes")
    return str(value) if isinstance(value, str) else None


def attribute_text(path: Path, item: Group, name: str) -> str | None:
    """The attribute ``name`` as text, or None where there is none. Raises InputError where it is a list of texts."""
    value = item.attrs.get(name)
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, list):
        raise InputError(f"the attribute {name} is not text", file=path, mend="save the model again")
    return value


def attribute_names(item: Group, name: str) -> list[str]:
    """A list of names in the attribute ``name``, which Keras splits into ``name0``, ``name1``, … where it is long."""
    parts = [name] if name in item.attrs else []
    while not (parts and parts[0] == name) and f"{name}{len(parts)}" in item.attrs:
        parts.append(f"{name}{len(parts)}")
    values = [item.attrs[part] for part in parts]
    return [text for value in values for text in (value if isinstance(value, list) else [value])]


def _unsafe(path: Path, what: str) -> Any:
    raise UnsafeModelError(f"the HDF5 file is refused: {what}", file=path, mend="get the file from its author again")
