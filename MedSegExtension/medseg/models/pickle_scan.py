"""Looking through a pickle without executing it: which names it asks for, and the tensors it describes."""

from __future__ import annotations

import io
import pickle
import pickletools
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

#: Opcodes that build plain data, and calls whose target is checked by name. No EXT, INST, OBJ or out-of-band buffers.
_PLAIN = (
    "PROTO FRAME STOP MARK POP POP_MARK DUP NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT "
    "BINFLOAT STRING BINSTRING SHORT_BINSTRING UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8 BINBYTES SHORT_BINBYTES "
    "EMPTY_LIST LIST APPEND APPENDS EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 EMPTY_DICT DICT SETITEM SETITEMS "
    "EMPTY_SET ADDITEMS FROZENSET GET BINGET LONG_BINGET PUT BINPUT LONG_BINPUT MEMOIZE GLOBAL STACK_GLOBAL "
    "REDUCE NEWOBJ BUILD BINPERSID"
)
_OPCODES = frozenset(_PLAIN.split())
MAX_OPCODES = 2_000_000

#: Names that PyTorch's own readers of TorchScript archives know: constructors of plain data, nothing that acts.
_STORAGE = re.compile(
    r"(Untyped|Double|Float|Half|BFloat16|Long|Int|Short|Char|Byte|Bool|ComplexFloat|ComplexDouble|"
    r"QInt8|QUInt8|QInt32|QUInt4x2|QUInt2x4)Storage"
)
_CONSTRUCTORS = frozenset(
    {
        ("collections", "OrderedDict"),
        ("torch._utils", "_rebuild_tensor_v2"),
        ("torch._utils", "_rebuild_qtensor"),
        ("torch._utils", "_rebuild_parameter"),
        ("torch.jit._pickle", "build_intlist"),
        ("torch.jit._pickle", "build_doublelist"),
        ("torch.jit._pickle", "build_boollist"),
        ("torch.jit._pickle", "build_tensorlist"),
        ("torch.jit._pickle", "build_tensor_from_id"),
        ("torch.jit._pickle", "restore_type_tag"),
        ("torch", "device"),
        ("torch", "per_tensor_affine"),
        ("torch", "per_channel_affine"),
    }
)


class PickleRefused(ValueError):
    """The pickle is damaged, too long, or asks for something that is not plain data; ``args[0]`` says what."""


def allowed_name(module: str, name: str, scripted: bool = True) -> bool:
    """Whether a pickle may ask for ``module.name``; ``scripted`` allows the classes that the archive itself defines."""
    if scripted and (module == "__torch__" or module.startswith("__torch__.")):
        return not module.startswith("__torch__.torch.classes")
    return (module, name) in _CONSTRUCTORS or (module == "torch" and _STORAGE.fullmatch(name) is not None)


def check_pickle(data: bytes, scripted: bool = True) -> None:
    """Go through the opcodes of ``data``. Raises PickleRefused where one could do more than build plain data."""
    texts: list[str] = []
    count = 0
    try:
        for opcode, argument, _ in pickletools.genops(data):
            count += 1
            if count > MAX_OPCODES:
                raise PickleRefused(f"it has more than {MAX_OPCODES} instructions")
            if opcode.name not in _OPCODES:
                raise PickleRefused(f"it uses the instruction {opcode.name}, which no model file needs")
            if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT") and isinstance(argument, int) and argument > count:
                raise PickleRefused(f"it claims {argument} remembered objects")  # the reader would make room for them
            if opcode.name == "GLOBAL":
                module, _, name = str(argument).partition(" ")
                _check_name(module, name, scripted)
            elif opcode.name == "STACK_GLOBAL":
                # The two texts pushed last name it, unless they are fetched from the memo, which only hides them.
                if len(texts) < 2:
                    raise PickleRefused("it hides the name of what it calls")
                _check_name(texts[-2], texts[-1], scripted)
            if "UNICODE" in opcode.name or "STRING" in opcode.name:
                texts = [*texts[-1:], str(argument)]
    except PickleRefused:
        raise
    except Exception as error:  # pickletools raises many kinds for damaged data
        raise PickleRefused(f"it is damaged ({error})") from None


def _check_name(module: str, name: str, scripted: bool) -> None:
    if not allowed_name(module, name, scripted):
        raise PickleRefused(f"it calls {module}.{name}"[:200])


@dataclass
class Instance:
    """An object of a class that the archive defines: its name and its attributes, inert."""

    kind: str
    state: dict[str, Any] = field(default_factory=dict)

    def __setstate__(self, state: Any) -> None:
        self.state = state if isinstance(state, dict) else {}


@dataclass(frozen=True)
class TensorStub:
    """A tensor as its pickle describes it."""

    dtype: str
    shape: tuple[int, ...]

    def __setstate__(self, _state: Any) -> None:
        raise PickleRefused("it changes a tensor after it was checked")


