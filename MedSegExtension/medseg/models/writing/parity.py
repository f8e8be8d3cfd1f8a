"""Whether a written file answers as the network it was made from: both run on the same slices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ...card import ModelCard
from ...errors import MedSegError
from ...inference import activate

#: Largest difference of probabilities between two files of the same float32 weights. Measured for the networks of this
#: package: 1e-7 to 2e-6 between PyTorch, ONNX Runtime and OpenVINO, which add up in different orders.
PARITY = 1e-5

Run = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Difference:
    """Largest differences on the same slices: of the raw outputs, and of probabilities where a card says which."""

    raw: float
    probability: float | None
    slices: tuple[int, ...]

    @property
    def largest(self) -> float:
        """What the limit is about: probabilities where they are known, raw outputs otherwise."""
        return self.raw if self.probability is None else self.probability


def sample_slices(channels: int, shape: tuple[int, int], count: int = 2) -> np.ndarray:
    """Random slices, the same each time: (count, channels, height, width) float32, standard normal."""
    return np.random.default_rng(0).standard_normal((count, channels, *shape), dtype=np.float32)


def compare_outputs(original: Run, written: Run, slices: np.ndarray, card: ModelCard | None) -> Difference:
    """Run both on ``slices`` (N, C, H, W), one slice at a time, and compare their raw outputs (1, K, H, W)."""
    raw = probability = 0.0
    for one in slices:
        a, b = original(one[None]), written(one[None])
        if a.shape != b.shape:
            raise MedSegError(
                f"the written model answers {b.shape[1:]} where the original answers {a.shape[1:]}",
                mend="report it; nothing was written",
            )
        # numpy's maximum keeps NaN, Python's loses it.
        raw = float(np.maximum(raw, _largest(a, b)))
        if card is not None:
            both = (activate(x, card.output.activation) for x in (a, b))
            probability = float(np.maximum(probability, _largest(*both)))
    return Difference(raw, None if card is None else probability, tuple(slices.shape))


def check_parity(found: Difference, scale: float = 1.0) -> None:
    """Raise MedSegError above `PARITY`; ``scale`` is the largest output where only raw outputs were compared."""
    limit = PARITY * (max(1.0, scale) if found.probability is None else 1.0)
    if not found.largest <= limit:  # NaN is no agreement either
        kind = "output" if found.probability is None else "probability"
        raise MedSegError(
            f"the written model differs from the original by {found.largest:.1e} in {kind}, {limit:.0e} is allowed",
            mend="report it; nothing was written",
        )


def _largest(a: np.ndarray, b: np.ndarray) -> float:
    # Equal infinities differ by NaN, and are no difference.
    with np.errstate(invalid="ignore"):
        difference = np.where(a == b, 0.0, np.abs(a.astype(np.float64) - b))
    return float(difference.max())
