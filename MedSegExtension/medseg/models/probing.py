"""A slice that a model takes, to see whether it runs and what it answers."""

from __future__ import annotations

import numpy as np

from ..backends import require
from ..backends.base import memory_errors
from .model import Model


def slice_size(model: Model, multiple_of: int | None = None, steps: tuple[int, int] = (4, 3)) -> tuple[int, int]:
    """(height, width) that ``model`` takes: what it fixes, what its card says, else ``steps`` times its step."""
    if model.fixed_size is not None:
        return model.fixed_size
    size = None if model.card is None else model.card.input.size
    if size is not None and size.height and size.width:
        step = size.multiple_of
        return -(-size.height // step) * step, -(-size.width // step) * step
    step = max(multiple_of or 1, 32 if size is None else size.multiple_of, 8)
    return steps[0] * step, steps[1] * step


def probe_slice(model: Model, channels: int | None = None, multiple_of: int | None = None) -> np.ndarray:
    """(1, C, H, W) float32 noise of a size the model takes; ``channels`` counts only where the model does not say."""
    height, width = slice_size(model, multiple_of, (2, 2))
    count = model.in_channels or channels or 1
    return np.random.default_rng(0).standard_normal((1, count, height, width), dtype=np.float32)


def run_trial(model: Model, batch: np.ndarray) -> np.ndarray:
    """Raw outputs of ``model`` for ``batch``, to see that it runs. Raises as `Model.run`.

    A model that slides and mirrors (nnU-Net's folds) runs each of its networks once, on its smallest patch.
    """
    short = getattr(model.backend, "trial", None)
    if short is not None:  # converted from nnU-Net
        return short(batch)
    short = getattr(getattr(model.backend, "module", None), "trial", None)
    if short is None:
        return model.run(batch)
    torch = require("torch")
    with memory_errors(model.backend.device, batch.shape), torch.inference_mode():
        return short(torch.from_numpy(batch).to(model.backend.device)).float().cpu().numpy()
