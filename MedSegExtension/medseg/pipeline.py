"""The whole way from a volume to a label map on the same grid. Every door calls this one function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .card import ModelCard, OutputSpec, PostProcessing, slicer_terminology
from .errors import InputError
from .fit import check_fit
from .flips import FlipAverage, check_flips
from .inference import Runner, slice_probabilities
from .io import SegmentInfo, write_segmentation_file
from .postprocess import count_labels, postprocess
from .preprocess import Preparer, SlicePreparer
from .progress import Progress, ProgressCallback, Timings
from .scores import Scores, last_reached
from .volume import Volume

if TYPE_CHECKING:
    from .models import Model


@dataclass(frozen=True, eq=False)
class Result:
    """What came out of a run.

    Attributes
    ----------
    labels : label map on exactly the input's grid; uint8, or uint16 where a value exceeds 255.
    segments : one entry for each label of the card, found or not.
    probabilities : (L, K, J, I) float32, one plane for each label in the card's order, or None unless kept.
    voxel_counts : voxels of each label value.
    highest_probability : the highest probability seen anywhere, for each label value: why an empty result is empty.
    timings : seconds spent in the stages prepare, network, restore and post-process.
    warnings : sentences a person should read.
    backend, device : what ran the network.
    card : the model's card.
    scores : what is needed to decide again with another threshold, or None unless kept.
    """

    labels: Volume
    segments: tuple[SegmentInfo, ...]
    probabilities: np.ndarray | None
    voxel_counts: dict[int, int]
    highest_probability: dict[int, float]
    timings: dict[str, float]
    warnings: list[str]
    backend: str
    device: str
    card: ModelCard = field(repr=False)
    scores: Scores | None = field(default=None, repr=False)

    @property
    def empty(self) -> bool:
        """Whether no voxel got a label."""
        return not any(self.voxel_counts.values())

    def summary(self) -> dict[str, Any]:
        """What a person or a log needs, JSON-ready and without the voxels."""
        voxel_ml = self.labels.voxel_volume_mm3 / 1000
        return {
            "model": self.card.name,
            "synthetic": self.card.synthetic,
            "backend": self.backend,
            "device": self.device,
            "segments": [
                {
                    "value": s.value,
                    "name": s.name,
                    "voxels": self.voxel_counts[s.value],
                    "volume_ml": self.voxel_counts[s.value] * voxel_ml,
                    "highest_probability": self.highest_probability[s.value],
                }
                for s in self.segments
            ],
            "timings_s": self.timings,
            "warnings": self.warnings,
        }


def segment(
    volume: Volume | Sequence[Volume],
    model: Model,
    *,
    keep_probabilities: bool = False,
    progress: ProgressCallback | None = None,
    cancelled: Callable[[], bool] | None = None,
    batch_size: int | None = None,
    threshold: float | None = None,
    flips: Sequence[str] = (),
    postprocessing: PostProcessing | None = None,
    keep_scores: bool = False,
) -> Result:
    """Segment a volume (several for a model with several input volumes) slice by slice.

    Parameters
    ----------
    volume : the input; all on one grid where there are several.
    model : from `medseg.open_model`; it must have a complete card.
    keep_probabilities : whether to keep the probability volumes, 4 bytes a voxel and label.
    progress : called with a `Progress` after each batch; ``print`` will do.
    cancelled : asked between batches; true raises Cancelled.
    batch_size : slices at once; by default what the device does best.
    threshold : instead of the card's.
    flips : of "rows" and "columns": mirror images whose answers are averaged with the slice's own (`medseg.flips`).
    postprocessing : instead of the card's.
    keep_scores : whether to keep what `Scores.decide` needs: 6 bytes a voxel, and 4 more for each label where the last
        one that reaches the threshold wins.

    Raises InputError where model and volume do not fit, Cancelled, MedSegError.
    """
    volumes = [volume] if isinstance(volume, Volume) else list(volume)
    card = _card_of(model)
    if threshold is not None and not 0 <= threshold <= 1:
        raise InputError(f"the threshold {threshold} is not a probability", mend="give a number from 0 to 1")
    flips = check_flips(flips)
    settings = card.postprocessing if postprocessing is None else postprocessing
    fit = check_fit(volumes, card)
    if fit.problems:
        raise InputError(
            "; ".join(fit.problems), file=volumes[0].source if volumes else None, mend="choose another model or volume"
        )
    timings, warnings = Timings(), list(fit.warnings)
    with timings.stage("prepare"):
        preparer: Preparer = (model.preparer or SlicePreparer)(volumes, card)
    _check_size(model, preparer, warnings)
    if preparer.constant:
        warnings.append("an input volume has one and the same value everywhere; nothing can be found in it")

    activation = "none" if preparer.restores_raw else card.output.activation
    runner: Runner = model
    if flips:
        runner, activation = FlipAverage(model, flips, activation), "none"
    decide = _Decision(card.output, settings.hysteresis_low, threshold, preparer, keep_probabilities, keep_scores)
    for index, planes in slice_probabilities(
        preparer,
        runner,
        activation,
        batch_size=batch_size,
        timings=timings,
        warnings=warnings,
        progress=progress,
        cancelled=cancelled,
    ):
        with timings.stage("restore"):
            decide.add(index, preparer.restore(planes, decide.channels))

    with timings.stage("post-process"):
        back = preparer.reorientation.invert
        labels = np.ascontiguousarray(back(decide.labels))
        candidates = None if decide.candidates is None else np.ascontiguousarray(back(decide.candidates))
        values = [label.value for label in card.output.labels]
        scores = decide.scores(back, labels)
        postprocess(labels, values, settings, volumes[0].voxel_volume_mm3, candidates)
        counts = count_labels(labels, values)
    probabilities = decide.probabilities
    if probabilities is not None:
        probabilities = np.stack([back(p) for p in probabilities])
    highest = {label.value: float(p) for label, p in zip(card.output.labels, decide.highest, strict=True)}
    if not any(counts.values()):
        seen = ", ".join(f"{label.name} {highest[label.value]:.2f}" for label in card.output.labels)
        warnings.append(f"nothing was found; the highest probability seen was {seen}")
    if progress is not None:
        progress(Progress("post-process", preparer.count, preparer.count, 1.0, 0.0))
    return Result(
        labels=volumes[0].with_array(labels),
        segments=tuple(_segments(card)),
        probabilities=probabilities,
        voxel_counts=counts,
        highest_probability=highest,
        timings=timings.seconds,
        warnings=[*model.warnings, *warnings],
        backend=model.backend.name,
        device=model.choice.device,
        card=card,
        scores=scores,
    )


def write_segmentation(result: Result, path: str | Path) -> None:
    """Write a result's label map: ``.seg.nrrd`` with Slicer's segment names, colours and codes, else plain labels."""
    write_segmentation_file(result.labels, result.segments, Path(path))


class _Decision:
    """Takes restored probabilities slice by slice and keeps only what is needed of them."""

    def __init__(
        self,
        output: OutputSpec,
        low: float | None,
        threshold: float | None,
        preparer: Preparer,
        keep: bool,
        keep_scores: bool = False,
    ) -> None:
        self.threshold = output.threshold if threshold is None else threshold
        self.compare_background = self.threshold is None
        self.last_wins = output.overlap == "last"
        self.low = low
        label_channels = [label.channel for label in output.labels]
        self.channels = [0, *label_channels] if self.compare_background else label_channels
        self.values = np.array([label.value for label in output.labels])
        shape = (preparer.count, *preparer.native_shape)
        dtype = np.uint8 if self.values.max() <= 255 else np.uint16
        self.values = self.values.astype(dtype)
        self.labels = np.zeros(shape, dtype=dtype)
        self.candidates = np.zeros(shape, dtype=dtype) if low is not None else None
        keep_planes = keep or (keep_scores and self.last_wins)
        self.planes = np.zeros((len(label_channels), *shape), dtype=np.float32) if keep_planes else None
        self.probabilities = self.planes if keep else None
        self.highest = np.zeros(len(label_channels), dtype=np.float32)
        self.best = np.zeros(shape, dtype=dtype) if keep_scores else None
        self.top = np.zeros(shape, dtype=np.float32) if keep_scores else None

    def add(self, index: int, planes: np.ndarray) -> None:
        scores = planes[1:] if self.compare_background else planes
        if self.last_wins and self.threshold is not None:
            best, top = last_reached(scores, self.threshold)
        else:
            best, top = most_probable(scores)
        found = top > planes[0] if self.compare_background else top >= self.threshold
        named = self.values.take(best, mode="clip")  # never outside; "clip" only saves looking
        np.multiply(named, found, out=self.labels[index])
        if self.candidates is not None:
            self.candidates[index] = np.where(top >= self.low, named, 0)
        if self.planes is not None:
            self.planes[:, index] = scores
        if self.best is not None and self.top is not None:
            self.best[index], self.top[index] = named, top
        np.maximum(self.highest, scores.max(axis=(1, 2)), out=self.highest)

    def scores(self, back: Callable[[np.ndarray], np.ndarray], labels: np.ndarray) -> Scores | None:
        """What was kept, brought to the volume's axes by ``back``; ``labels`` (K, J, I) are not yet post-processed."""
        if self.best is None or self.top is None:
            return None
        if not self.last_wins or self.planes is None:
            return Scores(back(self.best), back(self.top), labels.copy())
        planes = np.stack([back(plane) for plane in self.planes])
        return Scores(back(self.best), back(self.top), labels.copy(), planes, tuple(self.values.tolist()))


