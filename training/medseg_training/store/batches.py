"""What the steps of an epoch are fed, wherever the slices lie. All ways give the same batches, bit for bit.

The epoch's plan (which slices, which centres) is drawn on the host before its first step, so nothing is asked back from
the device, and a streaming source knows what will be wanted next.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import torch
from medseg.card import Channel
from torch import Tensor

from .slices import SliceStore, with_labels

#: Batches that are on their way while one is used.
AHEAD = 2


@dataclass(frozen=True, eq=False)
class Plan:
    """What an epoch shows: slices (S, B) int64 and centres of the crops (S, B, 2) int64 (row, column), on the host."""

    indices: Tensor
    centres: Tensor


@dataclass(frozen=True, eq=False)
class Batch:
    """On the device: images (B, C, H, W) float32, planes (B, 1 + P, H, W), labels first, centres (B, 2) int64."""

    images: Tensor
    planes: Tensor
    centres: Tensor


class Batches(Protocol):
    """A source of batches."""

    def epoch(self, plan: Plan, start: int = 0) -> contextlib.AbstractContextManager[Iterator[Batch]]:
        """The batches of ``plan`` from step ``start`` on."""
        ...


def open_batches(store: SliceStore, channels: Sequence[Channel], device: torch.device, *, resident: bool) -> Batches:
    """``resident``: the slices go to the device once; else each batch is sent there."""
    return Resident(store, channels, device) if resident else Streamed(store, channels, device)


class Resident:
    """Slices on the device, drawn by index there."""

    def __init__(self, store: SliceStore, channels: Sequence[Channel], device: torch.device) -> None:
        self.store, self.channels, self.device = store, channels, device
        self.images = store.images.flatten(0, 1).to(device)
        self.labels, self.planes = store.labels.to(device), store.planes.to(device)

    @contextlib.contextmanager
    def epoch(self, plan: Plan, start: int = 0) -> Iterator[Iterator[Batch]]:
        rows = self.store.rows(plan.indices, self.channels).to(self.device)
        indices, centres = plan.indices.to(self.device), plan.centres.to(self.device)
        yield (
            Batch(
                self.images[rows[step]].float(),
                with_labels(self.labels[indices[step]], self.planes[indices[step]]),
                centres[step],
            )
            for step in range(start, len(indices))
        )


class _Slot:
    """Memory for one batch on its way: pinned where a CUDA device copies from it while the host goes on."""

    def __init__(self, store: SliceStore, batch: int, channels: int, pinned: bool) -> None:
        frame = store.shape
        self.images = torch.empty((batch, channels, *frame), dtype=torch.float16, pin_memory=pinned)
        self.labels = torch.empty((batch, *frame), dtype=torch.uint8, pin_memory=pinned)
        self.planes = torch.empty((batch, store.planes.shape[1], *frame), dtype=torch.float16, pin_memory=pinned)
        self.copied: torch.cuda.Event | None = None

    @property
    def tensors(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.images, self.labels, self.planes


class Streamed:
    """Slices on the host, in memory or in a mapped file. A thread gathers the batches that come next into pinned
    memory and starts their copies on a stream of its own; the step waits for the copy on the device, not on the host.
    """

    def __init__(self, store: SliceStore, channels: Sequence[Channel], device: torch.device) -> None:
        self.store, self.channels, self.device = store, channels, device
        self._source = store.images.flatten(0, 1)
        self._cuda = device.type == "cuda"
        self._stream = torch.cuda.Stream(device) if self._cuda else None
        self._slots: list[_Slot] = []

    @contextlib.contextmanager
    def epoch(self, plan: Plan, start: int = 0) -> Iterator[Iterator[Batch]]:
        rows = self.store.rows(plan.indices, self.channels)
        centres = plan.centres.to(self.device)
        self._make_slots(rows.shape[1], rows.shape[2])
        with ThreadPoolExecutor(1, thread_name_prefix="slices") as pool:
            waiting: deque[Future[tuple[tuple[Tensor, Tensor, Tensor], _Slot]]] = deque()

            def batches() -> Iterator[Batch]:
                for step in range(start, len(rows)):
                    while len(waiting) <= AHEAD and step + len(waiting) < len(rows):
                        ahead = step + len(waiting)
                        slot = self._slots[ahead % len(self._slots)]
                        waiting.append(pool.submit(self._fetch, rows[ahead], plan.indices[ahead], slot))
                    yield self._take(*waiting.popleft().result(), centres[step])

            try:
                yield batches()
            finally:
                for left in waiting:
                    left.cancel()

    def _make_slots(self, batch: int, channels: int) -> None:
        if not self._slots or self._slots[0].images.shape[:2] != (batch, channels):
            # One more than are on their way: a copy to the device may still read from the last one.
            self._slots = [_Slot(self.store, batch, channels, self._cuda) for _ in range(AHEAD + 2)]

    def _fetch(self, rows: Tensor, indices: Tensor, slot: _Slot) -> tuple[tuple[Tensor, Tensor, Tensor], _Slot]:
        """In the thread: gather into the slot, and start the copy."""
        if slot.copied is not None:
            slot.copied.synchronize()  # this thread waits, not the one that trains
        torch.index_select(self._source, 0, rows.flatten(), out=slot.images.flatten(0, 1))
        torch.index_select(self.store.labels, 0, indices, out=slot.labels)
        if slot.planes.shape[1]:
            torch.index_select(self.store.planes, 0, indices, out=slot.planes)
        if self._stream is None:
            return slot.tensors, slot
        with torch.cuda.stream(self._stream):
            images, labels, planes = (t.to(self.device, non_blocking=True) for t in slot.tensors)
            slot.copied = torch.cuda.Event()
            slot.copied.record(self._stream)
        return (images, labels, planes), slot

    def _take(self, tensors: tuple[Tensor, Tensor, Tensor], slot: _Slot, centres: Tensor) -> Batch:
        """In the training thread: make the device wait for the copy, and hand the memory over to its stream."""
        if self._cuda:
            assert slot.copied is not None
            here = torch.cuda.current_stream(self.device)
            here.wait_event(slot.copied)
            for tensor in tensors:
                tensor.record_stream(here)
            images, labels, planes = tensors
        else:
            # The slot is filled anew while the step still reads what it was given.
            images, labels, planes = (t.to(self.device, copy=True) for t in tensors)
        return Batch(images.float(), with_labels(labels, planes), centres)
