"""PyTorch checkpoints (``torch.save``) read without PyTorch and without executing their pickle.

Two layouts: the zip archive that PyTorch has written since 1.6, and the row of pickles with raw storages behind them
from before. The pickle is rebuilt by a reader that never imports anything: names that a checkpoint needs have harmless
stand-ins, names that training frameworks leave in checkpoints become empty objects, and any other name is a refusal.
"""

from __future__ import annotations

import io
import pickletools
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ..errors import InputError, UnsafeModelError
from .archive import check_archive, read_entry
from .pickle_scan import _OPCODES, MAX_OPCODES, PickleRefused, PlainUnpickler
from .torchscript_file import root_of

MAX_PICKLE = 64 * 2**20
#: First object of a file that PyTorch wrote before 1.6 (torch/serialization.py).
LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PROTOCOL = 1001

RESAVE = (
    "in the code that made it, load it and write the weights alone: torch.save(model.state_dict(), 'weights.pt'), or "
    "better safetensors.torch.save_file(model.state_dict(), 'weights.safetensors')"
)

_DTYPES = {
    "Double": "<f8",
    "Float": "<f4",
    "Half": "<f2",
    "BFloat16": "bfloat16",
    "Long": "<i8",
    "Int": "<i4",
    "Short": "<i2",
    "Char": "<i1",
    "Byte": "<u1",
    "Bool": "|b1",
}
_STORAGE = re.compile(r"(Double|Float|Half|BFloat16|Long|Int|Short|Char|Byte|Bool)Storage")
_REBUILD = {"_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3"}
#: Plain records of settings, numbers and progress that training code leaves beside the weights. They become `Inert`.
_LEFT_BEHIND = re.compile(
    r"(argparse\.Namespace|types\.SimpleNamespace|_codecs\.encode|copy_reg\._reconstructor|copyreg\._reconstructor|"
    r"(pathlib|pathlib\._local)\.\w*Path|datetime\.\w+|decimal\.Decimal|uuid\.UUID|collections\.(Counter|deque)|"
    r"(builtins|__builtin__)\.(set|frozenset|slice|complex|bytearray|object|int|float|bool|str|list|tuple|dict|range)|"
    r"torch\.(device|Size|dtype|float\d+|bfloat16|int\d+|uint8|bool|Tensor|Generator|optim\.[\w.]+|nn\.Module)|"
    r"numpy\.(dtype|ndarray|\w*int\d*|float\d+|bool_?)|numpy(\._core|\.core)\.multiarray\.(scalar|_reconstruct)|"
    r"numpy\.dtypes\.\w+|numpy\.random[\w.]*|omegaconf\.[\w.]+|yacs\.config\.CfgNode|easydict\.EasyDict|addict\.[\w.]+|"
    r"(pytorch_lightning|lightning|lightning_fabric|torchmetrics|mmcv|mmengine|typing|enum|torch\.utils\.data)\.[\w.]+)"
)
#: Names that only a pickled module needs.
_MODULE = re.compile(
    r"(__main__|torch\.nn\.(modules|parallel|quantized|intrinsic)|monai\.networks|torchvision\.models|"
    r"segmentation_models_pytorch|timm)[\w.]*\.\w+"
)


@dataclass(frozen=True)
class StoredArray:
    """A tensor as its pickle describes it: which storage, and the view on it in elements."""

    storage: str
    dtype: str
    numel: int
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def __setstate__(self, _state: Any) -> None:
        raise PickleRefused("it changes a tensor after it was checked")

    def fits(self) -> bool:
        """Whether the view lies inside its storage and names no element twice as often as there are."""
        reach = sum((n - 1) * step for n, step in zip(self.shape, self.strides, strict=True))
        end = self.offset + reach + 1 if prod(self.shape) else self.offset
        return end <= self.numel and prod(self.shape) <= max(self.numel, 1)


class Inert:
    """Whatever a checkpoint holds beside its tensors: takes what it is given and keeps nothing."""

    def __new__(cls, *_arguments: Any, **_named: Any) -> Inert:
        return object.__new__(cls)

    def __init__(self, *_arguments: Any, **_named: Any) -> None:
        pass

    def __call__(self, *_arguments: Any, **_named: Any) -> Inert:
        return self

    def __setstate__(self, _state: Any) -> None:
        pass

    def __setitem__(self, _key: Any, _value: Any) -> None:
        pass

    def append(self, _value: Any) -> None:
        pass

    def extend(self, _values: Any) -> None:
        pass

    def add(self, _value: Any) -> None:
        pass


class _Table(dict):
    """A stand-in for OrderedDict; PyTorch hangs the version numbers of modules on it."""

    def __setstate__(self, _state: Any) -> None:
        pass


class _Function:
    """A name that a pickle may call. It has no state that a BUILD instruction could change."""

    __slots__ = ("_function",)

    def __init__(self, function: Any) -> None:
        self._function = function

    def __call__(self, *arguments: Any) -> Any:
        return self._function(*arguments)

    def __setstate__(self, _state: Any) -> None:
        raise PickleRefused("it changes what it calls")