def most_probable(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Index and value of the largest of (L, H, W) scores at each pixel, the first where several are equal.

    As ``argmax(axis=0)``, ten times faster: numpy's runs along the axis pixel by pixel, and choosing by a mask waits
    at every pixel where the background's noise decides. The index is unsigned.
    """
    best, top = np.zeros(scores.shape[1:], dtype=np.min_scalar_type(len(scores))), scores[0].copy()
    for number in range(1, len(scores)):
        np.maximum(best, (scores[number] > top) * best.dtype.type(number), out=best)
        np.maximum(top, scores[number], out=top)
    return best, top


def _card_of(model: Model) -> ModelCard:
    if model.card is None:
        raise InputError(
            f"the model has no card; still to be said: {', '.join(model.missing)}",
            file=model.path,
            mend=f"write {Path(model.path).name}.card.json beside it or pass card=",
        )
    return model.card


def _check_size(model: Model, preparer: Preparer, warnings: list[str]) -> None:
    if model.fixed_size is not None and tuple(model.fixed_size) != preparer.network_shape:
        height, width = preparer.network_shape
        raise InputError(
            f"the network takes slices of {model.fixed_size[0]}×{model.fixed_size[1]}, the card gives it "
            f"{height}×{width}",
            file=model.path,
            mend="set input.size in the card to mode resize or pad_or_crop with the network's size",
        )
    if preparer.cropped:
        warnings.append(
            f"slices of {preparer.resampled_shape[0]}×{preparer.resampled_shape[1]} were cropped to "
            f"{preparer.network_shape[0]}×{preparer.network_shape[1]}; nothing outside is segmented"
        )


def _segments(card: ModelCard) -> list[SegmentInfo]:
    return [SegmentInfo(label.value, label.name, label.rgb, slicer_terminology(label)) for label in card.output.labels]
