"""Known answers of the loss, MONAI as oracle, and a gradient on one channel."""

from __future__ import annotations

import math

import pytest
import torch
from medseg_training.losses import DiceCrossEntropy


def test_undecided_on_half_foreground_is_known() -> None:
    """Probability 1/2 everywhere, half of 16 pixels foreground: Dice = 2·4/(8+8), cross-entropy = log 2."""
    target = torch.zeros(1, 4, 4, dtype=torch.int64)
    target[:, :2] = 1
    loss = DiceCrossEntropy(1, exclusive=False, alpha=0.25, smooth=1e-12)(torch.zeros(1, 1, 4, 4), target)
    assert float(loss) == pytest.approx(0.25 * 0.5 + 0.75 * math.log(2), rel=1e-6)


def test_undecided_softmax_is_known() -> None:
    """Three labels and background at 1/4 each: cross-entropy log 4; a label on 4 of 16 pixels has Dice 2·1/(4+4)."""
    target = torch.arange(4).repeat_interleave(4).reshape(1, 4, 4)
    loss = DiceCrossEntropy(3, exclusive=True, alpha=0.5, smooth=1e-12)(torch.zeros(1, 4, 4, 4), target)
    assert float(loss) == pytest.approx(0.5 * 0.75 + 0.5 * math.log(4), rel=1e-6)


@pytest.mark.parametrize("exclusive", [False, True])
def test_certain_and_right_costs_nothing_and_wrong_costs_much(exclusive: bool) -> None:
    target = torch.randint(0, 2, (2, 8, 8), generator=torch.Generator().manual_seed(0))
    sure = (target * 2.0 - 1)[:, None] * 40
    logits = torch.cat([-sure, sure], 1) if exclusive else sure
    loss = DiceCrossEntropy(1, exclusive=exclusive)
    assert float(loss(logits, target)) == pytest.approx(0, abs=1e-3)
    assert float(loss(-logits, target)) > 10


def test_dice_term_agrees_with_monai() -> None:
    monai = pytest.importorskip("monai.losses")
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(3, 4, 16, 16, generator=generator)
    target = torch.randint(0, 4, (3, 16, 16), generator=generator)
    oracle = monai.DiceCELoss(
        softmax=True,
        to_onehot_y=True,
        include_background=False,
        batch=True,
        lambda_dice=0.5,
        lambda_ce=0.0,
        smooth_nr=1.0,
        smooth_dr=1.0,
    )(logits, target[:, None])
    ours = DiceCrossEntropy(3, exclusive=True, alpha=0.5)
    entropy = torch.nn.functional.cross_entropy(logits, target)
    assert float(ours(logits, target) - 0.5 * entropy) == pytest.approx(float(oracle), rel=1e-5)


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("foreground", [0, 5])
def test_one_channel_has_a_gradient_even_without_foreground(alpha: float, foreground: int) -> None:
    logits = torch.zeros(2, 1, 8, 8, requires_grad=True)
    target = torch.zeros(2, 8, 8, dtype=torch.int64)
    target[0, 0, :foreground] = 1
    DiceCrossEntropy(1, exclusive=False, alpha=alpha)(logits, target).backward()
    assert logits.grad is not None and bool((logits.grad != 0).all())


def test_a_label_of_weight_zero_is_not_learned() -> None:
    logits = torch.zeros(1, 2, 4, 4, requires_grad=True)
    target = torch.ones(1, 4, 4, dtype=torch.int64)
    DiceCrossEntropy(2, exclusive=False, label_weights=[1.0, 0.0])(logits, target).backward()
    assert logits.grad is not None and float(logits.grad[:, 1].abs().max()) == 0 < float(logits.grad[:, 0].abs().max())
