"""Whether a reference lies where its image lies."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import numpy as np
from medseg.io.dicom_seg import is_dicom_segmentation
from medseg.io.itk import open_reader
from medseg.io.names import is_dicom, suffix_of, walk_files
from medseg.orientation import Reorientation, orientation_code
from medseg.volume import Volume

from .case import Case, Problem
from .readers import ArrayReader, is_picture

#: Headers of drawing programs round, and nothing is lost by a tenth of a voxel.
TOLERANCE_VOXELS = 0.1


def fit_reference(case: Case, image: Volume, labels: Volume) -> tuple[Volume, list[Problem]]:
    """The reference on the image's axes, and what is wrong with its place.

    A reference that fills the same voxels of space in another axis order is turned (nothing is resampled) and a
    warning says so. Formats without a place (pictures, arrays) and without directions (Amira) are taken voxel by voxel.
    """
    placeless = isinstance(case.reader, ArrayReader) or is_picture(case.labels)
    if image.array.shape != labels.array.shape:
        turned = None if placeless else turn_onto(labels, image)
        if turned is not None:
            return turned, [_turned(case, image, labels)]
        # Frames without a label are left out of a DICOM segmentation. In other formats another size is a flaw, even
        # where the headers would fit: many headers say nothing true of the place.
        dicom = is_dicom_segmentation(case.labels) or (case.labels.is_dir() and not placeless)
        placed = place_into(labels, image) if dicom else None
        if placed is not None:
            return placed, []
        return labels, [_size(case, image, labels)]
    if placeless:
        if isinstance(case.reader, ArrayReader) or is_picture(case.image):
            return labels, []
        if stored_backwards(case.image, image):
            labels = labels.with_array(np.ascontiguousarray(labels.array[::-1]))
        return labels, [_taken(case, "it has no place in space")]
    if _same(image, labels):
        return labels, []
    if suffix_of(case.labels) == ".am" and np.allclose(image.spacing, labels.spacing, rtol=0.02):
        return labels, [_taken(case, "Amira keeps no axis directions, and its place differs from its image's")]
    turned = turn_onto(labels, image)
    if turned is not None:
        return turned, [_turned(case, image, labels)]
    return labels, [_elsewhere(case, image, labels)]


def place_into(part: Volume, whole: Volume) -> Volume | None:
    """``part`` (turned if need be) with zeros around it on the grid of ``whole``; None where it is no part of that."""
    part = _along(part, whole)
    if not np.allclose(part.direction, whole.direction, atol=1e-3) or not np.allclose(
        part.spacing, whole.spacing, rtol=1e-3
    ):
        return None
    start = np.linalg.solve(whole.ijk_to_lps, [*part.origin, 1.0])[:3]
    first = np.rint(start).astype(int)[::-1]
    inside = all(f >= 0 and f + n <= w for f, n, w in zip(first, part.array.shape, whole.array.shape, strict=True))
    if not inside or np.abs(start - np.rint(start)).max() > TOLERANCE_VOXELS:
        return None
    array = np.zeros(whole.array.shape, part.array.dtype)
    array[tuple(slice(f, f + n) for f, n in zip(first, part.array.shape, strict=True))] = part.array
    return whole.with_array(array)


def same_place(first: Volume, other: Volume) -> str | None:
    """None where both have one grid, else what differs, for messages about input channels."""
    if first.array.shape != other.array.shape:
        return f"has {voxels(other)} voxels, the first channel {voxels(first)}"
    return None if _same(first, other) else _difference(first, other)


def stored_backwards(path: Path, image: Volume) -> bool:
    """Whether the files of a DICOM folder, by name, run against the k axis; masks beside them follow the names."""
    if not path.is_dir():
        return False
    heights = []
    files = [file for file in walk_files(path) if is_dicom(file)]
    for file in (files[0], files[-1]) if len(files) > 1 else ():
        position = np.array(open_reader(file, "GDCMImageIO").GetOrigin())
        heights.append(float(position @ image.direction[:, 2]))
    return len(heights) == 2 and heights[0] > heights[1]


def turn_onto(volume: Volume, target: Volume) -> Volume | None:
    """``volume`` with axes permuted and flipped to those of ``target``; None where that does not give its grid."""
    turned = _along(volume, target)
    return turned if _same(target, turned) else None


def _along(volume: Volume, target: Volume) -> Volume:
    """``volume`` with its axes permuted and flipped to run as nearly as they can along those of ``target``."""
    cosines = target.direction.T @ volume.direction  # [target axis, own axis], axes (i, j, k)
    order = max(permutations(range(3)), key=lambda p: sum(abs(cosines[n, p[n]]) for n in range(3)))
    flips = [bool(cosines[n, order[n]] < 0) for n in range(3)]
    # From (i, j, k) to the array's (k, j, i).
    turn = Reorientation(
        (2 - order[2], 2 - order[1], 2 - order[0]),
        (flips[2], flips[1], flips[0]),
    )
    first = np.zeros(3)
    for n, axis in enumerate(order):
        if flips[n]:
            first[axis] = volume.array.shape[2 - axis] - 1
    origin = (volume.ijk_to_lps @ [*first, 1.0])[:3]
    direction = np.stack([volume.direction[:, order[n]] * (-1 if flips[n] else 1) for n in range(3)], axis=1)
    return Volume(
        np.ascontiguousarray(turn.apply(volume.array)),
        (volume.spacing[order[0]], volume.spacing[order[1]], volume.spacing[order[2]]),
        (float(origin[0]), float(origin[1]), float(origin[2])),
        direction,
        volume.name,
        volume.source,
    )


def voxels(volume: Volume) -> str:
    """``20×24×6``, along i, j and k."""
    return "×".join(str(n) for n in volume.array.shape[::-1])


def _same(first: Volume, other: Volume) -> bool:
    return first.same_grid(other, tolerance_mm=TOLERANCE_VOXELS * min(first.spacing))


def _size(case: Case, image: Volume, labels: Volume) -> Problem:
    what = f"has {voxels(labels)} voxels, its image {voxels(image)}"
    if sorted(image.array.shape) == sorted(labels.array.shape):
        what += " (the same numbers in another order: were the axes exchanged?)"
    return Problem(case.labels, what, "resample the reference onto its image")


def _elsewhere(case: Case, image: Volume, labels: Volume) -> Problem:
    return Problem(
        case.labels,
        f"lies elsewhere in space than its image ({_difference(image, labels)})",
        "resample the reference onto its image, or correct its header",
    )


def _difference(image: Volume, labels: Volume) -> str:
    if not np.allclose(image.spacing, labels.spacing, rtol=0.01):
        ours, its = ("×".join(f"{s:.3g}" for s in v.spacing) for v in (labels, image))
        return f"voxels of {ours} mm against {its} mm"
    codes = orientation_code(labels), orientation_code(image)
    if codes[0] != codes[1]:
        return f"axes {codes[0]} against {codes[1]}"
    if np.abs(image.direction - labels.direction).max() > 1e-3:
        angle = np.degrees(np.arccos(np.clip((np.trace(image.direction.T @ labels.direction) - 1) / 2, -1, 1)))
        return f"turned by {angle:.1f}°"
    return f"{np.linalg.norm(np.subtract(image.origin, labels.origin)):.1f} mm apart"


def _turned(case: Case, image: Volume, labels: Volume) -> Problem:
    return Problem(
        case.labels,
        f"is stored along {orientation_code(labels)}, its image along {orientation_code(image)}; it was turned to fit",
        "look at the case once: one of the headers may be wrong",
        fatal=False,
    )


def _taken(case: Case, why: str) -> Problem:
    return Problem(
        case.labels,
        f"is laid onto its image voxel by voxel: {why}",
        "look at the case once: the order of slices and the sides cannot be checked",
        fatal=False,
    )
