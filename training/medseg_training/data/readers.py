"""How the files of a case become volumes. Readers know nothing of the configuration, so they travel to workers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from medseg.errors import InputError
from medseg.io import read_channels, read_labels
from medseg.volume import Volume

from .array_files import ArrayPlace, read_array


class Reader(Protocol):
    """Reads the images and the reference of a case."""

    @property
    def channel_names(self) -> tuple[str, ...]:
        """What the data set calls its channels; empty where it does not."""
        ...

    def read_images(self, images: tuple[Path, ...], name: str) -> list[Volume]:
        """Every channel, in the order of the data."""
        ...

    def read_labels(self, labels: Path, name: str) -> Volume:
        """The label map as it is stored."""
        ...


@dataclass(frozen=True)
class FileReader:
    """Image files of any format of ``medseg.io``; one may hold several channels (4D NIfTI, colour)."""

    spacing_mm: tuple[float, ...] | None = None
    """Instead of what pictures say; other formats keep their own."""
    channel_names: tuple[str, ...] = ()

    def read_images(self, images: tuple[Path, ...], name: str) -> list[Volume]:
        return [channel for path in images for channel in read_channels(path, self._spacing(path))]

    def read_labels(self, labels: Path, name: str) -> Volume:
        volume = read_labels(labels)
        spacing = self._spacing(labels)
        return volume if spacing is None else _with_spacing(volume, spacing)

    def _spacing(self, path: Path) -> tuple[float, ...] | None:
        return self.spacing_mm if is_picture(path) else None


@dataclass(frozen=True)
class ArrayReader:
    """Arrays of ``.npy``, ``.npz`` and HDF5 files; their place in the patient is not known."""

    image: ArrayPlace
    labels: ArrayPlace
    axes: str
    label_axes: str
    spacing_mm: tuple[float, ...] = (1.0,)
    spacing: ArrayPlace | None = None
    channel_names: tuple[str, ...] = ()

    def read_images(self, images: tuple[Path, ...], name: str) -> list[Volume]:
        array = _in_order(read_array(self.image), self.axes, self.image)
        return [self._volume(channel, name, self.image.file) for channel in array]

    def read_labels(self, labels: Path, name: str) -> Volume:
        array = _in_order(read_array(self.labels), self.label_axes, self.labels)[0]
        if array.dtype == bool:
            array = array.astype(np.uint8)
        return self._volume(array, name, self.labels.file)

    def _volume(self, array: np.ndarray, name: str, file: Path) -> Volume:
        spacing = self.spacing_mm
        if self.spacing is not None:
            numbers = np.asarray(read_array(self.spacing), dtype=float).ravel()
            if not 1 <= len(numbers) <= 3:
                raise InputError(
                    f"{self.spacing.text} holds {len(numbers)} numbers, mm along x, y and z are needed",
                    file=file,
                    mend="correct arrays.spacing",
                )
            spacing = tuple(float(n) for n in numbers)
        return Volume(array, three(spacing), name=name, source=file)


def is_picture(path: Path) -> bool:
    """Whether the format says nothing of the place in the patient (pictures, TIFF stacks, folders of slices)."""
    from medseg.io.names import PICTURE_SUFFIXES, holds_dicom, suffix_of

    if path.is_dir():
        return not holds_dicom(path)
    return suffix_of(path) in (*PICTURE_SUFFIXES, ".ome.tif", ".ome.tiff")


def three(spacing: tuple[float, ...]) -> tuple[float, float, float]:
    """One, two or three numbers as three: the last is repeated."""
    i, j, k = (*spacing, spacing[-1], spacing[-1])[:3]
    return i, j, k


def _with_spacing(volume: Volume, spacing: tuple[float, ...]) -> Volume:
    return Volume(volume.array, three(spacing), volume.origin, volume.direction, volume.name, volume.source)


def _in_order(array: np.ndarray, axes: str, place: ArrayPlace) -> np.ndarray:
    """(channels, k, j, i) of an array with ``axes``; a case along n is cut out already."""
    axes = axes.replace("n", "")
    if array.ndim != len(axes):
        raise InputError(
            f"{place.text} has {array.ndim} axes {array.shape}, the configuration names {len(axes)} ({axes})",
            file=place.file,
            mend="correct arrays.axes",
        )
    if array.dtype.kind not in "buif":
        raise InputError(
            f"{place.text} holds {array.dtype}, numbers are needed", file=place.file, mend="save it as numbers"
        )
    for missing in (letter for letter in "cz" if letter not in axes):
        array, axes = array[np.newaxis], missing + axes
    if array.dtype == np.float16:
        array = array.astype(np.float32)
    return np.ascontiguousarray(np.transpose(array, [axes.index(letter) for letter in "czyx"]))
