"""Slices through the network, in batches, with progress, cancelling and an answer to a full device."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np

from .errors import Cancelled, DeviceOutOfMemory, MedSegError
from .preprocess import Preparer
from .progress import Progress, ProgressCallback, Timings

#: Slices in one call of the network. On a CPU one is fastest (measured: 258 ms a slice at 1, 411 at 8).
BATCH_ON_CPU = 1
BATCH_ON_ACCELERATOR = 16

#: Shares of the whole run for the progress bar: almost all is the network.
_NETWORK_SHARE = 0.97


class Chosen(Protocol):
    """Where a model runs."""

    @property
    def device(self) -> str: ...


class Runner(Protocol):
    """What the loop needs of a model; `medseg.models.Model` is one. ``move_to_cpu`` says so in the model's warnings."""

    @property
    def choice(self) -> Chosen: ...

    def run(self, batch: np.ndarray) -> np.ndarray: ...

    def move_to_cpu(self) -> None: ...


def activate(raw: np.ndarray, activation: str) -> np.ndarray:
    """(B, K, H, W) raw output → probabilities, float32. ``activation``: sigmoid, softmax or none."""
    raw = np.asarray(raw, dtype=np.float32)
    if activation == "sigmoid":
        # exp of a large positive number overflows to infinity and the quotient to 0, which is the right limit.
        with np.errstate(over="ignore"):
            return 1.0 / (1.0 + np.exp(-raw))
    if activation == "softmax":
        # In place: fresh memory for each step costs more than the arithmetic.
        shifted = raw - raw.max(axis=1, keepdims=True)
        np.exp(shifted, out=shifted)
        shifted /= shifted.sum(axis=1, keepdims=True)
        return shifted
    return raw


def slice_probabilities(
    preparer: Preparer,
    model: Runner,
    activation: str,
    *,
    batch_size: int | None,
    timings: Timings,
    warnings: list[str],
    progress: ProgressCallback | None,
    cancelled: Callable[[], bool] | None,
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (slice index, (K, H, W) float32 probabilities on the network's grid) for ``preparer.indices`` in order.

    Out of device memory: the batch is halved, then the model moves to the CPU; ``warnings`` says so. Raises
    Cancelled as soon as ``cancelled()`` is true between two batches, MedSegError where the network returns NaN.
    """
    size = batch_size or (BATCH_ON_CPU if model.choice.device == "cpu" else BATCH_ON_ACCELERATOR)
    start, done, indices = time.perf_counter(), 0, preparer.indices
    while done < len(indices):
        if cancelled is not None and cancelled():
            raise Cancelled
        chunk = indices[done : done + size]
        with timings.stage("prepare"):
            batch = np.stack([preparer.prepare(i) for i in chunk])
        try:
            with timings.stage("network"):
                raw = model.run(batch)
        except DeviceOutOfMemory:
            size = _answer_full_device(model, size, warnings)
            continue
        with timings.stage("restore"):
            probabilities = activate(raw, activation)
            finite = np.isfinite(probabilities).all()
        if not finite:
            raise MedSegError(
                f"the network returned NaN or infinity on slice {chunk[0]}",
                mend="check the card's normalisation, or try another backend or device",
            )
        for offset, i in enumerate(chunk):
            yield i, probabilities[offset]
        done += len(chunk)
        if progress is not None:
            elapsed = time.perf_counter() - start
            left = elapsed / done * (len(indices) - done)
            progress(Progress("network", done, len(indices), _NETWORK_SHARE * done / len(indices), left))


def _answer_full_device(model: Runner, size: int, warnings: list[str]) -> int:
    if size > 1:
        smaller = size // 2
        warnings.append(f"the device ran out of memory with {size} slices at once; went on with {smaller}")
        return smaller
    if model.choice.device != "cpu":
        model.move_to_cpu()
        return BATCH_ON_CPU
    raise MedSegError("not enough memory for a single slice on the CPU", mend="close other programs")
