"""Lets `import torchvision` work beside a CPU build of torch that its compiled part does not fit.

The index holds torchvision's CUDA build alone. Its kernels (box suppression, which no network here uses) cannot be
loaded beside a CPU torch, and its Python part then stops at an operator that nobody declared. `make test-peers`
copies this file into `.venv-peers` with a `.pth` line, so that it is imported at every start: it imports nothing
heavy, and declares the two operators when torchvision is asked for.
"""

import sys
from importlib.abc import MetaPathFinder
from typing import Any

OPERATORS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)


class _Declare(MetaPathFinder):
    """Finds nothing itself: it only acts before the others find torchvision."""

    library: Any = None

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if name == "torchvision" and _Declare.library is None:
            import torch

            _Declare.library = torch.library.Library("torchvision", "FRAGMENT")
            for schema in OPERATORS:
                _Declare.library.define(schema)


sys.meta_path.insert(0, _Declare())
