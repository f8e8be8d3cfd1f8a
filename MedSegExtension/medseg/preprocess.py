"""From volumes to what the network is fed, slice by slice, and from its output back to the volume's own grid.

In this order (DESIGN.md, "Inference"): reorientation by direction cosines, in-plane geometry, normalisation, padding.
Statistics are measured on voxels before padding, so that padding cannot shift them, and after reorientation, so that
the same patient stored in another axis order gives the same numbers to the last bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
from scipy import ndimage

from .card import InputSpec, ModelCard
from .errors import InputError
from .intensity import measure_intensity
from .io import check_finite
from .orientation import Reorientation, reorientation
from .volume import Volume

_ORDERS = {"nearest": 0, "linear": 1, "cubic": 3}


def resample_slice(image: np.ndarray, shape: tuple[int, int], interpolation: str, antialias: bool) -> np.ndarray:
    """(rows, columns) image onto ``shape`` over the same field of view, pixel edges on pixel edges; float32.

    ``antialias`` smooths before shrinking, with the Gaussian that scikit-image's ``resize`` uses.
    """
    image = np.asarray(image, dtype=np.float32)
    if image.shape == shape:
        return image
    zoom = [new / old for new, old in zip(shape, image.shape, strict=True)]
    if antialias and interpolation != "nearest" and min(zoom) < 1:
        image = ndimage.gaussian_filter(image, [max(0.0, (1 / z - 1) / 2) for z in zoom], mode="nearest")
    return ndimage.zoom(image, zoom, order=_ORDERS[interpolation], mode="nearest", grid_mode=True)


def resample_labels(labels: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """(rows, columns) integer labels onto ``shape`` by nearest neighbour, same field of view and dtype."""
    if labels.shape == shape:
        return labels
    zoom = [new / old for new, old in zip(shape, labels.shape, strict=True)]
    return ndimage.zoom(labels, zoom, order=0, mode="nearest", grid_mode=True)


class Preparer(Protocol):
    """What the pipeline asks of whatever feeds a network its slices: `SlicePreparer`, or a model's own way.

    Attributes
    ----------
    count, native_shape, resampled_shape, network_shape, reorientation, cropped, constant : as of `SlicePreparer`.
    indices : the slices to run; the others are background.
    restores_raw : whether `restore` takes the network's raw output and applies the activation itself, after resampling.
    """

    restores_raw: ClassVar[bool]

    @property
    def count(self) -> int: ...
    @property
    def indices(self) -> range: ...
    @property
    def native_shape(self) -> tuple[int, int]: ...
    @property
    def resampled_shape(self) -> tuple[int, int]: ...
    @property
    def network_shape(self) -> tuple[int, int]: ...
    @property
    def reorientation(self) -> Reorientation: ...
    @property
    def cropped(self) -> bool: ...
    @property
    def constant(self) -> bool: ...

    def prepare(self, index: int) -> np.ndarray: ...
    def restore(self, planes: np.ndarray, channels: Sequence[int] | None = None) -> np.ndarray: ...


class SlicePreparer:
    """Gives the network its slices and puts its output back.

    Parameters
    ----------
    volumes : one volume for each name in ``card.input.volumes``, all on one grid.
    card : the model card, or its input spec with ``plane`` and ``orientation``.

    Attributes
    ----------
    count : number of slices.
    native_shape : (rows, columns) of a slice of the volume.
    network_shape : (H, W) that the network is fed.
    reorientation : how the volume's axes become (slice, row, column).

    Raises InputError for a wrong number of volumes, differing grids, NaN or infinite voxels.
    """

    restores_raw: ClassVar[bool] = False

    def __init__(self, volumes: Sequence[Volume], card: ModelCard) -> None:
        spec: InputSpec = card.input
        if len(volumes) != len(spec.volumes):
            raise InputError(
                f"the model takes {len(spec.volumes)} input volume(s) ({', '.join(spec.volumes)}), "
                f"{len(volumes)} given",
                mend="choose one volume for each",
            )
        first = volumes[0]
        for other in volumes[1:]:
            if not other.same_grid(first):
                raise InputError(
                    f"{other.name} does not lie on the same grid as {first.name}",
                    file=other.source,
                    mend="resample it onto the first volume",
                )
        for volume in volumes:
            check_finite(volume)
        self.spec = spec
        self.reorientation = reorientation(first, card.plane, card.orientation)
        self._stacks = [np.ascontiguousarray(self.reorientation.apply(v.array)) for v in volumes]
        self.count, rows, columns = self._stacks[0].shape
        self.native_shape = (rows, columns)
        self.slice_spacing = self.reorientation.spacing(first)
        self.resampled_shape = self._resampled_shape()
        self.network_shape = self._network_shape()
        self._by_volume = [
            measure_intensity(stack, spec.normalisation) if spec.normalisation.scope == "volume" else None
            for stack in self._stacks
        ]
        self._cache: dict[tuple[int, int], np.ndarray] = {}

    @property
    def indices(self) -> range:
        """The slices to run: all of them."""
        return range(self.count)

    @property
    def cropped(self) -> bool:
        """Whether part of each slice lies outside what the network sees."""
        return any(n < r for n, r in zip(self.network_shape, self.resampled_shape, strict=True))

    @property
    def constant(self) -> bool:
        """Whether an input volume has one value everywhere."""
        return any(stack.min() == stack.max() for stack in self._stacks)

    def _resampled_shape(self) -> tuple[int, int]:
        size = self.spec.size
        if size.mode == "resize":
            assert size.height and size.width
            return size.height, size.width
        if size.mode == "resample":
            assert size.spacing_mm
            _, row_mm, column_mm = self.slice_spacing
            rows, columns = self.native_shape
            return (
                max(1, round(rows * row_mm / size.spacing_mm[0])),
                max(1, round(columns * column_mm / size.spacing_mm[1])),
            )
        return self.native_shape

    def _network_shape(self) -> tuple[int, int]:
        size = self.spec.size
        if size.height and size.width and size.mode in ("resize", "resample", "pad_or_crop"):
            height, width = size.height, size.width
        else:
            height, width = self.resampled_shape
        step = size.multiple_of
        return -(-height // step) * step, -(-width // step) * step

    def prepare(self, index: int) -> np.ndarray:
        """Slice ``index`` as the network takes it: (C, H, W) float32. Beyond the ends the last slice is repeated."""
        channels = []
        for channel in self.spec.channels:
            neighbour = min(max(index + channel.offset, 0), self.count - 1)
            channels.append(self._prepared(channel.volume, neighbour))
        return np.stack(channels)

    def prepare_labels(self, labels: Volume, index: int) -> np.ndarray:
        """The same slice of a label map on the same grid: (H, W), nearest neighbour, padded with 0."""
        native = self.reorientation.apply(labels.array)[index]
        return self._place(resample_labels(np.ascontiguousarray(native), self.resampled_shape), 0)

    def restore(self, planes: np.ndarray, channels: Sequence[int] | None = None) -> np.ndarray:
        """(K, H, W) network output back on the native slice: (K, rows, columns) float32, linear.

        ``channels`` takes only these. What was cropped away comes back as 0: the network did not see it.
        """
        if channels is not None and list(channels) != list(range(len(planes))):  # a list of numbers makes a copy
            planes = planes[list(channels)]
        cut = _window(self.network_shape, self.resampled_shape)
        if self.network_shape == self.resampled_shape:
            seen = planes
        else:
            seen = np.zeros((planes.shape[0], *self.resampled_shape), dtype=np.float32)
            seen[:, cut[0].inside, cut[1].inside] = planes[:, cut[0].outside, cut[1].outside]
        if self.resampled_shape == self.native_shape:
            return np.asarray(seen, dtype=np.float32)
        return np.stack([resample_slice(plane, self.native_shape, "linear", True) for plane in seen])

    def _prepared(self, volume: int, index: int) -> np.ndarray:
        key = (volume, index)
        if key not in self._cache:
            size = self.spec.size
            image = resample_slice(
                self._stacks[volume][index], self.resampled_shape, size.interpolation, size.antialias
            )
            intensity = self._by_volume[volume] or measure_intensity(image, self.spec.normalisation)
            image = intensity.apply(image)
            value = float(image.min()) if size.pad_value == "minimum" else float(size.pad_value)
            # Only the neighbours of the current slice are worth keeping: the volume streams through.
            for old in [k for k in self._cache if k[0] == volume and abs(k[1] - index) > 2 * self.spec.context]:
                del self._cache[old]
            self._cache[key] = self._place(image, value)
        return self._cache[key]

    def _place(self, image: np.ndarray, value: float) -> np.ndarray:
        """Pad or crop about the centre to the network's size."""
        if image.shape == self.network_shape:
            return image
        placed = np.full(self.network_shape, value, dtype=image.dtype)
        rows, columns = _window(self.network_shape, image.shape)
        placed[rows.outside, columns.outside] = image[rows.inside, columns.inside]
        return placed


@dataclass(frozen=True)
class _Overlap:
    """The common part of a frame and an image that share their centre, as slices of each."""

    outside: slice
    inside: slice


def _window(frame: tuple[int, int], image: tuple[int, ...]) -> tuple[_Overlap, _Overlap]:
    overlaps = []
    for outer, inner in zip(frame, image, strict=True):
        common = min(outer, inner)
        start_outer, start_inner = (outer - common) // 2, (inner - common) // 2
        overlaps.append(_Overlap(slice(start_outer, start_outer + common), slice(start_inner, start_inner + common)))
    return overlaps[0], overlaps[1]
