"""The terms of the loss, each a function of the same `Seen`.

All ratios are taken over all pixels of the batch together, so that a crop without a label does not swing them; the mean
over labels leaves the background out.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from . import settings as asked

_ALL = (0, 2, 3)


@dataclass(frozen=True, eq=False)
class Seen:
    """A batch as every term sees it.

    Attributes
    ----------
    logits : (B, L or L + 1, H, W) float32.
    target : (B, H, W) int64; 0 background, n the n-th label.
    probabilities, wanted : (B, L, H, W) float32, of the labels.
    weights : (L,) with mean 1.
    exclusive : softmax over background and labels; else a sigmoid for each label.
    smooth : pixels added to both parts of a ratio.
    """

    logits: Tensor
    target: Tensor
    probabilities: Tensor
    wanted: Tensor
    weights: Tensor
    exclusive: bool
    smooth: float

    def mean(self, each: Tensor) -> Tensor:
        """Weighted mean of (L,) over the labels."""
        return (each * self.weights).mean()

    def entropies(self) -> Tensor:
        """Cross-entropy of each pixel: (B, 1, H, W) for softmax, weighted by label; (B, L, H, W) for sigmoid, not."""
        if self.exclusive:
            every = torch.cat([self.weights.new_ones(1), self.weights])
            return F.cross_entropy(self.logits, self.target, weight=every, reduction="none")[:, None]
        return F.binary_cross_entropy_with_logits(self.logits, self.wanted, reduction="none")


def dice(seen: Seen, settings: asked.Dice) -> Tensor:
    both = (seen.probabilities * seen.wanted).sum(_ALL)
    sizes = seen.probabilities.sum(_ALL) + seen.wanted.sum(_ALL)
    return seen.mean(1 - (2 * both + seen.smooth) / (sizes + seen.smooth))


def cross_entropy(seen: Seen, settings: asked.CrossEntropy) -> Tensor:
    if seen.exclusive:
        every = torch.cat([seen.weights.new_ones(1), seen.weights])
        return F.cross_entropy(seen.logits, seen.target, weight=every)
    return seen.mean(seen.entropies().mean(_ALL))


def tversky(seen: Seen, settings: asked.Tversky) -> Tensor:
    both = (seen.probabilities * seen.wanted).sum(_ALL)
    too_many = (seen.probabilities * (1 - seen.wanted)).sum(_ALL)
    missed = ((1 - seen.probabilities) * seen.wanted).sum(_ALL)
    below = both + settings.false_positives * too_many + settings.false_negatives * missed
    index = (both + seen.smooth) / (below + seen.smooth)
    # A floor: the power below 1 has no slope to stand on at exactly 0.
    return seen.mean((1 - index).clamp_min(1e-7) ** settings.gamma)


def focal(seen: Seen, settings: asked.Focal) -> Tensor:
    entropy = seen.entropies()
    if seen.exclusive:
        right = seen.logits.log_softmax(1).gather(1, seen.target[:, None]).exp()
        return ((1 - right) ** settings.gamma * entropy).mean()
    right = torch.where(seen.wanted > 0, seen.probabilities, 1 - seen.probabilities)
    return seen.mean(((1 - right) ** settings.gamma * entropy).mean(_ALL))


def centreline_dice(seen: Seen, settings: asked.CentrelineDice) -> Tensor:
    mine = soft_skeleton(seen.probabilities, settings.iterations)
    theirs = soft_skeleton(seen.wanted, settings.iterations)
    precision = ((mine * seen.wanted).sum(_ALL) + seen.smooth) / (mine.sum(_ALL) + seen.smooth)
    recall = ((theirs * seen.probabilities).sum(_ALL) + seen.smooth) / (theirs.sum(_ALL) + seen.smooth)
    return seen.mean(1 - 2 * precision * recall / (precision + recall))


def soft_skeleton(masks: Tensor, iterations: int) -> Tensor:
    """Soft skeleton by repeated minimum and maximum pooling (Shit et al. 2021); (B, L, H, W) in and out, 0..1.

    What an opening removes at each size of erosion is line; it is gathered without being counted twice.
    """
    lines = F.relu(masks - _opened(masks))
    for _ in range(iterations):
        masks = _eroded(masks)
        more = F.relu(masks - _opened(masks))
        lines = lines + F.relu(more - lines * more)
    return lines


def skeleton_recall(seen: Seen, settings: asked.SkeletonRecall, skeleton: Tensor) -> Tensor:
    """``skeleton`` (B, 1, H, W) holds label numbers."""
    numbers = torch.arange(1, seen.wanted.shape[1] + 1, device=skeleton.device)[None, :, None, None]
    line = (skeleton == numbers).float()
    found = (seen.probabilities * line).sum(_ALL)
    return seen.mean(1 - (found + seen.smooth) / (line.sum(_ALL) + seen.smooth))


def boundary(seen: Seen, settings: asked.Boundary, distance: Tensor) -> Tensor:
    """``distance`` (B, L, H, W) pixels, negative inside; the mean is divided by the limit, so that it lies in −1..1."""
    return seen.mean((seen.probabilities * distance).mean(_ALL)) / settings.limit


def border_cross_entropy(seen: Seen, settings: asked.BorderCrossEntropy, border: Tensor) -> Tensor:
    """``border`` (B, 1, H, W): weight beyond 1."""
    weight = 1 + border
    if settings.balance:
        labelled = (seen.target > 0)[:, None].float()
        share = labelled.mean().clamp(0.01, 0.99)
        weight = border + torch.where(labelled > 0, 0.5 / share, 0.5 / (1 - share))
    entropy = seen.entropies() * weight
    return entropy.mean() if seen.exclusive else seen.mean(entropy.mean(_ALL))


def _eroded(masks: Tensor) -> Tensor:
    """Minimum over the cross of four neighbours."""
    rows = -F.max_pool2d(-masks, (3, 1), 1, (1, 0))
    columns = -F.max_pool2d(-masks, (1, 3), 1, (0, 1))
    return torch.minimum(rows, columns)


def _opened(masks: Tensor) -> Tensor:
    return F.max_pool2d(_eroded(masks), 3, 1, 1)
