"""Known answers of each term, MONAI as the oracle where it is right, and a gradient on one channel."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from medseg_training.losses import Loss, Objective, make_planes, planes_needed
from medseg_training.losses.planes import border_weight, signed_distance, thick_skeleton
from medseg_training.losses.settings import BorderCrossEntropy
from medseg_training.losses.terms import soft_skeleton

EVERY_TERM = ["dice", "cross_entropy", "tversky", "focal", "centreline_dice", "skeleton_recall", "boundary",
              "border_cross_entropy"]  # fmt: skip


def _loss(labels: int = 1, *, exclusive: bool = False, **settings: Any) -> Objective:
    return Objective(Loss.model_validate(settings), labels, exclusive=exclusive)


def _only(name: str, labels: int = 1, *, exclusive: bool = False, smooth: float = 1.0, **term: Any) -> Objective:
    return _loss(labels, exclusive=exclusive, terms={name: term}, smooth=smooth)


def _planes(objective: Objective, target: torch.Tensor) -> torch.Tensor:
    labels = len(objective.weights)
    return torch.stack(
        [torch.from_numpy(make_planes(objective.settings, one.numpy().astype(np.uint8), labels)) for one in target]
    )


def _strip() -> torch.Tensor:
    """A duct three pixels wide on 24 × 24."""
    target = torch.zeros(2, 24, 24, dtype=torch.int64)
    target[:, 10:13, 4:20] = 1
    return target


def test_undecided_on_half_foreground_is_known() -> None:
    """Probability 1/2 everywhere, half of 16 pixels foreground: Dice = 2·4/(8+8), cross-entropy = log 2."""
    target = torch.zeros(1, 4, 4, dtype=torch.int64)
    target[:, :2] = 1
    loss = _loss(alpha=0.25, smooth=1e-12)(torch.zeros(1, 1, 4, 4), target)
    assert float(loss) == pytest.approx(0.25 * 0.5 + 0.75 * math.log(2), rel=1e-6)


def test_undecided_softmax_is_known() -> None:
    """Three labels and background at 1/4 each: cross-entropy log 4; a label on 4 of 16 pixels has Dice 2·1/(4+4)."""
    target = torch.arange(4).repeat_interleave(4).reshape(1, 4, 4)
    loss = _loss(3, exclusive=True, alpha=0.5, smooth=1e-12)(torch.zeros(1, 4, 4, 4), target)
    assert float(loss) == pytest.approx(0.5 * 0.75 + 0.5 * math.log(4), rel=1e-6)


@pytest.mark.parametrize("exclusive", [False, True])
@pytest.mark.parametrize("name", EVERY_TERM)
def test_certain_and_right_is_least_and_wrong_costs_more(name: str, exclusive: bool) -> None:
    target = _strip()
    sure = (target * 2.0 - 1)[:, None] * 30
    logits = torch.cat([-sure, sure], 1) if exclusive else sure
    loss = _only(name, exclusive=exclusive)
    planes = _planes(loss, target)
    right, doubtful, wrong = (float(loss(x, target, planes)) for x in (logits, logits * 0, -logits))
    assert right < doubtful < wrong
    if name != "boundary":  # whose least value is negative
        assert right == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("exclusive", [False, True])
@pytest.mark.parametrize("name", EVERY_TERM)
@pytest.mark.parametrize("foreground", [False, True])
def test_every_term_has_a_gradient_on_one_channel(name: str, exclusive: bool, foreground: bool) -> None:
    """Also where the label is absent; only recall has nothing to say there."""
    target = _strip() if foreground else _strip() * 0
    generator = torch.Generator().manual_seed(0)
    logits = (torch.randn(2, 2 if exclusive else 1, 24, 24, generator=generator)).requires_grad_()
    loss = _only(name, exclusive=exclusive)
    loss(logits, target, _planes(loss, target)).backward()
    assert logits.grad is not None and bool(torch.isfinite(logits.grad).all())
    if name == "skeleton_recall" and not foreground:
        assert float(logits.grad.abs().max()) == 0  # nothing to recall
    else:
        assert float(logits.grad.abs().max()) > 0


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("foreground", [0, 5])
def test_dice_and_cross_entropy_reach_every_pixel(alpha: float, foreground: int) -> None:
    logits = torch.zeros(2, 1, 8, 8, requires_grad=True)
    target = torch.zeros(2, 8, 8, dtype=torch.int64)
    target[0, 0, :foreground] = 1
    _loss(alpha=alpha)(logits, target).backward()
    assert logits.grad is not None and bool((logits.grad != 0).all())


def test_dice_tversky_and_focal_agree_with_monai() -> None:
    monai = pytest.importorskip("monai.losses")
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(3, 4, 16, 16, generator=generator)
    target = torch.randint(0, 4, (3, 16, 16), generator=generator)
    common = {"softmax": True, "to_onehot_y": True, "include_background": False, "batch": True, "smooth_nr": 1.0,
              "smooth_dr": 1.0}  # fmt: skip
    oracle = float(monai.DiceLoss(**common)(logits, target[:, None]))
    assert float(_only("dice", 3, exclusive=True)(logits, target)) == pytest.approx(oracle, rel=1e-5)
    oracle = float(monai.TverskyLoss(alpha=0.2, beta=0.8, **common)(logits, target[:, None]))
    ours = _only("tversky", 3, exclusive=True, false_positives=0.2, false_negatives=0.8)
    assert float(ours(logits, target)) == pytest.approx(oracle, rel=1e-5)
    binary = (target > 0).long()
    oracle = float(monai.FocalLoss(gamma=2.0)(logits[:, :1], binary[:, None]))
    assert float(_only("focal")(logits[:, :1], binary)) == pytest.approx(oracle, rel=1e-5)
    oracle = float(torch.nn.functional.cross_entropy(logits, target))
    assert float(_only("cross_entropy", 3, exclusive=True)(logits, target)) == pytest.approx(oracle, rel=1e-6)
    assert float(_only("focal", 3, exclusive=True, gamma=0)(logits, target)) == pytest.approx(oracle, rel=1e-5)


def test_soft_centreline_dice_agrees_with_monai_on_two_channels() -> None:
    """On one channel MONAI up to 1.5.2 gives 0 whatever comes, which is why it is not used."""
    monai = pytest.importorskip("monai.losses.cldice")
    generator = torch.Generator().manual_seed(2)
    probabilities = torch.rand(2, 1, 20, 20, generator=generator)
    assert torch.allclose(soft_skeleton(probabilities, 3), monai.soft_skel(probabilities, 3), atol=1e-6)


def test_soft_skeleton_of_a_strip_is_its_middle_line() -> None:
    strip = (_strip()[:1] > 0).float()[:, None]
    line = soft_skeleton(strip, 5)[0, 0]
    assert bool((line[11, 6:18] == 1).all()) and float(line[10].sum() + line[12].sum()) == 0
    assert 13 <= float(line.sum()) <= 16


def test_a_gap_costs_the_centreline_terms_more_than_a_thinner_duct() -> None:
    """Two wrong predictions that miss equally many pixels: clDice and Skeleton Recall mind the gap, Dice does not."""
    target = _strip()
    gap, thin = target.clone(), target.clone()
    gap[:, :, 8:12] = 0  # 12 pixels
    thin[:, 10, 6:18] = 0  # 12 pixels

    def cost(name: str, predicted: torch.Tensor) -> float:
        loss = _only(name, **({"radius": 0} if name == "skeleton_recall" else {}))
        return float(loss((predicted * 2.0 - 1)[:, None] * 30, target, _planes(loss, target)))

    assert cost("dice", gap) == pytest.approx(cost("dice", thin), rel=1e-4)
    assert cost("centreline_dice", gap) > cost("centreline_dice", thin) + 0.05
    assert cost("skeleton_recall", gap) > 0.2 > 0.01 > cost("skeleton_recall", thin)


def test_skeleton_recall_is_the_share_found() -> None:
    target = _strip()
    loss = _only("skeleton_recall", radius=0, smooth=1e-9)
    planes = _planes(loss, target)
    on_line = planes[:, 0] > 0
    assert bool((target[on_line] == 1).all()) and 12 <= int(on_line[0].sum()) <= 16
    predicted = torch.full((2, 1, 24, 24), -30.0)
    predicted[0, 0][on_line[0]] = 30
    assert float(loss(predicted, target, planes)) == pytest.approx(0.5, abs=1e-4)
    assert float(_only("skeleton_recall", radius=1, smooth=1e-9)(
        predicted, target, _planes(_only("skeleton_recall", radius=1), target))) > 0.6  # fmt: skip


def test_thick_skeleton_stays_inside_its_label() -> None:
    labels = np.zeros((20, 20), np.uint8)
    labels[4:7, 2:18], labels[7:16, 9:12] = 1, 2
    thick = thick_skeleton(labels, 3)
    assert set(np.unique(thick)) == {0, 1, 2} and bool((thick[thick > 0] == labels[thick > 0]).all())
    assert (thick > 0).sum() > (thick_skeleton(labels, 0) > 0).sum()


def test_signed_distance_counts_from_the_border() -> None:
    mask = np.zeros((9, 9), bool)
    mask[:, :4] = True
    assert signed_distance(mask, 3.0)[0].tolist() == [-3.0, -2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 3.0, 3.0]
    assert bool((signed_distance(mask & False, 3.0) == 3).all())


def test_boundary_is_the_mean_of_probability_times_distance() -> None:
    target = _strip()
    loss = _only("boundary", limit=5.0)
    planes = _planes(loss, target)
    logits = torch.randn(2, 1, 24, 24, generator=torch.Generator().manual_seed(0))
    distance = torch.from_numpy(np.stack([signed_distance(one.numpy() > 0, 5.0) for one in target]))
    wanted = float((logits.sigmoid()[:, 0] * distance).mean()) / 5
    assert float(loss(logits, target, planes)) == pytest.approx(wanted, abs=0.003)  # stored in steps of 0.04 pixels


def test_border_weight_is_the_formula_of_the_unet_paper() -> None:
    """Two squares 4 pixels apart: between them d1 + d2 = 5 (to the nearest pixels of both)."""
    labels = np.zeros((40, 60), np.uint8)
    labels[10:30, 5:25], labels[10:30, 29:50] = 1, 1
    weight = border_weight(labels, BorderCrossEntropy(w0=10, sigma=5))
    assert weight[20, 25:29].tolist() == pytest.approx([10 * math.exp(-25 / 50)] * 4, rel=1e-5)
    assert bool((weight[labels > 0] == 0).all()) and weight[2, 2] < 0.1
    # The full computation, every distance everywhere.
    from scipy import ndimage

    parts, count = ndimage.label(labels)
    away = np.sort(np.stack([ndimage.distance_transform_edt(parts != n + 1) for n in range(count)]), 0)
    full = 10 * np.exp(-((away[0] + away[1]) ** 2) / 50) * (labels == 0)
    assert np.abs(weight - full).max() < 0.01
    # Membranes: the walls are the label, what they part are the objects.
    walls = border_weight(1 - labels.astype(np.uint8).clip(0, 1), BorderCrossEntropy(objects="background"))
    assert np.allclose(walls, weight)


def test_border_cross_entropy_weighs_the_wall() -> None:
    labels = torch.zeros(1, 40, 60, dtype=torch.int64)
    labels[:, 10:30, 5:25] = labels[:, 10:30, 29:50] = 1
    loss = _only("border_cross_entropy", balance=False)
    planes = _planes(loss, labels)
    weight = border_weight(labels[0].numpy().astype(np.uint8), BorderCrossEntropy())
    entropy = math.log(2) * (1 + float(weight.mean()))
    assert float(loss(torch.zeros(1, 1, 40, 60), labels, planes)) == pytest.approx(entropy, rel=2e-3)
    balanced = _only("border_cross_entropy", w0=0)
    half = float(balanced(torch.zeros(1, 1, 40, 60), labels, planes * 0))
    assert half == pytest.approx(math.log(2), rel=1e-4)  # both kinds count one half


def test_terms_add_up_with_their_weights_and_share_out_the_planes() -> None:
    target = torch.randint(0, 3, (2, 24, 24), generator=torch.Generator().manual_seed(1))
    logits = torch.randn(2, 2, 24, 24, generator=torch.Generator().manual_seed(2))
    weights = dict(zip(EVERY_TERM, [0.5, 1.0, 2.0, 0.1, 0.3, 0.7, 1.5, 0.2], strict=True))
    whole = _loss(2, terms={name: {"weight": weight} for name, weight in weights.items()})
    assert whole.planes == planes_needed(whole.settings, 2) == 4
    total = 0.0
    for name, weight in weights.items():
        part = _only(name, 2)
        total += weight * float(part(logits, target, _planes(part, target)))
    assert float(whole(logits, target, _planes(whole, target))) == pytest.approx(total, rel=1e-5)


def test_a_term_without_its_planes_says_so() -> None:
    with pytest.raises(ValueError, match="skeleton_recall"):
        _only("skeleton_recall")(torch.zeros(1, 1, 8, 8), torch.zeros(1, 8, 8, dtype=torch.int64))


def test_a_label_of_weight_zero_is_not_learned() -> None:
    logits = torch.zeros(1, 2, 4, 4, requires_grad=True)
    target = torch.ones(1, 4, 4, dtype=torch.int64)
    _loss(2, label_weights=[1.0, 0.0])(logits, target).backward()
    assert logits.grad is not None and float(logits.grad[:, 1].abs().max()) == 0 < float(logits.grad[:, 0].abs().max())
