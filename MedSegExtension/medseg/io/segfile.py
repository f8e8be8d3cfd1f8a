"""Segmentation files: label maps with names, colours and coded terminology, as 3D Slicer writes and reads them.

Keys of a ``.seg.nrrd``: Slicer's vtkMRMLSegmentationStorageNode and its documentation of segmentation files.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..volume import Volume
from .names import suffix_of
from .writing import WRITABLE, WRITABLE_STACKS, compact_labels, to_image, write_image, write_labels

#: Colours of segments that a file does not describe: distinct hues at even brightness.
_PALETTE = (
    (0.50, 0.68, 0.50),
    (0.95, 0.84, 0.57),
    (0.69, 0.48, 0.40),
    (0.43, 0.72, 0.82),
    (0.85, 0.40, 0.31),
    (0.87, 0.51, 0.40),
    (0.56, 0.93, 0.56),
    (0.75, 0.40, 0.60),
)


@dataclass(frozen=True)
class SegmentInfo:
    """One segment of a label map.

    Attributes
    ----------
    value : its label value, 1 or more.
    name : what a person reads.
    color : red, green and blue from 0 to 1.
    terminology : Slicer's serialised terminology entry
        (``context~category~type~modifier~region context~region~modifier``), or None.
    """

    value: int
    name: str
    color: tuple[float, float, float]
    terminology: str | None = None

    def __post_init__(self) -> None:
        if self.value < 1:
            raise InputError(f"segment '{self.name}' has label value {self.value}", mend="number segments from 1")
        if len(self.color) != 3 or not all(0.0 <= part <= 1.0 for part in self.color):
            raise InputError(
                f"the colour {self.color} of segment '{self.name}' is not three numbers from 0 to 1",
                mend="give red, green and blue from 0 to 1",
            )


def default_segment(value: int) -> SegmentInfo:
    """What a label value is called that nobody described: ``Segment_3``, with a colour of its own."""
    return SegmentInfo(value, f"Segment_{value}", _PALETTE[(value - 1) % len(_PALETTE)])


def write_segmentation_file(
    labels: Volume, segments: Sequence[SegmentInfo], path: str | Path, *, overwrite: bool = True
) -> None:
    """Write a label map with its segments.

    ``.seg.nrrd`` holds names, colours and terminology and opens in Slicer as a segmentation. ``.nii.gz``, ``.nii``,
    ``.nrrd``, ``.mha`` and ``.tif`` hold the label values alone.

    Parameters
    ----------
    labels : (k, j, i) integer label map.
    segments : one for each label; segments without voxels are written as empty segments, and labels that no segment
        describes get one with a made-up name.
    path : where to; the suffix chooses the format.

    Raises
    ------
    InputError : two segments with one value, values that are no labels, and as ``write_volume``.
    """
    path = Path(path)
    if suffix_of(path) != ".seg.nrrd":
        if suffix_of(path) not in (*WRITABLE, *WRITABLE_STACKS):
            raise InputError(
                f"segmentations are not written as '{suffix_of(path) or path.name}'",
                file=path,
                mend="choose .seg.nrrd, .nii.gz, .nrrd, .mha or .tif",
            )
        write_labels(labels, path, overwrite=overwrite)
        return
    array = compact_labels(labels.array, labels.source)
    values = [segment.value for segment in segments]
    if len(set(values)) < len(values):
        raise InputError(
            "two segments have the same label value", file=path, mend="give every segment a value of its own"
        )
    extents = label_extents(array)
    described = [*segments, *(default_segment(value) for value in sorted(extents) if value not in values)]
    write_image(
        to_image(array, labels, path), path, overwrite=overwrite, metadata=_metadata(described, extents, labels)
    )


def label_extents(array: np.ndarray) -> dict[int, tuple[int, int, int, int, int, int]]:
    """For each non-zero label of a uint8 or uint16 (k, j, i) array the box (i0, i1, j0, j1, k0, k1), ends included."""
    from scipy.ndimage import find_objects

    boxes = {}
    for value, box in enumerate(find_objects(array), start=1):
        if box is not None:
            k, j, i = box
            boxes[value] = (i.start, i.stop - 1, j.start, j.stop - 1, k.start, k.stop - 1)
    return boxes


def reference_geometry(grid: Volume) -> str:
    """The grid as Slicer serialises it: ``m00;m01;…;m33;i0;i1;j0;j1;k0;k1;``, voxel to RAS by rows, then extent."""
    ras = np.diag([-1.0, -1.0, 1.0, 1.0]) @ grid.ijk_to_lps
    k, j, i = grid.array.shape
    return "".join(f"{number:.17g};" for number in [*ras.ravel(), 0, i - 1, 0, j - 1, 0, k - 1])


def parse_reference_geometry(parameters: str) -> tuple[np.ndarray, tuple[int, int, int], tuple[int, int, int]] | None:
    """The grid named in Slicer's conversion parameters.

    Returns
    -------
    (3, 4) voxel-to-LPS matrix, first voxel (i, j, k) of the extent and its shape (k, j, i); None where none is named.
    """
    found = re.search(r"Reference image geometry\|([-+0-9.eE;]+)", parameters)
    try:
        numbers = [float(part) for part in found.group(1).split(";") if part] if found else []
    except ValueError:
        return None
    if len(numbers) != 22:
        return None
    i0, i1, j0, j1, k0, k1 = (int(end) for end in numbers[16:])
    shape = (k1 - k0 + 1, j1 - j0 + 1, i1 - i0 + 1)
    if min(shape) < 1:
        return None
    return np.diag([-1.0, -1.0, 1.0]) @ np.reshape(numbers[:12], (3, 4)), (i0, j0, k0), shape


def _metadata(segments: Iterable[SegmentInfo], extents: Mapping[int, tuple[int, ...]], grid: Volume) -> dict[str, str]:
    fields = {
        "Segmentation_MasterRepresentation": "Binary labelmap",
        "Segmentation_ContainedRepresentationNames": "Binary labelmap|",
        # Name, value, description. Without it Slicer guesses the grid when surfaces are turned into voxels again.
        "Segmentation_ConversionParameters": f"Reference image geometry|{reference_geometry(grid)}|Reference image&",
        "Segmentation_ReferenceImageExtentOffset": "0 0 0",
    }
    for n, segment in enumerate(segments):
        # An empty extent: the upper end lies below the lower one.
        extent = extents.get(segment.value, (0, -1, 0, -1, 0, -1))
        tags = f"TerminologyEntry:{_one_line(segment.terminology)}|" if segment.terminology else ""
        fields |= {
            f"Segment{n}_ID": f"Segment_{segment.value}",
            f"Segment{n}_Name": _one_line(segment.name),
            f"Segment{n}_NameAutoGenerated": "0",
            f"Segment{n}_Color": " ".join(f"{part:.6g}" for part in segment.color),
            f"Segment{n}_ColorAutoGenerated": "0",
            f"Segment{n}_LabelValue": str(segment.value),
            f"Segment{n}_Layer": "0",
            f"Segment{n}_Extent": " ".join(str(end) for end in extent),
            f"Segment{n}_Tags": tags,
        }
    return fields


def _one_line(text: str) -> str:
    """NRRD keys and values end with the line."""
    return re.sub(r"\s+", " ", text).strip()
