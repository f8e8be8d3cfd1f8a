"""Random states: every epoch begins from numbers that follow from the seed, and can be taken up in its middle."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch


def mix(seed: int, *place: int) -> int:
    """A 63-bit seed for a place such as (epoch, rank); places side by side have nothing in common."""
    return int(
        np.random.SeedSequence([abs(seed), int(seed < 0), *place]).generate_state(1, np.uint64)[0] >> np.uint64(1)
    )


class Randomness:
    """The three sources that a step draws from.

    Attributes
    ----------
    host : generator on the CPU; draws what happens to which sample.
    device : generator on the training device; draws noise fields there. The same as ``host`` on a CPU.

    Dropout draws from torch's own state, which is seeded and saved with them.
    """

    def __init__(self, seed: int, device: torch.device, rank: int = 0) -> None:
        self.seed, self.rank, self.where = seed, rank, device
        self.host = torch.Generator()
        self.device = self.host if device.type == "cpu" else torch.Generator(device)
        self.begin_epoch(0)

    def plan(self, epoch: int) -> torch.Generator:
        """For what the epoch shows: a function of seed and epoch alone."""
        return torch.Generator().manual_seed(mix(self.seed, epoch, self.rank, 1))

    def begin_epoch(self, epoch: int) -> None:
        """Set all sources to where ``epoch`` begins."""
        torch.manual_seed(mix(self.seed, epoch, self.rank, 2))
        self.device.manual_seed(mix(self.seed, epoch, self.rank, 3))
        self.host.manual_seed(mix(self.seed, epoch, self.rank, 4))

    def state_dict(self) -> dict[str, Any]:
        """All states, as uint8 tensors."""
        state = {"host": self.host.get_state(), "device": self.device.get_state(), "torch": torch.get_rng_state()}
        if self.where.type == "cuda":
            state["torch_device"] = torch.cuda.get_rng_state(self.where)
        elif self.where.type == "mps":
            state["torch_device"] = torch.mps.get_rng_state()
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up `state_dict`'s. What another kind of device left is begun anew with the next epoch."""
        self.host.set_state(state["host"])
        torch.set_rng_state(state["torch"])
        if self.where.type == "cpu":
            return
        if "torch_device" in state:
            self.device.set_state(state["device"])
            if self.where.type == "cuda":
                torch.cuda.set_rng_state(state["torch_device"], self.where)
            else:
                torch.mps.set_rng_state(state["torch_device"])
