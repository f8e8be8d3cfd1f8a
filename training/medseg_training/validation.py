"""Figures of a network on whole cases, through the engine's own pipeline: they are what ``medseg segment`` gives."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import torch
from medseg.card import ModelCard
from medseg.metrics import Agreement, evaluate_labels
from medseg.pipeline import segment
from torch import nn

from .cases import LoadedCase


@dataclass
class InProcessModel:
    """A torch network as `medseg.pipeline.segment` takes it, in fp32, without a file in between."""

    module: nn.Module
    card: ModelCard
    warnings: list[str] = field(default_factory=list)
    choice: Any = field(default_factory=lambda: SimpleNamespace(device="cpu"))
    fixed_size: None = None
    missing: tuple[str, ...] = ()
    path: Path = Path("network in training")
    backend: Any = field(default_factory=lambda: SimpleNamespace(name="torch"))

    def run(self, batch: np.ndarray) -> np.ndarray:
        """(B, C, H, W) float32 → raw output (B, K, H, W) float32."""
        with torch.inference_mode():
            x = torch.from_numpy(np.ascontiguousarray(batch)).contiguous(memory_format=torch.channels_last)
            return self.module(x).float().numpy()

    def move_to_cpu(self) -> None:
        """It is there."""


@dataclass(frozen=True)
class CaseFigures:
    """Agreement of every label of one case, by label value."""

    case: str
    patient: str
    labels: dict[int, Agreement]


def evaluate_cases(
    module: nn.Module,
    card: ModelCard,
    cases: Sequence[LoadedCase],
    stop: Callable[[], bool] | None = None,
) -> list[CaseFigures]:
    """Segment and measure each case at its native spacing. ``stop`` is asked between slices; true raises Cancelled."""
    was_training = module.training
    module.eval()
    model = cast(Any, InProcessModel(module, card))
    values = [label.value for label in card.output.labels]
    figures = []
    try:
        for loaded in cases:
            result = segment(loaded.image, model, cancelled=stop)
            agreement = evaluate_labels(result.labels.array, loaded.labels.array, _kji(loaded), values)
            figures.append(CaseFigures(loaded.case.name, loaded.case.patient, agreement))
    finally:
        module.train(was_training)
    return figures


def mean_over_patients(figures: Sequence[CaseFigures], figure: str) -> dict[int, float]:
    """For each label the mean of a figure: first over a patient's cases, then over patients. NaN where none counts."""
    means = {}
    for value in figures[0].labels if figures else ():
        by_patient: dict[str, list[float]] = {}
        for case in figures:
            if case.labels[value].counted:
                by_patient.setdefault(case.patient, []).append(getattr(case.labels[value], figure))
        each = [sum(v) / len(v) for v in by_patient.values()]
        means[value] = sum(each) / len(each) if each else math.nan
    return means


def score(figures: Sequence[CaseFigures], figure: str) -> float:
    """One number to choose an epoch by: the mean over labels (and over the figures joined by ``+``)."""
    every = [m for name in figure.split("+") for m in mean_over_patients(figures, name).values() if not math.isnan(m)]
    return sum(every) / len(every) if every else math.nan


def _kji(loaded: LoadedCase) -> tuple[float, float, float]:
    i, j, k = loaded.image.spacing
    return k, j, i
