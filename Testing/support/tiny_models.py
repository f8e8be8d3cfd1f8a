"""ONNX models of one convolution with given weights, made without PyTorch."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np

CARD: dict[str, Any] = {
    "schema_version": 1,
    "name": "tiny",
    "plane": "axial",
    "orientation": "PLS",
    "input": {"size": {"mode": "native"}, "normalisation": {"kind": "minmax"}},
    "output": {"activation": "sigmoid", "labels": [{"value": 1, "name": "bright", "color": [0, 145, 30]}]},
}


def card_with(**changes: Any) -> dict[str, Any]:
    """`CARD` with some of its top-level fields merged or replaced."""
    card = copy.deepcopy(CARD)
    for key, value in changes.items():
        card[key] = {**card[key], **value} if isinstance(value, dict) and isinstance(card.get(key), dict) else value
    return card


def write_onnx(
    path: Path, card: dict[str, Any] | None = None, *, channels: int = 1, scale: float = 20.0, offset: float = -10.0
) -> Path:
    """A model whose logit is ``scale * mean of the channels + offset``: with minmax, 0.5 is the border.

    ``card`` goes into the file; None leaves it without one.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weight = np.full((1, channels, 1, 1), scale / channels, np.float32)
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w", "b"], ["y"])],
        "tiny",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", channels, "h", "w_"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 1, "h", "w_"])],
        [numpy_helper.from_array(weight, "w"), numpy_helper.from_array(np.array([offset], np.float32), "b")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)
    if card is not None:
        from medseg.card import ModelCard
        from medseg.models import embed_card

        embed_card(path, ModelCard.from_dict(card))
    return path
