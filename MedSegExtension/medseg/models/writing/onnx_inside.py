"""An ONNX file with all its weights inside, from one that keeps them in files beside it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np

from ...backends import require
from ...backends.wiring import Ports
from ...errors import InputError
from ..onnx_file import MAX_BYTES, inspect_onnx, mapped
from ..onnx_graph import read_graph


def copy_inside(source: Path, target: Path, ports: Ports | None = None) -> None:
    """Copy the ONNX file ``source`` to ``target``, with external data (checked to lie in its folder) taken inside.

    Where it has several inputs or outputs, ``ports`` are those in use, and the copy has one of each.
    Raises InputError where it would be larger than ONNX allows, UnsafeModelError as the static checks do.
    """
    with mapped(source) as message:
        graph = read_graph(message)
        external = any(tensor.external is not None for tensor in graph.tensors)
        graph.initializers.clear()
        graph.tensors.clear()
        graph.nodes.clear()
    if not external and ports is None:
        shutil.copyfile(source, target)
        return
    report = inspect_onnx(source)
    if report.unsafe:
        from ..isolated import refusal

        raise refusal(report)
    onnx = require("onnx")
    model = onnx.load(str(source))  # with its external data
    if ports is not None:
        _leave_one(onnx, model, ports)
    if model.ByteSize() > MAX_BYTES:
        raise InputError(
            "with its weights inside the file would be larger than 2 GiB, which ONNX does not allow",
            file=source,
            mend="use it with its data file beside it",
        )
    onnx.save(model, str(target), save_as_external_data=False)


def _leave_one(onnx: Any, model: Any, ports: Ports) -> None:
    """One input and one output in the graph, and the nodes between them: constants become weights, inputs are divided
    from one."""
    graph, helper = model.graph, onnx.helper
    needed, nodes = {ports.output}, []
    for node in reversed(list(graph.node)):
        if needed.intersection(node.output):
            needed.update(_taken(node))
            nodes.append(node)
    nodes.reverse()
    images = [next(info for info in graph.input if info.name == name) for name, _ in ports.inputs]
    if len(images) > 1:
        whole = onnx.ValueInfoProto()
        whole.CopyFrom(images[0])
        whole.name = "slices"
        counts = [count for _, count in ports.inputs]
        whole.type.tensor_type.shape.dim[1].dim_value = sum(counts)
        names = [info.name for info in images]
        opset = next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
        if opset < 13:
            nodes.insert(0, helper.make_node("Split", ["slices"], names, axis=1, split=counts))
        else:
            sizes = onnx.numpy_helper.from_array(np.array(counts, np.int64), "channels of the inputs")
            graph.initializer.append(sizes)
            nodes.insert(0, helper.make_node("Split", ["slices", sizes.name], names, axis=1))
        images = [whole]
    for constant in ports.constants:
        graph.initializer.append(onnx.numpy_helper.from_array(constant.array(), constant.name))
    outputs = [info for info in graph.output if info.name == ports.output]
    for field, values in (("node", nodes), ("input", images), ("output", outputs)):
        graph.ClearField(field)
        getattr(graph, field).extend(values)
    used = {name for node in nodes for name in _taken(node)}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    graph.ClearField("initializer")
    graph.initializer.extend(kept)


def _taken(node: Any) -> set[str]:
    """The values that an operator uses, those of the graphs inside of it too."""
    names = set(node.input)
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs):
            names.update(*(_taken(inner) for inner in graph.node), (info.name for info in graph.output))
    return names
