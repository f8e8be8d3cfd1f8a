"""What a lower precision costs: Dice and clDice of both models on the same cases.

With reference segmentations the loss is what the original scores more against them; without, it is what the smaller
model's masks lack of full agreement with the original's. In points: a hundredth of the metric's range.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import InputError
from ...metrics import cldice, dice
from ..model import Model
from .measured_cases import MeasuredCase, find_measured_cases

METRICS = {"dice": dice, "cldice": cldice}


def measure_loss(
    original: Model, written: Model, folder: str | Path, progress: Callable[[float], object] | None = None
) -> dict[str, Any]:
    """Segment every case below ``folder`` with both models and compare; JSON-ready.

    ``points`` holds the largest loss over the labels for ``dice`` and ``cldice``, each the mean over the cases in which
    the label occurs; ``labels`` has each label's; ``against`` says what was compared with; ``seconds_per_slice`` the
    time of the network on this machine. Raises InputError for cases that cannot be used or hold none of the labels.
    """
    from ...pipeline import segment

    cases = find_measured_cases(folder)
    card = original.card
    if card is None or written.card is None:
        raise InputError(
            "masks need a model card, which says what the outputs mean",
            file=original.path,
            mend="give the card with --card",
        )
    referenced = [case.reference is not None for case in cases]
    if any(referenced) != all(referenced):
        missing = next(case.name for case in cases if case.reference is None)
        raise InputError(
            f"the case {missing} has no reference segmentation, others have one",
            file=folder,
            mend="add it, or leave all references out",
        )
    found: dict[str, dict[str, list[float]]] = {
        label.name: {name: [] for name in METRICS} for label in card.output.labels
    }
    seconds = {"original": 0.0, "written": 0.0}
    slices = 0
    for number, case in enumerate(cases):
        volumes = case.volumes(len(card.input.volumes))
        masks = {}
        for side, model in (("original", original), ("written", written)):
            result = segment(volumes, model)
            masks[side] = result.labels.array
            seconds[side] += result.timings.get("network", 0.0)
            if progress is not None:
                progress((number + (0.5 if side == "original" else 1.0)) / len(cases))
        slices += masks["original"].shape[0]
        truth = _reference(case, masks["original"].shape)
        for label in card.output.labels:
            reference = masks["original"] == label.value if truth is None else truth == label.value
            for name, metric in METRICS.items():
                loss = _loss(metric, masks, label.value, reference, has_truth=truth is not None)
                if not math.isnan(loss):
                    found[label.name][name].append(loss)
    labels = {
        label: {name: float(np.mean(values)) for name, values in metrics.items()}
        for label, metrics in found.items()
        if all(metrics.values())
    }
    if not labels:
        raise InputError(
            "no label of the model occurs in any of these cases", file=folder, mend="give cases that show what it finds"
        )
    return {
        "points": {name: max(values[name] for values in labels.values()) for name in METRICS},
        "labels": labels,
        "cases": len(cases),
        "against": "reference segmentations" if all(referenced) else "the float32 model's masks",
        "seconds_per_slice": {side: total / max(slices, 1) for side, total in seconds.items()},
    }


def _reference(case: MeasuredCase, shape: tuple[int, ...]) -> np.ndarray | None:
    labels = case.labels()
    if labels is not None and labels.array.shape != shape:
        raise InputError(
            f"the reference has {labels.array.shape} voxels, the image {shape}",
            file=case.reference,
            mend="give references on the images' own grid",
        )
    return None if labels is None else labels.array


def _loss(
    metric: Callable[[np.ndarray, np.ndarray], float],
    masks: dict[str, np.ndarray],
    value: int,
    reference: np.ndarray,
    *,
    has_truth: bool,
) -> float:
    """In points; NaN where neither model nor reference has the label."""
    after = metric(masks["written"] == value, reference)
    before = metric(masks["original"] == value, reference) if has_truth else 1.0
    if math.isnan(after) or math.isnan(before):
        # Empty in the reference and in one of the masks: a mask that stays empty has lost nothing.
        empties = [not (masks[side] == value).any() for side in ("original", "written")]
        return math.nan if all(empties) and not reference.any() else 100 * (_number(before) - _number(after))
    return 100 * (before - after)


def _number(score: float) -> float:
    return 1.0 if math.isnan(score) else score


def check_loss(loss: dict[str, Any], limit: float, force: bool, out: Path) -> None:
    """Raise InputError where a loss is above ``limit`` points, unless ``force``."""
    worst = max(loss["points"], key=lambda name: loss["points"][name])
    if loss["points"][worst] > limit and not force:
        figures = ", ".join(f"{name} {points:.2f}" for name, points in loss["points"].items())
        raise InputError(
            f"the smaller model loses more than {limit:g} points ({figures}, against {loss['against']})",
            file=out,
            mend="keep float32, or accept it with --force",
        )
