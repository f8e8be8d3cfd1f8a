"""A network given as ONNX's own list of operators, run in PyTorch, so that an ONNX file can become any other format."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import InputError
from .onnx_operators import DTYPES, OPERATORS, OperatorError

MAX_NODES = 20_000
_KINDS = {str(dtype).removeprefix("torch."): dtype for dtype in DTYPES.values()}


class OnnxNetwork(nn.Module):
    """Runs ``graph``: plain data, as `medseg.models.onnx_module.graph_of` makes it.

    Parameters
    ----------
    graph : ``{"opset": number, "input": value, "output": value, "multiple_of": number, "tensors": {name: [dtype,
        shape]}, "constants": {value: numbers}, "nodes": [[operator, inputs, outputs, attributes], ...]}``. Values are
        named by texts; an input left out is "". Operators come from a list (`onnx_operators`), none is imported.

    Maps float32 (B, C, H, W) to what the graph answers. Raises InputError for a graph that is not of this kind.
    """

    def __init__(self, graph: Mapping[str, Any]) -> None:
        super().__init__()
        try:
            self._build(graph)
        except InputError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(
                f"the card's ONNX graph cannot be understood ({type(error).__name__}: {error})", mend="convert again"
            ) from None

    def _build(self, graph: Mapping[str, Any]) -> None:
        self.opset = int(graph["opset"])
        self.multiple_of = max(1, int(graph.get("multiple_of", 1)))
        self.input, self.output = str(graph["input"]), str(graph["output"])
        self.table: dict[str, str] = {}
        for value, (kind, shape) in graph["tensors"].items():
            name = buffer_name(value, self.table)
            self.table[value] = name
            self.register_buffer(name, torch.empty([int(n) for n in shape], dtype=_KINDS[kind]))
        self.constants = {value: _tuples(numbers) for value, numbers in graph.get("constants", {}).items()}
        self.nodes = [
            (str(op), tuple(map(str, inputs)), tuple(map(str, outputs)), {k: _tuples(v) for k, v in attributes.items()})
            for op, inputs, outputs, attributes in graph["nodes"]
        ]
        if len(self.nodes) > MAX_NODES:
            raise InputError(f"the graph has more than {MAX_NODES} operators", mend="use the ONNX file as it is")
        unknown = sorted({op for op, *_ in self.nodes} - OPERATORS.keys())
        if unknown:
            raise InputError(
                f"the ONNX operator {unknown[0]} has no counterpart here", mend="use the ONNX file as it is"
            )
        # A value is dropped after its last use: a U-Net's skip connections are most of its memory.
        last = {name: place for place, (_, inputs, _, _) in enumerate(self.nodes) for name in inputs}
        self.dropped = [
            tuple(n for n in dict.fromkeys((*inputs, *outputs)) if n != self.output and last.get(n, place) <= place)
            for place, (_, inputs, outputs, _) in enumerate(self.nodes)
        ]

    def forward(self, x: Tensor) -> Tensor:
        values: dict[str, Any] = {**self.constants, self.input: x}
        for value, name in self.table.items():
            values[value] = getattr(self, name)
        for (op, inputs, outputs, attributes), dropped in zip(self.nodes, self.dropped, strict=True):
            given = [values[name] if name else None for name in inputs]
            try:
                if op == "Split":
                    found: Any = OPERATORS[op](given, attributes, self.opset, len(outputs))
                else:
                    found = OPERATORS[op](given, attributes, self.opset)
            except OperatorError as error:
                raise InputError(
                    f"the ONNX operator {op} cannot be rebuilt: {error}", mend="use the ONNX file as it is"
                ) from None
            if len(outputs) == 1:
                values[outputs[0]] = found
            else:
                values.update(zip(outputs, found if op == "Split" else (found,), strict=False))
            for name in dropped:
                values.pop(name, None)
        return values[self.output]


def buffer_name(value: str, taken: Mapping[str, str]) -> str:
    """A name that PyTorch takes for the tensor ``value``; the same for the same values in the same order."""
    plain = re.sub(r"\W", "_", value)[:150] or "tensor"
    name, used = f"w_{plain}", set(taken.values())
    return name if name not in used else f"{name}_{len(used)}"


def _tuples(value: Any) -> Any:
    """JSON has no tuples; sizes are told from other values by being one."""
    return tuple(_tuples(item) for item in value) if isinstance(value, (list, tuple)) else value
