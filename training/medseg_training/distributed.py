"""One training in several processes, started by torchrun: each its device, its part of every batch, one result."""

from __future__ import annotations

import contextlib
import datetime
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from medseg.errors import InputError
from torch import nn

#: The others wait while the first process prepares data or validates.
PATIENCE = datetime.timedelta(hours=6)


@dataclass(frozen=True)
class World:
    """This process among all that train together."""

    rank: int = 0
    size: int = 1
    local_rank: int | None = None

    @property
    def first(self) -> bool:
        """Whether this process writes files and talks to the person."""
        return self.rank == 0

    def share(self, batch_size: int) -> int:
        """This process's part of a batch. Raises InputError where it cannot be shared evenly."""
        if batch_size % self.size:
            raise InputError(
                f"a batch of {batch_size} cannot be shared by {self.size} processes",
                mend=f"make sampling.batch_size a multiple of {self.size}",
            )
        return batch_size // self.size

    def wrap(self, network: nn.Module, device: torch.device) -> nn.Module:
        """``network`` with its gradients averaged over all processes."""
        if self.size == 1:
            return network
        from torch.nn.parallel import DistributedDataParallel

        devices = [device.index] if device.type == "cuda" else None
        return DistributedDataParallel(network, device_ids=devices, gradient_as_bucket_view=True)

    def largest(self, *numbers: float) -> list[float]:
        """Of each number the largest that a process gives: a stop that one was asked for, the clock that is ahead."""
        if self.size == 1:
            return list(numbers)
        values = torch.tensor(numbers, dtype=torch.float64)
        dist.all_reduce(values, dist.ReduceOp.MAX)  # between hosts, through gloo: no device waits for it
        return values.tolist()

    def mean(self, values: torch.Tensor) -> torch.Tensor:
        """Of every element, over all processes; on the host."""
        values = values.cpu()
        if self.size > 1:
            dist.all_reduce(values, dist.ReduceOp.SUM)
            values /= self.size
        return values

    def tell(self, what: Any = None) -> Any:
        """What the first process says, to all."""
        if self.size == 1:
            return what
        box = [what]
        dist.broadcast_object_list(box, src=0)
        return box[0]

    def wait(self) -> None:
        """Until all are here."""
        if self.size > 1:
            dist.barrier()


@contextlib.contextmanager
def join_world(cuda: bool) -> Iterator[World]:
    """The world that torchrun describes in the environment; alone where it does not."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1 or "MASTER_ADDR" not in os.environ:
        yield World()
        return
    # Host tensors go through gloo, device tensors through NCCL.
    dist.init_process_group("cpu:gloo,cuda:nccl" if cuda else "gloo", timeout=PATIENCE)
    try:
        yield World(dist.get_rank(), size, int(os.environ.get("LOCAL_RANK", "0")))
    finally:
        dist.destroy_process_group()
