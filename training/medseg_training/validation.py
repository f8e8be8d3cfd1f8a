"""Figures of a network on whole cases, through the engine's own pipeline: they are what ``medseg segment`` gives."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import torch
from medseg.card import ModelCard
from medseg.errors import DeviceOutOfMemory
from medseg.metrics import Agreement, cldice, dice, evaluate_labels
from medseg.metrics.box import bounding_box
from medseg.orientation import reorientation
from medseg.pipeline import segment
from medseg.preprocess import SlicePreparer
from medseg.volume import Volume
from torch import nn

from .data import LoadedCase
from .device import available_ram, exact_fp32
from .journal import overlay


class KeptSlices(SlicePreparer):
    """Prepares each slice once and keeps it: validation asks for the same ones again and again."""

    def __init__(self, volumes: Sequence[Volume], card: ModelCard) -> None:
        super().__init__(volumes, card)
        self._kept: dict[tuple[int, int], np.ndarray] = {}

    @property
    def bytes(self) -> int:
        """What all slices of the case take."""
        return 4 * self.count * len(self._stacks) * self.network_shape[0] * self.network_shape[1]

    def _prepared(self, volume: int, index: int) -> np.ndarray:
        key = (volume, index)
        if key not in self._kept:
            self._kept[key] = super()._prepared(volume, index)
        return self._kept[key]


class Preparers:
    """The prepared slices of cases that are validated again and again, as far as a share of the memory goes."""

    #: Of the memory that is free when the first case is prepared.
    SHARE = 0.25

    def __init__(self) -> None:
        self._kept: dict[str, KeptSlices] = {}
        self._left: float | None = None

    def of(self, loaded: LoadedCase, card: ModelCard) -> KeptSlices | None:
        """None where there is no room."""
        if loaded.case.name not in self._kept:
            if self._left is None:
                self._left = self.SHARE * (available_ram() or 0)
            kept = KeptSlices(loaded.images, card)
            if kept.bytes > self._left:
                return None
            self._left -= kept.bytes
            self._kept[loaded.case.name] = kept
        return self._kept[loaded.case.name]


@dataclass
class InProcessModel:
    """A torch network as `medseg.pipeline.segment` takes it, in fp32, without a file in between."""

    module: nn.Module
    card: ModelCard
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    preparer: Any = None
    warnings: list[str] = field(default_factory=list)
    fixed_size: None = None
    missing: tuple[str, ...] = ()
    path: Path = Path("network in training")
    backend: Any = field(default_factory=lambda: SimpleNamespace(name="torch"))

    @property
    def choice(self) -> Any:
        """Where it runs, as the inference loop asks."""
        return SimpleNamespace(device=self.device.type)

    def run(self, batch: np.ndarray) -> np.ndarray:
        """(B, C, H, W) float32 → raw output (B, K, H, W) float32. Raises DeviceOutOfMemory."""
        layout = torch.contiguous_format if self.device.type == "mps" else torch.channels_last
        try:
            with torch.inference_mode(), exact_fp32():
                x = torch.from_numpy(np.ascontiguousarray(batch)).to(self.device).contiguous(memory_format=layout)
                return self.module(x).float().cpu().numpy()
        except torch.OutOfMemoryError:
            raise DeviceOutOfMemory(f"{self.device} has not enough memory for {len(batch)} slices") from None

    def move_to_cpu(self) -> None:
        """Go on with a copy there; the one in training stays where it is."""
        self.module, self.device = copy.deepcopy(self.module).cpu(), torch.device("cpu")


@dataclass(frozen=True)
class CaseFigures:
    """Agreement of every label of one case, by label value."""

    case: str
    patient: str
    labels: dict[int, Agreement]
    picture: np.ndarray | None = field(default=None, repr=False)
    """The slice with the most of the reference, outlined in both: (rows, columns, 3) uint8; only where asked for."""


def evaluate_cases(
    module: nn.Module,
    card: ModelCard,
    cases: Iterable[LoadedCase],
    stop: Callable[[], bool] | None = None,
    *,
    device: torch.device | None = None,
    preparers: Preparers | None = None,
    quick: bool = False,
    pictures: int = 0,
) -> list[CaseFigures]:
    """Segment and measure each case at its native spacing, as ``medseg segment`` and ``medseg evaluate`` do.

    Parameters
    ----------
    stop : asked between slices; true raises Cancelled.
    device : where ``module`` lies.
    preparers : keep prepared slices for the next time.
    quick : only Dice and clDice; the other figures are NaN.
    pictures : of the first so many cases a picture too.
    """
    was_training = module.training
    module.eval()
    model = InProcessModel(module, card, device or torch.device("cpu"))
    values = [label.value for label in card.output.labels]
    measure = _quick if quick else evaluate_labels
    figures: list[CaseFigures] = []
    try:
        for loaded in cases:
            kept = preparers.of(loaded, card) if preparers is not None else None
            model.preparer = None if kept is None else lambda _volumes, _card, kept=kept: kept
            result = segment(loaded.images, cast(Any, model), cancelled=stop)
            agreement = measure(result.labels.array, loaded.labels.array, _kji(loaded), values)
            picture = _picture(loaded, result.labels.array, card) if len(figures) < pictures else None
            figures.append(CaseFigures(loaded.case.name, loaded.case.patient, agreement, picture))
    finally:
        module.train(was_training)
    return figures


def _picture(loaded: LoadedCase, prediction: np.ndarray, card: ModelCard) -> np.ndarray:
    turn = reorientation(loaded.image, card.plane, card.orientation)
    image, wanted, found = (turn.apply(a) for a in (loaded.image.array, loaded.labels.array, prediction))
    number = int((wanted > 0).sum(axis=(1, 2)).argmax())
    return overlay(image[number], wanted[number], found[number])


def _quick(
    prediction: np.ndarray, reference: np.ndarray, _spacing: tuple[float, float, float], labels: Iterable[int]
) -> dict[int, Agreement]:
    """`evaluate_labels` without what takes long."""
    figures = {}
    for label in labels:
        box = bounding_box((prediction == label) | (reference == label))
        figures[label] = Agreement.both_empty()
        if box is not None:
            ours, wanted = prediction[box] == label, reference[box] == label
            parts = {"dice": dice(ours, wanted), "cldice": cldice(ours, wanted)}
            figures[label] = replace(figures[label], **parts, counted=True, note="only Dice and clDice measured")
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