class _Reader(PlainUnpickler):
    """Rebuilds a checkpoint; `find_class` knows what checkpoints are made of and imports nothing."""

    def find_class(self, module: str, name: str) -> Any:
        full = f"{module}.{name}"
        if full == "collections.OrderedDict":
            return _Table
        if full == "collections.defaultdict":
            return _Function(lambda *_: _Table())
        if module == "torch" and (match := _STORAGE.fullmatch(name)):
            return match[1]
        if full in ("torch.storage.UntypedStorage", "torch.UntypedStorage"):
            return "Byte"
        if module == "torch._utils" and name in _REBUILD:
            return _Function(_tensor)
        if full in ("torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state"):
            return _Function(lambda tensor, *_: tensor)
        if full == "torch._tensor._rebuild_from_type_v2":
            return _Function(lambda function, _type, arguments, *_: function(*arguments))
        if _LEFT_BEHIND.fullmatch(full):
            return Inert
        if _MODULE.fullmatch(full):
            raise WholeModule(full)
        raise _UnknownName(full)

    def persistent_load(self, pid: Any) -> Any:
        if isinstance(pid, tuple) and pid and pid[0] == "module":
            raise WholeModule("a module with its source")
        return pid


class _UnknownName(PickleRefused):
    """The pickle asks for ``name``, which no checkpoint needs."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"it calls {name}"[:200])


class WholeModule(PickleRefused):
    """The pickle holds a network object, whose class would have to be imported."""


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_rest: Any) -> Any:
    """A `StoredArray`, checked to lie inside its storage; `Inert` for kinds of tensors that no network here uses."""
    if not isinstance(storage, tuple) or len(storage) < 5 or storage[0] != "storage" or not isinstance(storage[1], str):
        return Inert()
    _, kind, key, _, numel, *view = storage
    if view and view[0] is not None:  # a storage that is itself part of another, before PyTorch 1.6
        return Inert()
    if not isinstance(key, (str, int)) or not isinstance(shape, tuple) or not isinstance(strides, tuple):
        raise PickleRefused("it describes a tensor that cannot be")
    numbers = (offset, numel, *shape, *strides)
    if (
        kind not in _DTYPES
        or len(shape) != len(strides)
        or len(shape) > 16
        or not all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in numbers)
    ):
        raise PickleRefused("it describes a tensor that cannot be")
    array = StoredArray(str(key), _DTYPES[kind], numel, offset, tuple(shape), tuple(strides))
    if not array.fits():
        raise PickleRefused(f"a tensor of shape {list(shape)[:8]} is larger than what is stored of it")
    return array


def _check_opcodes(stream: BinaryIO | io.BytesIO) -> bool:
    """Go through one pickle up to its end; whether it is a plain one. Raises PickleRefused."""
    count = 0
    try:
        for opcode, argument, _ in pickletools.genops(stream):
            count += 1
            if count > MAX_OPCODES:
                raise PickleRefused(f"it has more than {MAX_OPCODES} instructions")
            if opcode.name not in _OPCODES:
                raise PickleRefused(f"it uses the instruction {opcode.name}, which no checkpoint needs")
            if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT") and isinstance(argument, int) and argument > count:
                raise PickleRefused(f"it claims {argument} remembered objects")
    except PickleRefused:
        raise
    except Exception as error:  # pickletools raises many kinds for damaged data
        raise PickleRefused(f"it is damaged ({error})") from None
    return True


def _load(stream: io.BytesIO) -> Any:
    begin = stream.tell()
    _check_opcodes(stream)
    end = stream.tell()
    part = io.BytesIO(stream.getvalue()[begin:end])
    try:
        return _Reader(part, encoding="utf-8", errors="replace").load()
    except _UnknownName as error:
        # A class of the author's own, with what every PyTorch module has: the network itself was pickled.
        if all(word in part.getvalue() for word in (b"_parameters", b"_modules", b"_buffers")):
            raise WholeModule(error.name[:200]) from None
        raise
    except PickleRefused:
        raise
    except Exception as error:
        raise PickleRefused(f"it is damaged ({type(error).__name__}: {error})"[:200]) from None


class Checkpoint:
    """An open checkpoint: ``root`` is its structure with `StoredArray` for tensors; `load` reads one of them."""

    def __init__(
        self,
        path: Path,
        root: Any,
        source: zipfile.ZipFile | BinaryIO,
        folder: str,
        big_endian: bool,
        places: dict[str, int],
        layout: str,
    ) -> None:
        self.path, self.root, self.layout = path, root, layout
        self._source, self._folder, self._big, self._places = source, folder, big_endian, places

    def load(self, array: StoredArray) -> np.ndarray:
        """The tensor as numpy has it (bfloat16 becomes float32), a copy. Raises InputError where it is damaged."""
        assert array.fits()
        item = 2 if array.dtype == "bfloat16" else np.dtype(array.dtype).itemsize
        raw = self._bytes(array.storage, array.numel * item)
        dtype = np.dtype("<u2" if array.dtype == "bfloat16" else array.dtype)
        flat = np.frombuffer(raw, dtype.newbyteorder(">") if self._big else dtype)
        if array.dtype == "bfloat16":
            flat = (flat.astype("<u4") << 16).view("<f4")
        flat = flat.astype(flat.dtype.newbyteorder("="), copy=False)
        steps = tuple(step * flat.itemsize for step in array.strides)
        if not prod(array.shape):
            return np.zeros(array.shape, flat.dtype)
        return np.lib.stride_tricks.as_strided(flat[array.offset :], array.shape, steps, writeable=False).copy()

    def _bytes(self, key: str, size: int) -> bytes:
        if isinstance(self._source, zipfile.ZipFile):
            name = f"{self._folder}data/{key}"
            if name not in self._source.namelist():
                raise InputError(
                    f"the checkpoint lacks the storage {key[:40]!r}", file=self.path, mend="copy or save it again"
                )
            raw = read_entry(self.path, self._source, name, max(size, self._source.getinfo(name).file_size))
        else:
            if key not in self._places:
                raise InputError(
                    f"the checkpoint lacks the storage {key[:40]!r}", file=self.path, mend="copy or save it again"
                )
            self._source.seek(self._places[key])
            raw = self._source.read(size)
        if len(raw) < size:
            raise InputError(
                f"the checkpoint is cut short: storage {key[:40]!r} has {len(raw)} bytes of {size}",
                file=self.path,
                mend="copy or save it again",
            )
        return raw[:size]


@contextmanager
def open_checkpoint(path: Path) -> Iterator[Checkpoint]:
    """Open and check a checkpoint; nothing of it is executed.

    Raises
    ------
    InputError : damaged or cut short.
    UnsafeModelError : a whole pickled module, or a pickle that asks for anything but plain data and tensors.
    """
    with path.open("rb") as stream:
        zipped = stream.read(4) == b"PK\x03\x04"
        stream.seek(0)
        if not zipped:
            yield _legacy(path, stream)
            return
    with check_archive(path) as archive:
        root = root_of(path, archive)
        names = set(archive.namelist())
        content = read_entry(path, archive, f"{root}data.pkl", MAX_PICKLE)
        order = read_entry(path, archive, f"{root}byteorder", 16) if f"{root}byteorder" in names else b"little"
        with _refusals(path):
            structure = _load(io.BytesIO(content))
        yield Checkpoint(path, structure, archive, root, order.strip() == b"big", {}, "zip archive")


def is_legacy(head: bytes) -> bool:
    """Whether a file begins as PyTorch's checkpoints before 1.6 do: the magic number as a pickled long."""
    magic = LEGACY_MAGIC.to_bytes(10, "little")
    return head[:1] == b"\x80" and magic in head[:32]


