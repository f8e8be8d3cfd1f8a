"""Reading the structure of an ONNX model (onnx/onnx.proto) within limits: nodes, tensors, inputs and outputs."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from pathlib import Path

from .protobuf import BYTES, VARINT, Value, WireError, fields, packed_floats, packed_varints, signed
from .report import TensorInfo

#: Real 2D networks have a few thousand nodes and no more than three nested graphs.
MAX_NODES = 200_000
MAX_TENSORS = 200_000
MAX_DEPTH = 16
#: Functions that call each other, one inside the other; exporters nest some five.
MAX_CALLS = 64
MAX_TEXT = 1 << 20

#: TensorProto.DataType: name and bytes of an element (0 where it has no fixed width).
DATA_TYPES = {
    1: ("float32", 4),
    2: ("uint8", 1),
    3: ("int8", 1),
    4: ("uint16", 2),
    5: ("int16", 2),
    6: ("int32", 4),
    7: ("int64", 8),
    8: ("string", 0),
    9: ("bool", 1),
    10: ("float16", 2),
    11: ("float64", 8),
    12: ("uint32", 4),
    13: ("uint64", 8),
    14: ("complex64", 8),
    15: ("complex128", 16),
    16: ("bfloat16", 2),
    17: ("float8e4m3fn", 1),
    18: ("float8e4m3fnuz", 1),
    19: ("float8e5m2", 1),
    20: ("float8e5m2fnuz", 1),
    21: ("uint4", 0),
    22: ("int4", 0),
    23: ("float4e2m1", 0),
    24: ("float8e8m0", 1),
}


@dataclass
class Tensor:
    """An initialiser or constant: its description; ``raw`` views the file where the values are stored that way."""

    name: str = ""
    dims: tuple[int, ...] = ()
    data_type: int = 0
    raw: memoryview | None = None
    typed_bytes: int = 0
    floats: memoryview | None = None
    ints: tuple[int, ...] = ()
    external: dict[str, str] | None = None

    @property
    def elements(self) -> int:
        return prod(self.dims)


@dataclass
class Node:
    """One operator call. ``attributes`` holds numbers, lists of them, text and constant tensors."""

    op: str = ""
    domain: str = ""
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    attributes: dict[str, int | float | tuple[int, ...] | tuple[float, ...] | str | Tensor] = field(
        default_factory=dict
    )


@dataclass
class Graph:
    """A whole model: the main graph, and the operators of all nested graphs and functions."""

    ir_version: int = 0
    producer: str = ""
    producer_version: str = ""
    opsets: dict[str, int] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)
    initializers: dict[str, Tensor] = field(default_factory=dict)
    inputs: list[TensorInfo] = field(default_factory=list)
    outputs: list[TensorInfo] = field(default_factory=list)
    operators: dict[tuple[str, str], int] = field(default_factory=dict)
    #: What each function of the file calls, and how often.
    functions: dict[tuple[str, str], dict[tuple[str, str], int]] = field(default_factory=dict)
    #: What the function that is being read has called so far.
    calling: dict[tuple[str, str], int] | None = None
    count: int = 0
    has_sparse: bool = False
    tensors: list[Tensor] = field(default_factory=list)
    has_graph: bool = False
    has_training: bool = False


def read_graph(message: memoryview) -> Graph:
    """Parse a ModelProto. Raises WireError, in plain words, where it is damaged or beyond the limits."""
    graph = Graph()
    for number, kind, value in fields(message):
        if number == 1:
            graph.ir_version = _number(value, kind)
        elif number == 2:
            graph.producer = text(value, kind)
        elif number == 3:
            graph.producer_version = text(value, kind)
        elif number == 7:
            if graph.has_graph:
                raise WireError("it holds two graphs")
            graph.has_graph = True
            _graph(_bytes(value, kind), graph, 0)
        elif number == 8:
            domain, version = "", 0
            for n, k, v in fields(_bytes(value, kind)):
                if n == 1:
                    domain = text(v, k)
                elif n == 2:
                    version = _number(v, k)
            graph.opsets[domain] = version
        elif number == 14:
            key, entry = _pair(_bytes(value, kind))
            graph.metadata[key] = entry
        elif number == 20:
            graph.has_training = True
        elif number == 25:
            _function(_bytes(value, kind), graph)
    _check_functions(graph)
    return graph


def _graph(message: memoryview, graph: Graph, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise WireError(f"graphs are nested more than {MAX_DEPTH} deep")
    for number, kind, value in fields(message):
        if number == 1:
            node = _node(_bytes(value, kind), graph, depth)
            if depth == 0:
                graph.nodes.append(node)
        elif number == 5:
            tensor = _tensor(_bytes(value, kind))
            _keep(graph, tensor)
            if depth == 0:
                graph.initializers[tensor.name] = tensor
        elif number == 15:
            graph.has_sparse = True
            for n, k, v in fields(_bytes(value, kind)):
                if n in (1, 2):
                    _keep(graph, _tensor(_bytes(v, k)))
        elif number == 11 and depth == 0:
            graph.inputs.append(_value_info(_bytes(value, kind)))
        elif number == 12 and depth == 0:
            graph.outputs.append(_value_info(_bytes(value, kind)))


def _function(message: memoryview, graph: Graph) -> None:
    name = domain = ""
    calls: dict[tuple[str, str], int] = {}
    graph.calling = calls
    for number, kind, value in fields(message):
        if number == 1:
            name = text(value, kind)
        elif number == 10:
            domain = text(value, kind)
        elif number == 7:
            _node(_bytes(value, kind), graph, 1)
    graph.calling = None
    known = graph.functions.setdefault((domain, name), calls)
    if known is not calls:  # where two bear one name (overloads), both count
        for called, count in calls.items():
            known[called] = known.get(called, 0) + count


def _check_functions(graph: Graph) -> None:
    """Raise WireError where functions call each other in a circle, or unfold to more operators than are allowed."""
    sizes: dict[tuple[str, str], int] = {}

    def size(function: tuple[str, str], above: tuple[tuple[str, str], ...]) -> int:
        if function in above:
            raise WireError(f"its function {function[1]!r} calls itself")
        if len(above) > MAX_CALLS:
            raise WireError(f"its functions call each other more than {MAX_CALLS} deep")
        if function not in sizes:
            inner = (*above, function)
            sizes[function] = sum(
                count * (size(called, inner) if called in graph.functions else 1)
                for called, count in graph.functions[function].items()
            )
            if sizes[function] > MAX_NODES:
                raise WireError(f"its function {function[1]!r} unfolds to more than {MAX_NODES} operators")
        return sizes[function]

    total = sum(count * size(called, ()) for called, count in graph.operators.items() if called in graph.functions)
    for function in graph.functions:
        size(function, ())
    if total > MAX_NODES:
        raise WireError(f"its functions unfold to more than {MAX_NODES} operators")


def _node(message: memoryview, graph: Graph, depth: int) -> Node:
    node = Node()
    inputs, outputs = [], []
    for number, kind, value in fields(message):
        if number == 1:
            inputs.append(text(value, kind))
        elif number == 2:
            outputs.append(text(value, kind))
        elif number == 4:
            node.op = text(value, kind)
        elif number == 7:
            node.domain = text(value, kind)
        elif number == 5:
            _attribute(_bytes(value, kind), node, graph, depth)
    node.inputs, node.outputs = tuple(inputs), tuple(outputs)
    key = (node.domain, node.op)
    graph.operators[key] = graph.operators.get(key, 0) + 1
    if graph.calling is not None:
        graph.calling[key] = graph.calling.get(key, 0) + 1
    graph.count += 1
    if graph.count > MAX_NODES:
        raise WireError(f"it has more than {MAX_NODES} operators")
    return node


def _attribute(message: memoryview, node: Node, graph: Graph, depth: int) -> None:
    name = ""
    content: int | float | str | Tensor | None = None
    numbers: list[int] = []
    floats: list[float] = []
    for number, kind, value in fields(message):
        if number == 1:
            name = text(value, kind)
        elif number == 2:
            content = next(iter(packed_floats(value, kind)), None)
        elif number == 3:
            content = signed(_number(value, kind))
        elif number == 7:
            floats += packed_floats(value, kind)
        elif number == 4:
            raw = _bytes(value, kind)
            content = bytes(raw[:MAX_TEXT]).decode("utf-8", "replace")
        elif number == 8:
            numbers += packed_varints(value, kind)
        elif number in (5, 10):
            tensor = _tensor(_bytes(value, kind))
            _keep(graph, tensor)
            if number == 5:
                content = tensor
        elif number in (6, 11):
            _graph(_bytes(value, kind), graph, depth + 1)
        elif number in (22, 23):
            graph.has_sparse = True
            for n, k, v in fields(_bytes(value, kind)):
                if n in (1, 2):
                    _keep(graph, _tensor(_bytes(v, k)))
    if numbers:
        node.attributes[name] = tuple(numbers)
    elif floats:
        node.attributes[name] = tuple(floats)
    elif content is not None:
        node.attributes[name] = content


def _tensor(message: memoryview) -> Tensor:
    tensor = Tensor()
    dims: list[int] = []
    ints: list[int] = []
    for number, kind, value in fields(message):
        if number == 1:
            dims += packed_varints(value, kind)
        elif number == 2:
            tensor.data_type = _number(value, kind)
        elif number == 8:
            tensor.name = text(value, kind)
        elif number == 9:
            tensor.raw = _bytes(value, kind)
        elif number in (4, 5, 6, 7, 10, 11):
            tensor.typed_bytes += len(value) if isinstance(value, memoryview) else 8
            if number == 4 and isinstance(value, memoryview):
                tensor.floats = value
            elif number == 7 and tensor.typed_bytes <= 1024:
                ints += packed_varints(value, kind)
        elif number == 13:
            tensor.external = tensor.external or {}
            key, entry = _pair(_bytes(value, kind))
            if key in tensor.external:  # readers differ in which of the two they take
                raise WireError(f"tensor {tensor.name!r} says its {key[:40]} twice")
            tensor.external[key] = entry
        elif number == 14 and _number(value, kind) == 1:
            tensor.external = tensor.external or {}
    if len(dims) > 16 or any(dim < 0 for dim in dims):
        raise WireError(f"tensor {tensor.name!r} has the impossible shape {dims[:16]}")
    tensor.dims, tensor.ints = tuple(dims), tuple(ints)
    return tensor


def _keep(graph: Graph, tensor: Tensor) -> None:
    if len(graph.tensors) >= MAX_TENSORS:
        raise WireError(f"it has more than {MAX_TENSORS} tensors")
    graph.tensors.append(tensor)


def _value_info(message: memoryview) -> TensorInfo:
    name, dtype, shape = "", "unknown", None
    for number, kind, value in fields(message):
        if number == 1:
            name = text(value, kind)
        elif number == 2:
            for n, k, v in fields(_bytes(value, kind)):
                if n != 1:
                    dtype = "not a tensor"
                    continue
                for m, l, w in fields(_bytes(v, k)):  # noqa: E741
                    if m == 1:
                        dtype = DATA_TYPES.get(_number(w, l), ("unknown", 0))[0]
                    elif m == 2:
                        shape = tuple(_dimension(_bytes(u, j)) for o, j, u in fields(_bytes(w, l)) if o == 1)
    return TensorInfo(name, dtype, shape)


def _dimension(message: memoryview) -> int | str | None:
    result: int | str | None = None
    for number, kind, value in fields(message):
        if number == 1:
            result = signed(_number(value, kind))
        elif number == 2:
            result = text(value, kind)
    # Older exporters write 0 or -1 for "any".
    return None if isinstance(result, int) and result <= 0 else result


def _pair(message: memoryview) -> tuple[str, str]:
    key = entry = ""
    for number, kind, value in fields(message):
        if number == 1:
            key = text(value, kind)
        elif number == 2:
            entry = text(value, kind, limit=16 * MAX_TEXT)
    return key, entry


def text(value: Value, kind: int, limit: int = MAX_TEXT) -> str:
    """A string field. Raises WireError where it is no text or longer than ``limit`` bytes."""
    raw = _bytes(value, kind)
    if len(raw) > limit:
        raise WireError(f"a name or text is {len(raw)} bytes long")
    try:
        return bytes(raw).decode("utf-8")
    except UnicodeDecodeError:
        raise WireError("a name is not UTF-8 text") from None


def _bytes(value: Value, kind: int) -> memoryview:
    if kind != BYTES or not isinstance(value, memoryview):
        raise WireError("a field has the wrong wire type")
    return value


def _number(value: Value, kind: int) -> int:
    if kind != VARINT or not isinstance(value, int):
        raise WireError("a field has the wrong wire type")
    return value


def is_confined(location: str, folder: Path) -> str | None:
    """Why external data at ``location`` must not be read, or None where it lies in ``folder``."""
    if not location:
        return "has no location"
    if "_ORT_MEM_ADDR_" in location:
        return "points into memory"
    if location.startswith(("/", "\\", "~")) or ":" in location or "\0" in location:
        return "has an absolute location"
    if "\\" in location or ".." in location.split("/"):
        return "leaves the model's folder"
    resolved = (folder / location).resolve()
    if not resolved.is_relative_to(folder.resolve()):
        return "leaves the model's folder through a link"
    return None
