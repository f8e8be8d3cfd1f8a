"""Crops of the validation cases on which the loss of training is measured too.

Drawn once, in the same way and with the same shares as in training, and not augmented: so the two losses are of one
kind, and what lies between them is what the network does not know of new patients (and what augmentation makes harder).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sized
from typing import cast

import numpy as np
import torch
from medseg.card import ModelCard
from torch import Tensor

from .augment import Augmentation
from .augment.augmenter import Augmenter
from .config import Sampling
from .data import LoadedCase
from .losses import Loss
from .randomness import mix
from .sampling import Sampler
from .store import build_store

#: Apart from what `Randomness` draws from the same seed: a place with more numbers.
_PLACE = (0, 0, 0, 0, 5)


class ValidationCrops:
    """So many batches of crops, shared out evenly among the cases; one case at a time is in memory.

    Parameters
    ----------
    cases : at least one, with a length; they are read when the crops are first asked for.
    card, loss : how slices are prepared and which planes go with them.
    sampling, crop : as training draws.
    batches : how many of ``sampling.batch_size``.
    seed : of the drawing; the same one gives the same crops in every sitting.
    """

    def __init__(
        self,
        cases: Iterable[LoadedCase],
        card: ModelCard,
        loss: Loss,
        sampling: Sampling,
        crop: tuple[int, int],
        batches: int,
        seed: int,
    ) -> None:
        self.cases, self.card, self.settings, self.seed = cases, card, loss, seed
        self.sampling = sampling.model_copy(update={"crop": crop})
        self.batches = batches
        self._drawn: list[tuple[Tensor, Tensor]] = []

    def mean(self, loss_of: Callable[[Tensor, Tensor], Tensor], device: torch.device) -> float:
        """Mean of ``loss_of`` of images (B, C, h, w) and planes (B, 1 + P, h, w), float32, on ``device``."""
        if not self._drawn:
            self._drawn = self._draw()
        with torch.inference_mode():
            losses = [loss_of(images.float().to(device), planes.float().to(device)) for images, planes in self._drawn]
            return float(torch.stack(losses).double().mean())

    def _draw(self) -> list[tuple[Tensor, Tensor]]:
        generator = torch.Generator().manual_seed(mix(self.seed, *_PLACE))
        cut = Augmenter(Augmentation(), self.sampling.crop or (0, 0))
        size = self.sampling.batch_size
        count, wanted = len(cast(Sized, self.cases)), self.batches * size
        # Every case gives as many as any other, or one more.
        shares = np.full(count, wanted // count)
        shares[torch.randperm(count, generator=generator)[: wanted - int(shares.sum())].numpy()] += 1
        images, planes = [], []
        for case, share in zip(self.cases, shares.tolist(), strict=True):
            if not share:
                continue
            store = build_store([case], self.card, self.seed, self.settings)
            steps = -(-share // size)
            plan = Sampler(store, self.sampling).plan(steps, generator)
            # Some of whole batches: the shares of crops around labels are then right on average.
            some = torch.randperm(steps * size, generator=generator)[:share]
            indices, centres = plan.indices.flatten()[some], plan.centres.flatten(0, 1)[some]
            for index, centre in zip(indices.split(size), centres.split(size), strict=True):
                cropped, moved = cut(*store.gather(index, self.card.input.channels), centre, generator)
                images.append(cropped.half())
                planes.append(moved.half())
        mixed = torch.randperm(wanted, generator=generator)
        every, beside = torch.cat(images)[mixed], torch.cat(planes)[mixed]
        return list(zip(every.split(size), beside.split(size), strict=True))
