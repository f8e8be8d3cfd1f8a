"""Models whose network is a function of the batch: what the pipeline asks of `medseg.models.Model`, and no more."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
from medseg.card import ModelCard
from scipy import ndimage


class Network:
    """A model whose network is a function of the batch, with what the pipeline asks of `medseg.models.Model`."""

    def __init__(self, card: dict, function: Callable[[np.ndarray], np.ndarray], device: str = "cpu") -> None:
        self.card, self.function, self.choice = ModelCard.from_dict(card), function, SimpleNamespace(device=device)
        self.fixed_size, self.missing, self.path = None, (), "test.onnx"
        self.preparer = None
        self.warnings: list[str] = []
        self.backend = SimpleNamespace(name="numpy")
        self.batches: list[int] = []

    def run(self, batch: np.ndarray) -> np.ndarray:
        assert batch.dtype == np.float32 and batch.ndim == 4
        self.batches.append(len(batch))
        return self.function(batch)

    def move_to_cpu(self) -> None:
        self.choice.device = "cpu"
        self.warnings.append("went on on the CPU")


#: Mirrored or turned slices give another answer: no symmetry of the square maps this kernel to itself.
LOPSIDED = np.array([[0, 1, 3], [-2, 4, 0], [0, -5, 1]], np.float32)


def lopsided(batch: np.ndarray) -> np.ndarray:
    return np.stack([ndimage.correlate(planes.sum(axis=0), LOPSIDED)[None] for planes in batch])
