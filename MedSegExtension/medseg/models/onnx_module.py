"""From an ONNX file to a PyTorch module that computes the same, read with our own reader and nothing executed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..backends import require
from ..backends.wiring import Ports
from ..card import Architecture
from ..errors import InputError
from .onnx_file import inspect_onnx, mapped
from .onnx_graph import DATA_TYPES, Graph, Node, Tensor, read_graph
from .onnx_shapes import reduction

#: Whole numbers in rows up to this long are sizes, and live in the graph; everything else is a weight.
_SIZES = 16


def onnx_module(path: Path, named: Path | None = None, ports: Ports | None = None) -> tuple[Any, Architecture]:
    """The network of the (checked) ONNX file ``path`` and the architecture that builds it again from a card.

    ``named`` is the file to speak of, ``ports`` the inputs and the output of several to use. Raises InputError where an
    operator has no counterpart on the list.
    """
    torch = require("torch")
    from ..networks.onnx_network import OnnxNetwork

    architecture, arrays = graph_of(path, named or path, ports)
    try:
        with torch.device("meta"):
            network = OnnxNetwork(**architecture.arguments)
    except InputError as error:
        raise InputError(error.what, file=named or path, mend=error.mend) from None
    names = network.table
    state = {names[value]: torch.from_numpy(np.ascontiguousarray(array)) for value, array in arrays.items()}
    network.load_state_dict(state, strict=True, assign=True)
    return network.eval().requires_grad_(False), architecture


def graph_of(path: Path, named: Path, ports: Ports | None = None) -> tuple[Architecture, dict[str, np.ndarray]]:
    """The graph as plain data for ``onnx-graph``, and its tensors by name."""
    with mapped(path) as message:
        graph = read_graph(message)
        try:
            return _plain_graph(graph, path, named, ports)
        finally:
            graph.initializers.clear()
            graph.tensors.clear()
            graph.nodes.clear()


def _plain_graph(
    graph: Graph, path: Path, named: Path, ports: Ports | None
) -> tuple[Architecture, dict[str, np.ndarray]]:
    tensors: dict[str, np.ndarray] = {}
    constants: dict[str, Any] = {}

    def keep(name: str, array: np.ndarray) -> None:
        if array.dtype.kind in "iu" and array.ndim <= 1 and array.size <= _SIZES:
            constants[name] = array.tolist()
        else:
            tensors[name] = array.astype(np.float32) if array.dtype == np.float16 else array

    inputs = [info.name for info in graph.inputs if info.name not in graph.initializers]
    ports = ports or Ports(((inputs[0], None),), graph.outputs[0].name)
    used, needed = _needed(graph, ports.output)
    for name, tensor in graph.initializers.items():
        if name in needed:
            keep(name, values_of(tensor, path))
    for constant in ports.constants:
        keep(constant.name, constant.array())
    opset = graph.opsets.get("", graph.opsets.get("ai.onnx", 1))
    nodes: list[Any] = []
    source = ports.inputs[0][0]
    if len(ports.inputs) > 1:
        source = "slices to be divided"
        sizes = [count for _, count in ports.inputs]
        split: dict[str, Any] = {"axis": 1}
        if opset < 13:
            split["split"] = sizes
        else:
            constants["channels of the inputs"] = sizes
        given = [source] if opset < 13 else [source, "channels of the inputs"]
        nodes.append(["Split", given, [name for name, _ in ports.inputs], split])
    for node in used:
        if node.domain not in ("", "ai.onnx"):
            raise InputError(
                f"the ONNX operator {node.domain}.{node.op} has no counterpart here",
                file=named,
                mend="use the ONNX file as it is",
            )
        attributes = {
            name: values_of(value, path) if isinstance(value, Tensor) else value
            for name, value in node.attributes.items()
        }
        if node.op == "Constant":
            value = next(iter(attributes.values()), None)
            keep(node.outputs[0], value if isinstance(value, np.ndarray) else np.asarray(value))
            continue
        filling = attributes.get("value")
        if node.op == "ConstantOfShape" and isinstance(filling, np.ndarray):
            attributes["value"] = filling.reshape(-1)[0].item()
        if any(isinstance(value, np.ndarray) for value in attributes.values()):
            raise InputError(f"the ONNX operator {node.op} holds a table", file=named, mend="use the file as it is")
        # float16 files: weights became float32 above, and so does everything else.
        if node.op == "Cast" and attributes.get("to") == 10:
            attributes["to"] = 1
        nodes.append([node.op, list(node.inputs), list(node.outputs), attributes])
    data = {
        "opset": opset,
        "input": source,
        "output": ports.output,
        "multiple_of": reduction(graph) or 1,
        "tensors": {name: [str(array.dtype), list(array.shape)] for name, array in tensors.items()},
        "constants": constants,
        "nodes": nodes,
    }
    return Architecture("onnx-graph", {"graph": data}), tensors


def _needed(graph: Graph, output: str) -> tuple[list[Node], set[str]]:
    """The operators that ``output`` is made by, in their order, and the names of all values that they use."""
    needed, used = {output}, []
    for node in reversed(graph.nodes):
        if needed.intersection(node.outputs):
            needed.update(node.inputs)
            used.append(node)
    return used[::-1], needed


def values_of(tensor: Tensor, path: Path) -> np.ndarray:
    """The tensor as numpy has it, its external data read where that is (checked) beside the file. Raises InputError."""
    kind, width = DATA_TYPES[tensor.data_type]
    if not width or kind in ("complex64", "complex128") or kind.startswith(("bfloat", "float8")):
        raise InputError(f"the tensor {tensor.name!r} is of type {kind}", file=path, mend="export it in float32")
    dtype = np.dtype("bool" if kind == "bool" else kind).newbyteorder("<")
    if tensor.external is not None:
        report = inspect_onnx(path)
        if report.unsafe:
            from .isolated import refusal

            raise refusal(report)
        with (path.parent / tensor.external["location"]).open("rb") as stream:
            stream.seek(int(tensor.external.get("offset", "0")))
            raw = stream.read(tensor.elements * width)
        return np.frombuffer(raw, dtype).reshape(tensor.dims).astype(dtype.newbyteorder("="))
    if tensor.raw is not None:
        return np.frombuffer(bytes(tensor.raw), dtype).reshape(tensor.dims).astype(dtype.newbyteorder("="))
    if tensor.floats is not None and kind == "float32":
        return np.frombuffer(bytes(tensor.floats), "<f4").reshape(tensor.dims).astype(np.float32)
    if len(tensor.ints) == tensor.elements and dtype.kind in "iub":
        return np.array(tensor.ints, dtype.newbyteorder("=")).reshape(tensor.dims)
    if not tensor.elements:
        return np.zeros(tensor.dims, dtype.newbyteorder("="))
    raise InputError(
        f"the tensor {tensor.name!r} is stored in an old way", file=path, mend="save the file again with onnx.save"
    )
