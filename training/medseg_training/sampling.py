"""Which slices and which part of them make a batch."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .config import Sampling
from .store import SliceStore


@dataclass(frozen=True, eq=False)
class Draw:
    """What a batch is to show: slice indices (B,), and the centre of each crop as (row, column) in pixels, (B, 2)."""

    indices: Tensor
    centres: Tensor


class Sampler:
    """Draws crops: ``foreground_share`` of them around a voxel of a label, ``bright_share`` around one that only looks
    like it, the rest anywhere.

    Crops lie inside the slice; their centre is on whole pixels, so that a crop that is not warped is an exact copy.
    """

    def __init__(self, store: SliceStore, sampling: Sampling) -> None:
        self.store = store
        self.settings = sampling
        self.crop = sampling.crop or store.shape
        present = [len(p) > 0 for p in store.positions]
        odds = sampling.label_odds or [1.0] * len(present)
        self._odds = torch.tensor([o if there else 0.0 for o, there in zip(odds, present, strict=True)])

    def draw(self, generator: torch.Generator) -> Draw:
        """A batch's worth."""
        size = self.settings.batch_size
        height, width = self.store.shape
        indices = torch.randint(len(self.store.images), (size,), generator=generator)
        rows = torch.randint(height, (size,), generator=generator)
        columns = torch.randint(width, (size,), generator=generator)
        # The first ones of the batch, not a coin for each: every batch then has foreground for the Dice term.
        labelled = round(size * self.settings.foreground_share) if float(self._odds.sum()) > 0 else 0
        bright = round(size * self.settings.bright_share) if len(self.store.bright) > 0 else 0
        for n in range(min(size, labelled + bright)):
            positions = self.store.bright
            if n < labelled:
                positions = self.store.positions[int(torch.multinomial(self._odds, 1, generator=generator))]
            where = positions[int(torch.randint(len(positions), (1,), generator=generator))]
            indices[n] = where[0]
            # Anywhere in the inner half of the crop, or the network learns that the middle is foreground.
            for axis, centre in enumerate((rows, columns)):
                quarter = self.crop[axis] // 4
                jitter = int(torch.randint(-quarter, quarter + 1, (1,), generator=generator))
                centre[n] = where[axis + 1] + jitter
        centres = torch.stack([_inside(rows, self.crop[0], height), _inside(columns, self.crop[1], width)], dim=1)
        return Draw(indices, centres)


def _inside(centre: Tensor, crop: int, size: int) -> Tensor:
    """Centres moved so that the crop lies inside; the slice's own centre where the crop is larger."""
    low, high = crop // 2, size - (crop - crop // 2)
    return torch.full_like(centre, size // 2) if high < low else centre.clamp(low, high)
