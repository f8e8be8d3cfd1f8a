"""Out-of-fold probabilities in a file: exact where anything can still be decided, and small."""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from medseg.card import ModelCard, PostProcessing
from medseg.errors import InputError
from medseg.io import atomic_path
from medseg.scores import Scores
from medseg.volume import Volume

from .settings import LOWEST


@dataclass(frozen=True, eq=False)
class Judged:
    """A case that its model was not trained on, cut to the box where anything was found or is to be found.

    Attributes
    ----------
    case, patient, fold : whose it is.
    scores : arrays on the box's grid; probabilities below ``floor`` are 0.
    reference : (K, J, I) labels in the box.
    spacing : (k, j, i) in mm.
    shape : of the whole volume: distances of missed structures are its diagonal.
    corner : first voxel of the box.
    """

    case: str
    patient: str
    fold: int
    scores: Scores
    reference: np.ndarray
    spacing: tuple[float, float, float]
    shape: tuple[int, int, int]
    corner: tuple[int, int, int]

    def decide(self, card: ModelCard, threshold: float | None, settings: PostProcessing) -> np.ndarray:
        """The label map in the box as `medseg.segment` would make it. ``threshold`` None: the model's own decision."""
        k, j, i = self.spacing
        grid = Volume(self.reference, spacing=(i, j, k))
        return self.scores.decide(grid, card, threshold, settings)[0].array

    def whole(self, box: np.ndarray) -> np.ndarray:
        """An array of the box on the whole volume's grid, 0 outside."""
        full = np.zeros(self.shape, dtype=box.dtype)
        full[tuple(slice(c, c + n) for c, n in zip(self.corner, box.shape, strict=True))] = box
        return full


def floor_of(card: ModelCard) -> float:
    """Probabilities below this decide nothing, whatever is chosen."""
    given = (card.output.threshold, card.postprocessing.hysteresis_low)
    return min(LOWEST, *(t for t in given if t is not None))


def save_scores(path: Path, scores: Scores, reference: np.ndarray, spacing: tuple[float, ...], floor: float) -> None:
    """Write one case; ``spacing`` (k, j, i)."""
    matters = (scores.top >= floor) | (scores.decided > 0) | (reference > 0)
    box = tuple(_extent(matters, axis) for axis in range(3))
    top = scores.top[box]
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary, Path(temporary).open("wb") as stream:
        np.savez_compressed(
            stream,
            best=np.where(top >= floor, scores.best[box], 0).astype(scores.best.dtype),
            top=np.where(top >= floor, top, np.float32(0)),
            decided=scores.decided[box],
            reference=reference[box],
            spacing=np.array(spacing, dtype=np.float64),
            shape=np.array(reference.shape),
            corner=np.array([s.start for s in box]),
        )


def load_scores(path: Path, case: str, patient: str, fold: int) -> Judged:
    """Read one case. Raises InputError where the file is missing or broken."""
    try:
        with np.load(path, allow_pickle=False) as data:
            a = {name: data[name] for name in data.files}
        spacing, shape, corner = (tuple(a[n].tolist()) for n in ("spacing", "shape", "corner"))
        return Judged(
            case, patient, fold, Scores(a["best"], a["top"], a["decided"]), a["reference"], spacing, shape, corner
        )
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(
            f"out-of-fold probabilities cannot be read ({type(error).__name__})",
            file=path,
            mend=f"remove {path.parent.parent / 'done.json'}; the same command makes them again",
        ) from None


def _extent(mask: np.ndarray, axis: int) -> slice:
    line = np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis)))
    return slice(int(line[0]), int(line[-1]) + 1) if line.size else slice(0, 1)
