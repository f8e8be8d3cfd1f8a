"""The losses of an epoch, kept on the device and read once at its end."""

from __future__ import annotations

import math

import torch
from torch import Tensor


class LossMeter:
    """One float32 a step, on the device.

    `peek` is for the eyes of a person: the mean so far, a little old on a CUDA device, where it comes by an
    asynchronous copy that nobody waits for.
    """

    def __init__(self, steps: int, device: torch.device) -> None:
        self.values = torch.zeros(steps, device=device)
        self.count = 0
        self._shown = math.nan
        self._cuda = device.type == "cuda"
        self._total = torch.zeros((), device=device)
        if self._cuda:
            self._host = torch.zeros((), pin_memory=True)
            self._copied = torch.cuda.Event()
            self._under_way = 0

    def begin(self) -> None:
        """Forget the last epoch."""
        self.count = 0
        self._total.zero_()

    def add(self, loss: Tensor) -> None:
        """Take the step's loss in, on the device."""
        self.values[self.count].copy_(loss)
        self._total += loss
        self.count += 1

    def peek(self) -> float:
        """Mean of the epoch's losses so far, or of some of them; NaN where none is known yet."""
        if self.values.device.type == "cpu":
            return float(self._total.numpy()) / self.count if self.count else math.nan
        if self._cuda:
            if self._under_way and self._copied.query():
                self._shown, self._under_way = float(self._host.numpy()) / self._under_way, 0
            if not self._under_way and self.count:
                self._host.copy_(self._total, non_blocking=True)
                self._copied.record()
                self._under_way = self.count
        return self._shown

    def read(self) -> Tensor:
        """(steps so far,) on the host: waits for the device."""
        return self.values[: self.count].cpu()

    def state_dict(self) -> dict[str, Tensor]:
        return {"values": self.read()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        values = state["values"].to(self.values.device)
        self.count = len(values)
        self.values[: self.count].copy_(values)
        self._total = values.sum()
