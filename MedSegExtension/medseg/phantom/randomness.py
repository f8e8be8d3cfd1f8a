"""Random numbers that are the same on every platform and every NumPy.

NumPy promises a stable stream only for the raw output of a bit generator (NEP 19), not for the distributions of
``Generator``. Everything that decides anatomy is therefore built here from raw PCG64 words with exact arithmetic.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")


class Draws:
    """A stream of random numbers for one part of one case.

    Parameters
    ----------
    seed : seed of the case, 0 or larger.
    part : name of the part; parts have independent streams, so that changing one leaves the others as they were.
    """

    def __init__(self, seed: int, part: str) -> None:
        entropy = [seed, zlib.crc32(part.encode("ascii"))]
        self._bits = np.random.PCG64(np.random.SeedSequence(entropy))

    def random(self) -> float:
        """A double in [0, 1) with 53 random bits."""
        return float(int(self._bits.random_raw()) >> 11) * 2.0**-53

    def uniform(self, low: float, high: float) -> float:
        """Uniform in [low, high)."""
        return low + (high - low) * self.random()

    def normal(self, mean: float, sd: float, low: float, high: float) -> float:
        """Nearly normal (sum of twelve uniforms, exact in floating point), clipped to [low, high]."""
        total = 0.0
        for _ in range(12):
            total += self.random()
        return min(max(mean + sd * (total - 6.0), low), high)

    def flag(self, probability: float) -> bool:
        """True with the given probability."""
        return self.random() < probability

    def integer(self, low: int, high: int) -> int:
        """Uniform over low … high, both included."""
        return low + min(int(self.random() * (high - low + 1)), high - low)

    def choose(self, weights: Mapping[str, float]) -> str:
        """One key, with probability proportional to its weight."""
        target = self.random() * sum(weights.values())
        for key, weight in weights.items():
            target -= weight
            if target < 0.0:
                return key
        return next(reversed(list(weights)))

    def pick(self, items: Sequence[T]) -> T:
        """One item, all equally likely."""
        return items[self.integer(0, len(items) - 1)]

    def vector(self, spread: Sequence[float]) -> np.ndarray:
        """(3,) vector, each component uniform in ± the given spread."""
        return np.array([self.uniform(-s, s) for s in spread])

    def generator(self) -> np.random.Generator:
        """A NumPy generator that goes on from here, for noise in voxels (not for anatomy)."""
        return np.random.Generator(self._bits)
