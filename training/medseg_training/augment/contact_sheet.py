"""What a policy does to real cases, as one picture to look at before hours are spent on it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from medseg.card import ModelCard
from medseg.io import atomic_path
from medseg.preprocess import SlicePreparer

from .augmenter import Augmenter
from .settings import Augmentation

#: Columns beside each other before a new band begins.
MOST_COLUMNS = 10
#: Outlines of the labels, in their order.
_COLOURS = ("#ffb000", "#3ddbd9", "#ff7eb6", "#78a9ff", "#6fdc8c")


def alone(settings: Augmentation) -> dict[str, Augmentation]:
    """Each transform of ``settings`` by itself, given to every sample."""
    return {
        name: Augmentation.model_validate({"policy": "one", name: {**transform.model_dump(), "probability": 1.0}})
        for name, transform in settings.transforms.items()
        if name != "identity"
    }


def draw_sheet(
    cases: Sequence[Any],
    card: ModelCard,
    columns: Sequence[tuple[str, Augmentation]],
    path: Path,
    *,
    crop: tuple[int, int] | None = None,
    seed: int = 0,
) -> None:
    """One row a case: its slice with most of the labels, and what each of ``columns`` makes of it.

    All cases go through a column together, as a batch does, so that mixing between cases has something to mix.

    Parameters
    ----------
    cases : `medseg_training.data.LoadedCase`.
    columns : headings and what to do; an empty `Augmentation` shows the slice as it is.
    crop : (rows, columns) about the middle of the labels; the whole slice where left out.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    slices = [_slice(case, card) for case in cases]
    size = tuple(max(image.shape[n] for image, _ in slices) for n in (1, 2))
    images = torch.stack([_framed(image, size, float(image.min())) for image, _ in slices])
    labels = torch.stack([_framed(marks[None], size, 0) for _, marks in slices])
    centres = torch.stack([_middle(marks[0]) if crop else torch.tensor([n // 2 for n in size]) for marks in labels])
    shape = crop or size
    centres = torch.stack([_inside(centres[:, n], shape[n], size[n]) for n in (0, 1)], 1)
    bands = math.ceil(len(columns) / MOST_COLUMNS)
    across = math.ceil(len(columns) / bands)
    figure = Figure(
        figsize=(1.7 * across, (1.75 * len(cases) * shape[0] / shape[1] + 0.4) * bands),
        dpi=100,
        facecolor="black",
        layout="constrained",
    )
    FigureCanvasAgg(figure)
    grid = figure.subplots(len(cases) * bands, across, squeeze=False)
    for axes in grid.flat:
        axes.axis("off")
    for column, (heading, settings) in enumerate(columns):
        generator = torch.Generator().manual_seed(seed + column)
        seen, marks = Augmenter(settings, (shape[0], shape[1]))(images, labels, centres, generator)
        band = grid[column // across * len(cases) :, column % across]
        band[0].set_title(heading, color="white", fontsize=8)
        for row in range(len(cases)):
            # Each row is windowed as its own slice, so that a change of brightness is seen as one.
            low, high = np.percentile(images[row, images.shape[1] // 2].numpy(), [1, 99.7])
            band[row].imshow(seen[row, seen.shape[1] // 2].numpy(), cmap="gray", vmin=low, vmax=max(high, low + 1e-6))
            for n in range(1, int(marks[row].max()) + 1):
                mask = marks[row, 0].numpy() == n
                if mask.any():
                    band[row].contour(mask, [0.5], colors=_COLOURS[(n - 1) % len(_COLOURS)], linewidths=0.7)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, facecolor="black")


def _slice(case: Any, card: ModelCard) -> tuple[np.ndarray, np.ndarray]:
    """(C, H, W) float32 and (H, W) uint8 of the slice with most labelled pixels; 1 is the card's first label."""
    preparer = SlicePreparer(list(case.images), card)
    marks = [preparer.prepare_labels(case.labels, n) for n in range(preparer.count)]
    best = int(np.argmax([(m > 0).sum() for m in marks]))
    numbered = np.zeros(marks[best].shape, np.uint8)
    for number, label in enumerate(card.output.labels, start=1):
        numbered[marks[best] == label.value] = number
    return preparer.prepare(best).astype(np.float32), numbered


def _framed(planes: np.ndarray, size: Sequence[int], outside: float) -> torch.Tensor:
    """(C, h, w) centred in (C, H, W)."""
    frame = np.full((len(planes), *size), outside, planes.dtype)
    top, left = ((n - m) // 2 for n, m in zip(size, planes.shape[1:], strict=True))
    frame[:, top : top + planes.shape[1], left : left + planes.shape[2]] = planes
    return torch.from_numpy(frame)


def _middle(marks: torch.Tensor) -> torch.Tensor:
    where = marks.nonzero()
    return where.float().mean(0).round().long() if len(where) else torch.tensor([n // 2 for n in marks.shape])


def _inside(centres: torch.Tensor, crop: int, size: int) -> torch.Tensor:
    low, high = crop // 2, size - (crop - crop // 2)
    return centres.clamp(low, max(low, high))
