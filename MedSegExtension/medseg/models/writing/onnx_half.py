"""An ONNX file with its weights stored as float16 and its arithmetic in float32."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ...backends import require

#: Smaller tensors (norms, biases, sizes) stay as they are: they weigh nothing, and rounding them costs most.
SMALLEST = 256


def store_half(path: Path) -> int:
    """Store the large float32 weights of the ONNX file at ``path`` as float16, each with a cast before its use.

    Runtimes fold the cast when they load the file, so that speed and memory are those of float32. Returns how many
    tensors were changed. Raises MissingPackageError.
    """
    onnx = require("onnx")
    model = onnx.load(str(path), load_external_data=False)
    graph = model.graph
    casts: list[Any] = []
    for number, tensor in enumerate(graph.initializer):
        if tensor.data_type != onnx.TensorProto.FLOAT:
            continue
        values = onnx.numpy_helper.to_array(tensor)
        if values.size < SMALLEST:
            continue
        name = tensor.name
        stored = f"{name}.float16"
        graph.initializer[number].CopyFrom(onnx.numpy_helper.from_array(values.astype(np.float16), stored))
        casts.append(onnx.helper.make_node("Cast", [stored], [name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.save(model, str(path))
    return len(casts)
