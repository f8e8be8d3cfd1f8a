"""Which inputs and which output of a network with several are used, and the batch divided over the inputs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Constant:
    """An input that is the same number for every slice; ``dtype`` as numpy calls it."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    value: float

    def array(self) -> np.ndarray:
        """What the network is given."""
        return np.full(self.shape, self.value, np.dtype(self.dtype))


@dataclass(frozen=True)
class Ports:
    """``inputs``: names and channel counts (None for all) of the inputs that share the slices' channels, in order."""

    inputs: tuple[tuple[str, int | None], ...]
    output: str
    constants: tuple[Constant, ...] = ()

    @property
    def plain(self) -> bool:
        """Whether the slices go in as they are, and nothing else does."""
        return len(self.inputs) == 1 and not self.constants

    def spans(self, channels: int) -> list[tuple[str, int, int]]:
        """Of each input its name and the channels from … to (not counted) that it takes, of ``channels`` in all."""
        found, start = [], 0
        for name, count in self.inputs:
            end = channels if count is None else start + count
            found.append((name, start, end))
            start = end
        return found


def feeds(ports: Ports, batch: np.ndarray) -> dict[str, np.ndarray]:
    """What each input is given for the slices ``batch`` (B, C, H, W)."""
    given = {
        name: np.ascontiguousarray(batch[:, start:end]) if len(ports.inputs) > 1 else batch
        for name, start, end in ports.spans(batch.shape[1])
    }
    return given | {constant.name: constant.array() for constant in ports.constants}
