"""The judged cases once more through the network: counts of probabilities, and a picture of each."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from medseg.card import ModelCard
from medseg.pipeline import segment
from medseg.preprocess import SlicePreparer

from ..checkpoint import load_checkpoint
from ..crossval.choose import Choice
from ..data import LoadedCase, list_cases, load_case
from ..export import trained_network
from ..rundir import RunDirectory
from ..validation import InProcessModel
from .certainty import Counts

Picture = bytes


@dataclass(frozen=True, eq=False)
class Prediction:
    """Counts by label value, and a PNG of the slice that shows most of the reference."""

    counts: dict[int, Counts]
    picture: Picture


def predict(
    run: Path, cases: set[str], done: Callable[[str], None] = lambda name: None, choice: Choice | None = None
) -> dict[str, Prediction]:
    """Run the network that was judged over ``cases`` (names), and decide as ``choice`` says, or else the card.

    Raises InputError where data or run are gone.
    """
    directory = RunDirectory(run)
    config = directory.read_config()
    chosen = directory.best if directory.best.is_file() else directory.last
    card = config.draft
    if choice is not None:
        card = replace(
            card, output=replace(card.output, threshold=choice.threshold), postprocessing=choice.postprocessing
        )
    model = cast(Any, InProcessModel(trained_network(config, load_checkpoint(chosen)), card))
    found = {}
    for case in list_cases(config)[0]:
        if case.name not in cases:
            continue
        loaded, _ = load_case(case, config)
        if loaded is not None:
            found[case.name] = _predict(loaded, model, card)
        done(case.name)
    return found


def _predict(loaded: LoadedCase, model: Any, card: ModelCard) -> Prediction:
    result = segment(list(loaded.images), model, keep_probabilities=True)
    assert result.probabilities is not None
    counts = {
        label.value: Counts.of(plane, loaded.labels.array == label.value)
        for label, plane in zip(card.output.labels, result.probabilities, strict=True)
    }
    return Prediction(counts, _picture(loaded, result.labels.array, card))


def _picture(loaded: LoadedCase, found: np.ndarray, card: ModelCard) -> Picture:
    """The slice, in the plane the network saw, with most of the reference: bare, and with both outlines; of several
    labels bare, the reference filled in their colours, and what the network found in the same.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    preparer = SlicePreparer(list(loaded.images), card)
    turn = preparer.reorientation
    image, truth, found = (turn.apply(a) for a in (loaded.image.array, loaded.labels.array, found))
    weight = (truth > 0).sum((1, 2)) if truth.any() else (found > 0).sum((1, 2))
    index = int(weight.argmax())
    _, rows, columns = turn.spacing(loaded.image)
    low, high = np.percentile(image, [1, 99.7])
    several = len(card.output.labels) > 1
    panels: list[list[tuple[np.ndarray, str]]] = [[], [(truth, "#ffffff"), (found, "#ffb000")]]
    if several:
        panels = [[], [(truth, "")], [(found, "")]]
    figure = Figure(figsize=(3.2 * len(panels), 3.3), dpi=90, facecolor="black", layout="constrained")
    FigureCanvasAgg(figure)
    for axes, drawn in zip(figure.subplots(1, len(panels)), panels, strict=True):
        axes.imshow(image[index], cmap="gray", vmin=low, vmax=max(high, low + 1e-6), aspect=rows / columns)
        axes.axis("off")
        for labels, outline in drawn:
            for label in card.output.labels:
                mask = labels[index] == label.value
                if mask.any() and outline:
                    axes.contour(mask, [0.5], colors=outline, linewidths=0.9)
                elif mask.any():
                    paint = np.zeros((*mask.shape, 4))
                    paint[mask] = (*(n / 255 for n in label.color), 0.75)
                    axes.imshow(paint, aspect=rows / columns)
    out = io.BytesIO()
    figure.savefig(out, format="png", facecolor="black")
    return out.getvalue()
