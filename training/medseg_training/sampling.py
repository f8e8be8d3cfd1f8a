"""Which slices and which part of them make the batches of an epoch."""

from __future__ import annotations

import torch
from torch import Tensor

from .config import Sampling
from .store.batches import Plan
from .store.slices import SliceStore


class Sampler:
    """Draws crops: ``foreground_share`` of them around a voxel of a label, ``bright_share`` around one that only looks
    like it, the rest anywhere.

    Crops lie inside the slice; their centre is on whole pixels, so that a crop that is not warped is an exact copy.

    Parameters
    ----------
    store : what there is to draw from.
    sampling : the settings.
    batch_size : instead of ``sampling.batch_size``, where several processes share a batch.
    """

    def __init__(self, store: SliceStore, sampling: Sampling, batch_size: int | None = None) -> None:
        self.store, self.settings = store, sampling
        self.batch_size = batch_size or sampling.batch_size
        self.crop = sampling.crop or store.shape
        present = [len(p) > 0 for p in store.positions]
        odds = sampling.label_odds or [1.0] * len(present)
        self._odds = torch.tensor([o if there else 0.0 for o, there in zip(odds, present, strict=True)])

    def plan(self, steps: int, generator: torch.Generator) -> Plan:
        """``steps`` batches at once, on the host."""
        size = self.batch_size
        indices = torch.randint(len(self.store), (steps, size), generator=generator)
        # Anywhere in the slice itself, not in what pads it to the common frame.
        extents = self.store.extents[indices]
        middle = extents[..., :2] + _below(extents[..., 2:], generator)
        # The first ones of the batch, not a coin for each: every batch then has foreground for the Dice term.
        labelled = round(size * self.settings.foreground_share) if bool(self._odds.any()) else 0
        bright = round(size * self.settings.bright_share) if len(self.store.bright) > 0 else 0
        bright = min(bright, size - labelled)
        parts = []
        if labelled:
            parts.append(self._labelled(steps * labelled, generator).reshape(steps, labelled, 3))
        if bright:
            parts.append(_pick(self.store.bright, steps * bright, generator).reshape(steps, bright, 3))
        if parts:
            where = torch.cat(parts, dim=1).long()
            chosen = where.shape[1]
            indices[:, :chosen] = where[..., 0]
            # Anywhere in the inner half of the crop, or the network learns that the middle is foreground.
            quarter = torch.tensor(self.crop) // 4
            jitter = _below((2 * quarter + 1).expand(steps, chosen, 2), generator) - quarter
            middle[:, :chosen] = where[..., 1:] + jitter
        return Plan(indices, _inside(middle, self.store.extents[indices], torch.tensor(self.crop)))

    def _labelled(self, count: int, generator: torch.Generator) -> Tensor:
        """(count, 3) places of labels, each label as often as its odds say."""
        which = torch.multinomial(self._odds, count, replacement=True, generator=generator)
        places = torch.empty((count, 3), dtype=torch.int32)
        for label, positions in enumerate(self.store.positions):
            if len(positions) > 0:
                places = torch.where((which == label)[:, None], _pick(positions, count, generator), places)
        return places


def _pick(positions: Tensor, count: int, generator: torch.Generator) -> Tensor:
    return positions[torch.randint(len(positions), (count,), generator=generator)]


def _below(limits: Tensor, generator: torch.Generator) -> Tensor:
    """Whole numbers from 0 to below each limit; 2**62 is so much larger than a slice that the remainder is even."""
    return torch.randint(2**62, limits.shape, generator=generator) % limits


def _inside(centres: Tensor, extents: Tensor, crop: Tensor) -> Tensor:
    """Centres moved so that the crop lies inside its slice; the slice's own middle where the crop is larger."""
    corner, size = extents[..., :2], extents[..., 2:]
    low, high = corner + crop // 2, corner + size - (crop - crop // 2)
    inside = torch.minimum(torch.maximum(centres, low), high)
    return torch.where(high < low, corner + size // 2, inside)
