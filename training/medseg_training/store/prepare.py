"""One case becomes training slices."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from medseg.card import Channel, ModelCard
from medseg.errors import InputError
from medseg.preprocess import SlicePreparer

from ..data import LoadedCase
from ..losses import Loss, make_planes

#: Positions kept per case and label for drawing crops: enough never to repeat, little enough to hold in memory.
POSITIONS = 20_000
#: Largest number that half precision holds.
_LARGEST = float(np.finfo(np.float16).max)


@dataclass(frozen=True, eq=False)
class Prepared:
    """The slices of one case.

    Attributes
    ----------
    images : (K, V, h, w) float16. fill : (V,) float16, what lies around them in a larger frame.
    labels : (K, h, w) uint8. planes : (K, P, h, w) float16.
    positions, bright : as of `SliceStore`, counted from the case's first slice and the slices' own corner.
    """

    images: np.ndarray
    labels: np.ndarray
    planes: np.ndarray
    positions: tuple[np.ndarray, ...]
    bright: np.ndarray

    @property
    def fill(self) -> np.ndarray:
        """(V,) the lowest value of each input volume."""
        return self.images.min(axis=(0, 2, 3))

    @property
    def bytes(self) -> int:
        return self.images.nbytes + self.labels.nbytes + self.planes.nbytes


def prepare_case(loaded: LoadedCase, card: ModelCard, loss: Loss, rng: np.random.Generator) -> Prepared:
    """Slices as the engine prepares them, centre channel only: neighbours are found by index.

    ``loss`` : asks for planes beside the labels.
    Raises InputError where values do not fit into half precision (no normalisation of large numbers).
    """
    every = tuple(Channel(volume, 0) for volume in range(len(card.input.volumes)))
    preparer = SlicePreparer(loaded.images, replace(card, input=replace(card.input, channels=every, context=0)))
    images = np.empty((preparer.count, len(every), *preparer.network_shape), dtype=np.float16)
    values = np.empty((preparer.count, *preparer.network_shape), dtype=loaded.labels.array.dtype)
    for n in range(preparer.count):
        slices = preparer.prepare(n)
        if np.abs(slices).max() > _LARGEST:
            raise InputError(
                f"prepared values reach {np.abs(slices).max():.3g}, more than half precision holds",
                file=loaded.case.image,
                mend="choose card.input.normalisation (zscore, percentile, window ...)",
            )
        images[n] = slices
        values[n] = preparer.prepare_labels(loaded.labels, n)
    labels = np.zeros(values.shape, dtype=np.uint8)
    for number, label in enumerate(card.output.labels, start=1):
        labels[values == label.value] = number
    numbers = range(1, len(card.output.labels) + 1)
    positions = tuple(_positions(labels == number, rng) for number in numbers)
    count = len(card.output.labels)
    planes = np.stack([make_planes(loss, labels[n], count) for n in range(len(labels))])
    return Prepared(images, labels, planes, positions, _positions(_bright(images[:, 0], labels), rng))


def _bright(image: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Unlabelled voxels brighter than the darkest tenth of the labelled ones; bool, as ``labels``."""
    labelled = labels > 0
    if not labelled.any():
        return np.zeros(labels.shape, dtype=bool)
    return ~labelled & (image > np.percentile(image[labelled], 10))


def _positions(mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Where ``mask`` is true, (M, 3) int32: all places or some of them, as often in every case, so that one with a
    large structure is not drawn more often.
    """
    flat = np.flatnonzero(mask)
    if len(flat) == 0:
        return np.zeros((0, 3), dtype=np.int32)
    flat = rng.choice(flat, POSITIONS, replace=len(flat) < POSITIONS)
    return np.stack(np.unravel_index(flat, mask.shape), axis=1).astype(np.int32)
