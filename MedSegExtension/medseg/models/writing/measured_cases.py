"""Cases that the price of a lower precision is measured on: images, with reference segmentations or without."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...errors import InputError
from ...io import case_name, find_cases, read_channels, read_labels, read_volume
from ...volume import Volume

#: Folders of images and of their references that data sets use.
LAYOUTS = (("images", "labels"), ("imagesTr", "labelsTr"), ("imagesTs", "labelsTs"))


@dataclass(frozen=True)
class MeasuredCase:
    """One image and, where there is one, the reference segmentation that bears its name."""

    name: str
    image: Path
    reference: Path | None

    def volumes(self, count: int) -> list[Volume]:
        """The image as ``count`` input volumes (the channels of a multi-channel image). Raises InputError."""
        if count == 1:
            return [read_volume(self.image)]
        found = read_channels(self.image)
        if len(found) != count:
            raise InputError(
                f"the model takes {count} input volumes, the image has {len(found)} channels",
                file=self.image,
                mend="give images with all channels in one file",
            )
        return list(found)

    def labels(self) -> Volume | None:
        """The reference, or None."""
        return None if self.reference is None else read_labels(self.reference)


def find_measured_cases(folder: str | Path) -> list[MeasuredCase]:
    """The cases below ``folder``: ``images/`` and ``labels/`` of the same names, or images alone.

    nnU-Net's ``imagesTr`` and ``labelsTr`` are known too (names with ``_0000``). Raises InputError where there is none.
    """
    folder = Path(folder)
    for images, labels in LAYOUTS:
        if (folder / images).is_dir():
            references = _by_name(folder / labels)
            return [_case(image, references) for image in find_cases(folder / images)]
    return [_case(image, {}) for image in find_cases(folder)]


def _case(image: Path, references: dict[str, Path]) -> MeasuredCase:
    name = case_name(image)
    return MeasuredCase(name, image, references.get(name) or references.get(name.removesuffix("_0000")))


def _by_name(folder: Path) -> dict[str, Path]:
    there = folder.is_dir() and any(not entry.name.startswith(".") for entry in folder.iterdir())
    return {case_name(path): path for path in find_cases(folder)} if there else {}


def spread(count: int, wanted: int) -> Sequence[int]:
    """``wanted`` numbers spread evenly over 0 … count - 1, fewer where there are fewer."""
    if count <= wanted:
        return range(count)
    return [round(step * (count - 1) / (wanted - 1)) for step in range(wanted)] if wanted > 1 else [count // 2]
