"""The training set in memory: prepared slices as the engine prepares them, drawn by index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import torch
from medseg.card import Channel, ModelCard
from medseg.preprocess import SlicePreparer
from torch import Tensor

from .cases import LoadedCase

#: Positions kept per case and label for drawing crops: enough never to repeat, little enough to hold in memory.
POSITIONS = 20_000


@dataclass(frozen=True, eq=False)
class SliceStore:
    """Every slice of every case, centre channel only: neighbours are found by index, so nothing is stored twice.

    Attributes
    ----------
    images : (N, H, W) float16, prepared and normalised.
    labels : (N, H, W) uint8; 0 is background, n + 1 the card's n-th label.
    first, last : (N,) int64, index of the first and last slice of the slice's case: context stops there.
    positions : for each label, (M, 3) int32 of (slice, row, column) that hold it.
    bright : the same of unlabelled voxels brighter than the darkest tenth of the case's labelled ones.
    """

    images: Tensor
    labels: Tensor
    first: Tensor
    last: Tensor
    positions: tuple[Tensor, ...]
    bright: Tensor

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) of the stored slices."""
        return int(self.images.shape[1]), int(self.images.shape[2])

    def gather(self, indices: Tensor, offsets: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Slices with their neighbours: (B, len(offsets), H, W) float32 and (B, H, W) uint8.

        Beyond the ends of a case its last slice is repeated, as `SlicePreparer.prepare` does.
        """
        around = indices[:, None] + torch.as_tensor(list(offsets))[None]
        around = torch.minimum(torch.maximum(around, self.first[indices][:, None]), self.last[indices][:, None])
        return self.images[around].float(), self.labels[indices]


def build_store(cases: Sequence[LoadedCase], card: ModelCard, seed: int) -> SliceStore:
    """Prepare every case for ``card`` (one input volume).

    Slices of different sizes are padded about the centre to the largest, with the case's lowest value and label 0.
    """
    single = replace(card, input=replace(card.input, channels=(Channel(0, 0),), context=0))
    images, labels, first, last = [], [], [], []
    total = 0
    for loaded in cases:
        preparer = SlicePreparer([loaded.image], single)
        images.append(np.stack([preparer.prepare(n)[0] for n in range(preparer.count)]).astype(np.float16))
        values = np.stack([preparer.prepare_labels(loaded.labels, n) for n in range(preparer.count)])
        numbered = np.zeros(values.shape, dtype=np.uint8)
        for number, label in enumerate(card.output.labels, start=1):
            numbered[values == label.value] = number
        labels.append(numbered)
        first += [total] * preparer.count
        total += preparer.count
        last += [total - 1] * preparer.count
    height, width = (max(part.shape[axis] for part in images) for axis in (1, 2))
    starts = np.cumsum([0, *(len(part) for part in labels)])
    image_array = _stack(images, height, width, lowest=True)
    label_array = _stack(labels, height, width, lowest=False)
    rng = np.random.default_rng(seed)
    numbers = range(1, len(card.output.labels) + 1)
    positions = tuple(_positions(label_array == number, starts, rng) for number in numbers)
    bright = _positions(_bright(image_array, label_array, starts), starts, rng)
    return SliceStore(
        torch.from_numpy(image_array),
        torch.from_numpy(label_array),
        torch.tensor(first),
        torch.tensor(last),
        positions,
        bright,
    )


def _bright(images: np.ndarray, labels: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Unlabelled voxels brighter than the darkest tenth of the labelled ones of the same case; bool, as ``labels``."""
    found = np.zeros(labels.shape, dtype=bool)
    for start, stop in pairwise(starts):
        labelled = labels[start:stop] > 0
        if labelled.any():
            found[start:stop] = ~labelled & (images[start:stop] > np.percentile(images[start:stop][labelled], 10))
    return found


def _stack(parts: list[np.ndarray], height: int, width: int, *, lowest: bool) -> np.ndarray:
    """Concatenate (K, h, w) parts to (N, height, width), emptying ``parts`` so that memory is not held twice."""
    whole = np.zeros((sum(len(p) for p in parts), height, width), dtype=parts[0].dtype)
    at = 0
    while parts:
        part = parts.pop(0)
        top, left = (height - part.shape[1]) // 2, (width - part.shape[2]) // 2
        here = whole[at : at + len(part)]
        if lowest:
            here[:] = part.min()
        here[:, top : top + part.shape[1], left : left + part.shape[2]] = part
        at += len(part)
    return whole


def _positions(mask: np.ndarray, starts: np.ndarray, rng: np.random.Generator) -> Tensor:
    """Where ``mask`` is true; `POSITIONS` of each case, so that one with a large structure is not drawn more often."""
    found = []
    for start, stop in pairwise(starts):
        flat = np.flatnonzero(mask[start:stop])
        if len(flat) == 0:
            continue
        flat = rng.choice(flat, POSITIONS, replace=len(flat) < POSITIONS)
        where = np.stack(np.unravel_index(flat, mask[start:stop].shape), axis=1).astype(np.int32)
        where[:, 0] += start
        found.append(where)
    return torch.from_numpy(np.concatenate(found)) if found else torch.zeros((0, 3), dtype=torch.int32)
