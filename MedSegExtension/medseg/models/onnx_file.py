"""ONNX files: static checks and what the graph tells, without onnx, onnxruntime or any execution."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import InputError
from .onnx_graph import DATA_TYPES, Graph, Tensor, is_confined, read_graph
from .onnx_shapes import describe_outputs, reduction
from .ports import apply_ports
from .protobuf import WireError
from .report import CARD_KEY, ModelReport

#: Operator sets whose meaning is published and that the runtimes carry themselves.
DOMAINS = ("", "ai.onnx", "ai.onnx.ml", "com.microsoft")
#: Operators of com.microsoft that call Python, load other files or hand compiled code to a driver.
REFUSED_OPERATORS = ("PythonOp", "PythonOpGrad", "EPContext", "ATen", "Snpe", "TorchEmbedding", "ExternalOp", "YieldOp")

#: A protobuf message cannot be longer; larger models keep their weights as external data.
MAX_BYTES = 2**31 - 1


def inspect_onnx(path: Path) -> ModelReport:
    """The report of an ONNX file. Raises InputError where it is damaged or holds no usable graph."""
    with mapped(path) as message:
        try:
            graph = read_graph(message)
            _check_tensors(graph)
        except (WireError, RecursionError) as error:
            raise InputError(
                f"the ONNX file is damaged ({error})", file=path, mend="copy, download or export it again"
            ) from None
        report = _report(path, graph)
        graph.initializers.clear()
        graph.tensors.clear()
        graph.nodes.clear()
    return report


@contextmanager
def mapped(path: Path) -> Iterator[memoryview]:
    """The file as a read-only view that takes no memory; every view made from it must be gone at the end."""
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise InputError(
            "the ONNX file is larger than 2 GiB, which ONNX does not allow",
            file=path,
            mend="export it again with external data",
        )
    with path.open("rb") as stream:
        view = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    # Closed when the last view is collected; closing it here would fail while an exception still holds one.
    yield memoryview(view)


def _check_tensors(graph: Graph) -> None:
    """Each stored tensor holds as many bytes as its shape says: none can ask for memory that its file does not have."""
    if not graph.has_graph:
        raise WireError("it holds no graph")
    for tensor in graph.tensors:
        if tensor.data_type not in DATA_TYPES:
            raise WireError(f"tensor {tensor.name!r} has the unknown data type {tensor.data_type}")
        width = DATA_TYPES[tensor.data_type][1]
        if tensor.external is not None or not width:
            continue
        if tensor.raw is not None:
            if len(tensor.raw) != tensor.elements * width:
                raise WireError(
                    f"tensor {tensor.name!r} of shape {list(tensor.dims)} has {len(tensor.raw)} bytes, "
                    f"{tensor.elements * width} are needed"
                )
        elif tensor.elements > max(tensor.typed_bytes, 0):  # at least one byte an element in every encoding
            raise WireError(f"tensor {tensor.name!r} of shape {list(tensor.dims)} has no values")


def _report(path: Path, graph: Graph) -> ModelReport:
    report = ModelReport(path=path, format="onnx", framework="ONNX")
    producer = " ".join(part for part in (graph.producer, graph.producer_version) if part)
    opset = graph.opsets.get("", graph.opsets.get("ai.onnx", 0))
    report.version = f"opset {opset}, IR version {graph.ir_version}" + (f", written by {producer}" if producer else "")
    report.details = {
        "opsets": {domain or "ai.onnx": version for domain, version in graph.opsets.items()},
        "ir_version": graph.ir_version,
        "producer": producer,
        "operators": {
            op if not domain else f"{domain}::{op}": count for (domain, op), count in sorted(graph.operators.items())
        },
        "metadata": sorted(graph.metadata),
    }
    report.card_text = graph.metadata.get(CARD_KEY)
    report.unsafe = tuple(_unsafe(path.parent, graph))
    # Files before IR version 4 list their weights among the inputs.
    report.inputs = tuple(info for info in graph.inputs if info.name not in graph.initializers)
    report.outputs = tuple(graph.outputs)
    # Weights are what a network has learnt: floating point (or quantised) and more than a scalar constant.
    report.parameters = sum(
        t.elements
        for t in graph.initializers.values()
        if t.dims and DATA_TYPES[t.data_type][0] not in ("int64", "int32", "bool", "string")
    )
    report.details["outputs"] = describe_outputs(graph)
    report.multiple_of = reduction(graph)
    apply_ports(report)
    if graph.has_training:
        report.warnings.append("the file carries training information, which is not used")
    return report


def _unsafe(folder: Path, graph: Graph) -> Iterator[str]:
    for domain, name in sorted(graph.functions):
        # Which of the two a runtime takes, the file's function or its own operator, is for it to choose.
        if domain in DOMAINS:
            yield f"its function {name} of the domain {domain!r} stands in for an operator of the runtimes"
    if graph.has_sparse:
        yield "it holds sparse tensors, which no segmentation network needs and which unfold to any size"
    for domain, op in sorted(graph.operators):
        if (domain, op) in graph.functions and domain not in DOMAINS:
            continue
        if domain not in DOMAINS:
            yield f"operator {op} of the domain {domain!r} needs a library that is not part of ONNX"
        elif domain == "com.microsoft" and op in REFUSED_OPERATORS:
            yield f"operator {op} can run code or read files"
    external = [tensor for tensor in graph.tensors if tensor.external is not None]
    for location in sorted({(tensor.external or {}).get("location", "") for tensor in external}):
        reason = is_confined(location, folder)
        if reason:
            yield f"external data {location!r} {reason}"
    yield from _missing_external(folder, external)


def _missing_external(folder: Path, external: list[Tensor]) -> Iterator[str]:
    seen = set()
    for tensor in external:
        entry = tensor.external or {}
        location = entry.get("location", "")
        if is_confined(location, folder) or location in seen:
            continue
        file = folder / location
        if not file.is_file():
            seen.add(location)
            yield f"external data {location!r} is missing beside the model; keep the two files together"
            continue
        width = DATA_TYPES[tensor.data_type][1]
        try:
            offset = int(entry.get("offset", "0"))
            length = int(entry.get("length", str(tensor.elements * width)))
        except ValueError:
            offset, length = -1, -1
        inside = min(offset, length) >= 0 and offset + length <= file.stat().st_size
        if not inside or (width and length != tensor.elements * width):
            seen.add(location)
            yield f"external data {location!r} is too short or does not fit tensor {tensor.name!r}"
