"""safetensors checkpoints: the header, checked before anything is read (format: github.com/huggingface/safetensors)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from ..errors import InputError
from .report import CARD_KEY, ModelReport

#: The format's own limit is 100 MB; a checkpoint of a 2D network needs some kilobytes.
MAX_HEADER = 16 * 1024 * 1024
MAX_TENSORS = 100_000

#: Bytes of an element of each type of the format that torch can load.
ITEM_BYTES = {
    "BOOL": 1,
    "U8": 1,
    "I8": 1,
    "F8_E5M2": 1,
    "F8_E4M3": 1,
    "I16": 2,
    "U16": 2,
    "F16": 2,
    "BF16": 2,
    "I32": 4,
    "U32": 4,
    "F32": 4,
    "F64": 8,
    "I64": 8,
    "U64": 8,
}


@dataclass(frozen=True)
class StoredTensor:
    """A tensor of the file: its type, shape, and where its bytes lie, counted from the end of the header."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


@dataclass(frozen=True)
class Header:
    """A checked header. ``length`` is the byte at which the tensors begin."""

    tensors: dict[str, StoredTensor]
    metadata: dict[str, str]
    length: int


def read_header(path: Path) -> Header:
    """Read and check the header: every tensor lies in the file, none overlap, sizes agree. Raises InputError."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if length > MAX_HEADER:
            _refuse(path, f"its header claims {length} bytes, at most {MAX_HEADER} are read")
        if 8 + length > size:
            _refuse(path, f"it is cut short: the header needs {8 + length} bytes, the file has {size}")
        text = stream.read(length)
    try:
        data = json.loads(text.decode("utf-8"), object_pairs_hook=_without_duplicates)
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        _refuse(path, f"its header is not valid JSON ({error})")
    if not isinstance(data, dict):
        _refuse(path, "its header is not a JSON object")
    metadata = data.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        _refuse(path, "its metadata is not a table of texts")
    if len(data) > MAX_TENSORS:
        _refuse(path, f"it has more than {MAX_TENSORS} tensors")
    tensors = {name: _tensor(path, name, entry) for name, entry in data.items()}
    position = 0
    for name, tensor in sorted(tensors.items(), key=lambda item: (item[1].begin, item[1].end)):
        if tensor.begin != position:
            _refuse(path, f"tensor {name!r} begins at {tensor.begin}, {position} is where the one before it ends")
        position = tensor.end
    if 8 + length + position != size:
        _refuse(path, f"its tensors need {8 + length + position} bytes, the file has {size}")
    return Header(tensors, metadata, 8 + length)


def _tensor(path: Path, name: str, entry: Any) -> StoredTensor:
    try:
        dtype, shape, (begin, end) = entry["dtype"], tuple(entry["shape"]), entry["data_offsets"]
    except (TypeError, KeyError, ValueError):
        _refuse(path, f"the entry of tensor {name!r} lacks dtype, shape or data_offsets")
    whole = all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in (*shape, begin, end))
    if not isinstance(dtype, str) or dtype not in ITEM_BYTES:
        _refuse(path, f"tensor {name!r} has the unknown type {str(dtype)[:40]!r}")
    if not whole or len(shape) > 16 or end - begin != prod(shape) * ITEM_BYTES[dtype]:
        _refuse(path, f"the size of tensor {name!r} does not fit its shape")
    return StoredTensor(dtype, shape, begin, end)


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) != len(pairs):
        raise ValueError("a name occurs twice")
    return data


def _refuse(path: Path, what: str) -> Any:
    raise InputError(f"the safetensors file is damaged or not one: {what}", file=path, mend="copy or write it again")


def inspect_safetensors(path: Path) -> ModelReport:
    """The report of a checkpoint. Raises InputError where the header does not hold."""
    header = read_header(path)
    report = ModelReport(path=path, format="safetensors", framework="weights only")
    report.version = header.metadata.get("format", "")
    report.card_text = header.metadata.get(CARD_KEY)
    counted = [t for n, t in header.tensors.items() if not _is_statistic(n)]
    report.parameters = sum(prod(t.shape) for t in counted)
    report.details = {
        "tensors": len(header.tensors),
        "metadata": sorted(header.metadata),
        "dtypes": sorted({t.dtype for t in header.tensors.values()}),
        "running_statistics": sum(
            prod(t.shape)
            for n, t in header.tensors.items()
            if _is_statistic(n) and not n.endswith("num_batches_tracked")
        ),
    }
    return report


def _is_statistic(name: str) -> bool:
    return name.endswith(("running_mean", "running_var", "num_batches_tracked"))