def _legacy(path: Path, stream: BinaryIO) -> Checkpoint:
    head = io.BytesIO(stream.read(MAX_PICKLE))
    with _refusals(path):
        magic, protocol, system = _load(head), _load(head), _load(head)
        if magic != LEGACY_MAGIC or protocol != _LEGACY_PROTOCOL or not isinstance(system, dict):
            raise PickleRefused("it is not what torch.save wrote")
        root, keys = _load(head), _load(head)
    if not isinstance(keys, list) or len(keys) > 1_000_000 or not all(isinstance(key, (str, int)) for key in keys):
        raise InputError("the checkpoint is damaged: it does not list its storages", file=path, mend="save it again")
    sizes = {
        array.storage: 2 if array.dtype == "bfloat16" else np.dtype(array.dtype).itemsize for array in _arrays(root)
    }
    places, position, end = {}, head.tell(), path.stat().st_size
    for key in map(str, keys):
        stream.seek(position)
        numel = int.from_bytes(stream.read(8), "little")
        if key not in sizes:
            break  # a storage that no tensor names: where the next one begins cannot be known
        places[key] = position + 8
        position += 8 + numel * sizes[key]
        if position > end:
            raise InputError(
                f"the checkpoint is cut short: it needs {position} bytes, the file has {end}",
                file=path,
                mend="copy or save it again",
            )
    return Checkpoint(path, root, stream, "", system.get("little_endian") is False, places, "from before PyTorch 1.6")


def _arrays(root: Any, limit: int = 1_000_000) -> Iterator[StoredArray]:
    stack, seen = [root], set()
    while stack and limit:
        value = stack.pop()
        limit -= 1
        if isinstance(value, StoredArray):
            yield value
        elif isinstance(value, (dict, list, tuple)) and id(value) not in seen:
            seen.add(id(value))
            stack.extend(value.values() if isinstance(value, dict) else value)


@contextmanager
def _refusals(path: Path) -> Iterator[None]:
    try:
        yield
    except WholeModule as error:
        raise UnsafeModelError(
            f"this is a whole pickled network ({error}), not its weights alone: to read it would import "
            "and run its code",
            file=path,
            mend=RESAVE,
        ) from None
    except PickleRefused as error:
        if "damaged" in str(error):
            raise InputError(
                f"the pickle in this checkpoint cannot be read: {error}", file=path, mend="copy or save it again"
            ) from None
        raise UnsafeModelError(
            f"this checkpoint is a pickle that is refused: {error}", file=path, mend=RESAVE
        ) from None
