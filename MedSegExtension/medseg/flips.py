"""Test-time flips: the mean of the network's answers to a slice and to its mirror images.

Each mirrored answer is mirrored back before the mean, so that left stays left: mirroring never moves anything, it only
asks the network once more. A network that was trained on one side of the body alone (a liver on the image's left) sees
something it does not know in a mirrored slice; flips are for networks trained with such mirroring.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from .errors import InputError
from .inference import Chosen, Runner, activate

#: Name of a direction -> axis of the (B, C, H, W) batch it mirrors.
DIRECTIONS = {"rows": 2, "columns": 3}


def check_flips(flips: Sequence[str]) -> tuple[str, ...]:
    """``flips`` without repetition and in our order. Raises InputError for a direction that is not known."""
    for name in flips:
        if name not in DIRECTIONS:
            raise InputError(f"there is no flip {name!r}", mend=f"use {' or '.join(DIRECTIONS)}")
    return tuple(name for name in DIRECTIONS if name in flips)


class FlipAverage:
    """A `Runner` whose answer is the mean over all mirror images of ``flips``.

    Parameters
    ----------
    model : what runs the network.
    flips : of "rows" (up and down) and "columns" (left and right); two directions make four passes.
    activation : applied to each answer before the mean (probabilities are averaged, not logits). The loop then must
        not apply it again.
    """

    def __init__(self, model: Runner, flips: Sequence[str], activation: str) -> None:
        self._model, self._activation = model, activation
        axes = [DIRECTIONS[name] for name in check_flips(flips)]
        self._mirrors = [chosen for count in range(len(axes) + 1) for chosen in combinations(axes, count)]

    @property
    def choice(self) -> Chosen:
        return self._model.choice

    def move_to_cpu(self) -> None:
        self._model.move_to_cpu()

    def run(self, batch: np.ndarray) -> np.ndarray:
        """(B, C, H, W) float32 → (B, K, H, W) float32, the mean of the activated answers."""
        total: np.ndarray | None = None
        for axes in self._mirrors:
            raw = self._model.run(np.ascontiguousarray(np.flip(batch, axes)) if axes else batch)
            answer = np.flip(activate(raw, self._activation), axes) if axes else activate(raw, self._activation)
            total = np.array(answer, dtype=np.float32) if total is None else np.add(total, answer, out=total)
        assert total is not None
        return total / np.float32(len(self._mirrors))
