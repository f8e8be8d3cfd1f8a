"""Dice plus cross-entropy, of independent labels (sigmoid) or of labels that exclude each other (softmax)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from medseg.card import ModelCard
from torch import Tensor, nn

from ..config import Loss


class DiceCrossEntropy(nn.Module):
    """alpha · (1 − soft Dice) + (1 − alpha) · cross-entropy.

    Dice is V-Net's (Milletari et al. 2016, doi:10.1109/3DV.2016.79) without the squares, over all pixels of the batch
    together, so that a crop without the label does not swing it; the mean over labels leaves the background out.

    Parameters
    ----------
    labels : number of labels, background not counted.
    exclusive : softmax over background and labels; else a sigmoid for each label.
    alpha, smooth, label_weights : as in `medseg_training.config.Loss`.
    """

    def __init__(
        self,
        labels: int,
        *,
        exclusive: bool,
        alpha: float = 0.5,
        smooth: float = 1.0,
        label_weights: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        self.exclusive, self.alpha, self.smooth = exclusive, alpha, smooth
        weights = torch.tensor(label_weights if label_weights is not None else [1.0] * labels)
        self.weights: Tensor
        self.register_buffer("weights", weights / weights.mean())

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """``logits`` (B, L or L + 1, H, W); ``target`` (B, H, W) int64, 0 background, n the n-th label. A scalar."""
        logits = logits.float()
        labels = len(self.weights)
        if self.exclusive:
            every = torch.cat([self.weights.new_ones(1), self.weights])
            entropy = F.cross_entropy(logits, target, weight=every)
            probabilities = logits.softmax(1)[:, 1:]
        else:
            entropy = torch.zeros(())
            probabilities = logits.sigmoid()
        wanted = torch.stack([target == n for n in range(1, labels + 1)], 1).to(logits.dtype)
        if not self.exclusive:
            each = F.binary_cross_entropy_with_logits(logits, wanted, reduction="none").mean((0, 2, 3))
            entropy = (each * self.weights).mean()
        both = (probabilities * wanted).sum((0, 2, 3))
        sizes = probabilities.sum((0, 2, 3)) + wanted.sum((0, 2, 3))
        dice = 1 - (2 * both + self.smooth) / (sizes + self.smooth)
        return self.alpha * (dice * self.weights).mean() + (1 - self.alpha) * entropy


def build_loss(settings: Loss, card: ModelCard) -> DiceCrossEntropy:
    """The loss that fits the card's activation."""
    return DiceCrossEntropy(
        len(card.output.labels),
        exclusive=card.output.activation == "softmax",
        alpha=settings.alpha,
        smooth=settings.smooth,
        label_weights=settings.label_weights,
    )
