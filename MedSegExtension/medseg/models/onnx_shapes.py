"""What an ONNX graph tells about its output and its size without running it: hints for a card's draft."""

from __future__ import annotations

from typing import Any

from .onnx_graph import Graph, Node, Tensor

_ACTIVATIONS = {"Sigmoid": "sigmoid", "Softmax": "softmax", "HardSigmoid": "sigmoid", "ArgMax": "argmax"}
#: Operators that leave the number of channels as it is and follow the first input.
_TRANSPARENT = (
    "Identity",
    "Cast",
    "Relu",
    "LeakyRelu",
    "Sigmoid",
    "Softmax",
    "Clip",
    "Resize",
    "Upsample",
    "Dropout",
    "BatchNormalization",
    "InstanceNormalization",
    "Add",
    "Mul",
    "Pad",
    "MaxPool",
    "AveragePool",
    "PRelu",
)


#: Outputs that are looked at; networks with deep supervision have some five.
_MOST_OUTPUTS = 64


def describe_outputs(graph: Graph) -> dict[str, dict[str, Any]]:
    """Of each output what the graph tells: ``ends_in`` (an activation), ``channels``, and ``from``, the output that it
    is the activation of."""
    makers, names = _makers(graph), {info.name for info in graph.outputs}
    found = {}
    for info in graph.outputs[:_MOST_OUTPUTS]:
        activation, source = _ends_in(makers, info.name, names)
        found[info.name] = {"ends_in": activation, "channels": _channels(graph, makers, info.name), "from": source}
    return found


def _ends_in(makers: dict[str, Node], name: str, outputs: set[str]) -> tuple[str | None, str | None]:
    """ "sigmoid", "softmax" or "argmax" where the value comes straight from one, and the output that went into it."""
    node, activation = makers.get(name), None
    for _ in range(8):
        if node is None or node.domain not in ("", "ai.onnx"):
            break
        if node.op in _ACTIVATIONS and activation is None:
            activation = _ACTIVATIONS[node.op]
        elif node.op not in ("Identity", "Cast", "Resize", "Clip", "Transpose"):
            break
        if not node.inputs:
            break
        if activation is not None and node.inputs[0] in outputs:
            return activation, node.inputs[0]
        node = makers.get(node.inputs[0])
    return activation, None


def _channels(graph: Graph, makers: dict[str, Node], name: str) -> int | None:
    """Channels of a value by the last convolution before it; None where the way there is not plain."""
    node = makers.get(name)
    for _ in range(32):
        if node is None or node.domain not in ("", "ai.onnx") or not node.inputs:
            return None
        if node.op in ("Conv", "ConvTranspose") and len(node.inputs) > 1:
            weight = graph.initializers.get(node.inputs[1])
            if weight is None or len(weight.dims) < 3:
                return None
            group = node.attributes.get("group", 1)
            return weight.dims[0] if node.op == "Conv" else weight.dims[1] * (group if isinstance(group, int) else 1)
        if node.op not in _TRANSPARENT:
            return None
        node = makers.get(node.inputs[0])
    return None


def reduction(graph: Graph) -> int | None:
    """How many times smaller than the input the coarsest feature map is, which the slices' sides must be a multiple of.

    Follows strides through the graph; None where something other than a power of two comes out.
    """
    scale = {graph.inputs[0].name: 1.0} if graph.inputs else {}
    for info in graph.inputs:
        if info.name not in graph.initializers:
            scale[info.name] = 1.0
    coarsest = 1.0
    for node in graph.nodes:
        known = [scale[name] for name in node.inputs if name in scale]
        if not known:
            continue
        # Where two ways join (a skip connection) they have the same size.
        result = known[0] * _stride(node, graph)
        coarsest = max(coarsest, result)
        for name in node.outputs:
            scale[name] = result
    whole = int(coarsest)
    return whole if whole == coarsest and whole <= 512 and whole & (whole - 1) == 0 else None


def _stride(node: Node, graph: Graph) -> float:
    strides = node.attributes.get("strides")
    if node.op in ("Conv", "MaxPool", "AveragePool", "LpPool") and isinstance(strides, tuple):
        return float(strides[0])
    if node.op == "ConvTranspose" and isinstance(strides, tuple):
        return 1.0 / max(strides[0], 1)
    if node.op in ("SpaceToDepth", "DepthToSpace") and isinstance(node.attributes.get("blocksize"), int):
        block = float(node.attributes["blocksize"])  # type: ignore[arg-type]
        return block if node.op == "SpaceToDepth" else 1.0 / max(block, 1.0)
    if node.op in ("Resize", "Upsample"):
        factors = [graph.initializers.get(name) for name in node.inputs[1:]]
        scales = next((f for f in factors if f is not None and f.dims == (4,) and f.data_type == 1), None)
        values = _floats(scales) if scales is not None else None
        return 1.0 / values[2] if values and values[2] > 0 else 0.5
    return 1.0


def _floats(tensor: Tensor) -> list[float] | None:
    data = tensor.raw if tensor.raw is not None else tensor.floats
    return list(memoryview(bytes(data)).cast("f")) if data is not None and len(data) % 4 == 0 else None


def _makers(graph: Graph) -> dict[str, Node]:
    return {name: node for node in graph.nodes for name in node.outputs}