class HeldTuple(tuple[Any, ...]):
    """A tuple that is equal to itself alone and hashed by its place.

    A pickle can put one tuple into itself fifty times over, twice each time: whatever goes through it then, to hash it,
    to compare it or to print it, does so 2⁵⁰ times.
    """

    __slots__ = ()
    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other

    def __ne__(self, other: object) -> bool:
        return self is not other

    def __repr__(self) -> str:
        return f"a tuple of {len(self)}"

    __str__ = __repr__


class PlainUnpickler(pickle._Unpickler):
    """Python's own reader in Python, whose every step can be replaced; model files need some thousand steps."""

    dispatch: ClassVar[dict[int, Any]] = dict(pickle._Unpickler.dispatch)

    def _marked(self) -> None:
        items = self.pop_mark()  # type: ignore[attr-defined]
        self.append(HeldTuple(items))  # type: ignore[attr-defined]

    def _last(self, count: int) -> None:
        stack: list[Any] = self.stack  # type: ignore[attr-defined]
        stack[-count:] = [HeldTuple(stack[-count:])]

    dispatch[pickle.TUPLE[0]] = _marked
    dispatch[pickle.TUPLE1[0]] = lambda self: self._last(1)
    dispatch[pickle.TUPLE2[0]] = lambda self: self._last(2)
    dispatch[pickle.TUPLE3[0]] = lambda self: self._last(3)


class _Inert(PlainUnpickler):
    """Builds stubs. `find_class` never imports: each allowed name has a harmless stand-in defined in this file."""

    def __init__(self, data: bytes, scripted: bool) -> None:
        super().__init__(io.BytesIO(data), encoding="utf-8")
        self._scripted = scripted

    def find_class(self, module: str, name: str) -> Any:
        if not allowed_name(module, name, self._scripted):
            raise PickleRefused(f"it calls {module}.{name}"[:200])
        if module.startswith("__torch__"):
            return type("Scripted", (Instance,), {"__new__": lambda cls, *_: _new_instance(f"{module}.{name}")})
        if module == "torch" and name.endswith("Storage"):
            return name.removesuffix("Storage").lower()
        if (module, name) == ("collections", "OrderedDict"):
            return _StandIn(dict)
        return _StandIn(_rebuild_tensor if module == "torch._utils" else _first)

    def persistent_load(self, pid: Any) -> Any:
        return pid


class _StandIn:
    """What a pickle gets to call. It has no state that a BUILD instruction could change."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __call__(self, *arguments: Any) -> Any:
        return self._function(*arguments)

    def __setstate__(self, _state: Any) -> None:
        raise PickleRefused("it changes what it calls")


def _new_instance(kind: str) -> Instance:
    return Instance(kind)


def _rebuild_tensor(storage: Any, _offset: Any = 0, shape: Any = (), *_rest: Any) -> Any:
    if isinstance(storage, TensorStub):  # _rebuild_parameter(tensor, requires_grad, hooks)
        return storage
    dtype = storage[1] if isinstance(storage, tuple) and len(storage) > 1 else None
    valid = isinstance(shape, tuple) and len(shape) <= 16 and all(isinstance(n, int) and n >= 0 for n in shape)
    return TensorStub(dtype if isinstance(dtype, str) else "unknown", tuple(shape) if valid else ())


def _first(*arguments: Any) -> Any:
    return arguments[0] if arguments else None


def read_inert(data: bytes, scripted: bool = True) -> Any:
    """The structure of a checked pickle, with tensors and objects as stubs. Raises PickleRefused."""
    check_pickle(data, scripted)
    try:
        return _Inert(data, scripted).load()
    except PickleRefused:
        raise
    except Exception as error:
        raise PickleRefused(f"it is damaged ({error})") from None


def tensors_of(root: Any, limit: int = 200_000) -> dict[str, TensorStub]:
    """The tensors below ``root`` by dotted name, in the order they are stored, each object visited once."""
    found: dict[str, TensorStub] = {}
    seen: set[int] = set()
    stack: list[tuple[str, Any]] = [("", root)]
    while stack and limit:
        name, value = stack.pop()
        limit -= 1
        if isinstance(value, TensorStub):
            found[name] = value
            continue
        children: Any = ()
        if isinstance(value, Instance):
            children = value.state.items()
        elif isinstance(value, dict):
            children = value.items()
        elif isinstance(value, (list, tuple)):
            children = enumerate(value)
        if not children or id(value) in seen:
            continue
        seen.add(id(value))
        stack.extend((joined(name, key), child) for key, child in reversed(list(children)))
    return found


def joined(name: str, key: Any, limit: int = 1000) -> str:
    """``name.key``; keys that are no text or number, and names that would grow without end, are only hinted at."""
    part = str(key) if isinstance(key, (str, int)) else type(key).__name__
    full = f"{name}.{part[:limit]}" if name else part[:limit]
    return full if len(full) <= limit else f"…{full[-limit:]}"
