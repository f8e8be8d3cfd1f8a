"""The loss of a training: a weighted sum of terms, of independent labels (sigmoid) or of exclusive ones (softmax)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from medseg.card import ModelCard
from torch import Tensor, nn

from . import terms
from .planes import planes_needed, planes_of, read_planes
from .settings import Loss


class Objective(nn.Module):
    """Sum of the terms of ``settings``.

    Parameters
    ----------
    settings : terms, weights of labels, smoothing.
    labels : number of labels, background not counted.
    exclusive : softmax over background and labels; else a sigmoid for each label.
    """

    def __init__(self, settings: Loss, labels: int, *, exclusive: bool) -> None:
        super().__init__()
        self.settings, self.exclusive = settings, exclusive
        self.planes = planes_needed(settings, labels)
        given: Sequence[float] = settings.label_weights or [1.0] * labels
        weights = torch.tensor(given, dtype=torch.float32)
        self.weights: Tensor
        self.register_buffer("weights", weights / weights.mean())

    def forward(self, logits: Tensor, target: Tensor, planes: Tensor | None = None) -> Tensor:
        """A scalar.

        Parameters
        ----------
        logits : (B, L or L + 1, H, W).
        target : (B, H, W) int64, 0 background, n the n-th label.
        planes : (B, P, H, W) of `make_planes`, P = ``self.planes``, warped as the target; not needed where P = 0.
        """
        logits = logits.float()
        labels = len(self.weights)
        probabilities = logits.softmax(1)[:, 1:] if self.exclusive else logits.sigmoid()
        wanted = torch.stack([target == n for n in range(1, labels + 1)], 1).to(logits.dtype)
        seen = terms.Seen(logits, target, probabilities, wanted, self.weights, self.exclusive, self.settings.smooth)
        total = logits.new_zeros(())
        at = 0
        for name, term in self.settings.all_terms.items():
            function, count = getattr(terms, name), planes_of(name, labels)
            if count == 0:
                value = function(seen, term)
            elif planes is None:
                raise ValueError(f"the loss term {name} reads planes that the batch does not have")
            else:
                value = function(seen, term, read_planes(term, planes[:, at : at + count]))
            total = total + term.weight * value
            at += count
        return total


def build_loss(settings: Loss, card: ModelCard) -> Objective:
    """The loss that fits the card's activation."""
    return Objective(settings, len(card.output.labels), exclusive=card.output.activation == "softmax")
