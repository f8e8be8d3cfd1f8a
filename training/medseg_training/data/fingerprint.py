"""What was trained on, in numbers: of each case, and of all of them. No paths, nothing out of a DICOM header."""

from __future__ import annotations

import hashlib
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from medseg.io.names import walk_files
from medseg.orientation import orientation_code, reorientation
from medseg.volume import Volume
from scipy import ndimage

from .array_files import ArrayPlace
from .case import Case, LoadedCase
from .readers import ArrayReader, is_picture

if TYPE_CHECKING:
    from ..config import Config

Print = dict[str, Any]
_PERCENTILES = (0.5, 1.0, 50.0, 99.0, 99.5)
_SUMMARY = ("p1", "p50", "p99", "mean", "sd")
_CHUNK = 1 << 22


def fingerprint(loaded: LoadedCase, config: Config) -> Print:
    """Spacing, size, intensities, labels and checksums of a case.

    ``sha256`` is over the files, ``voxels_sha256`` over what they say, whatever the format and axis order: a copy under
    another name has the same. Keys ``case`` and ``patient`` are names as the data folder and configuration give them.
    """
    case, image = loaded.case, loaded.image
    turn = reorientation(image, config.draft.plane, config.draft.orientation)
    return {
        "case": case.name,
        "patient": case.patient,
        "stratum": case.stratum,
        "shape_kji": list(image.array.shape),
        "spacing_mm": [float(f"{s:.6g}") for s in image.spacing],
        "spacing_assumed": not measured(case, config),
        "slice_spacing_mm": [float(f"{s:.6g}") for s in turn.spacing(image)],
        "orientation": orientation_code(image),
        "intensity": [_intensity(volume.array) for volume in loaded.images],
        "foreground_share": {
            str(label.value): float((loaded.labels.array == label.value).mean()) for label in config.draft.output.labels
        },
        "parts": {str(label.value): _parts(loaded.labels.array, label.value) for label in config.draft.output.labels},
        "sha256": {"image": files_sha256(case, "image"), "labels": files_sha256(case, "labels")},
        "voxels_sha256": {"image": voxels_sha256(loaded.images), "labels": voxels_sha256([loaded.labels])},
    }


def dataset_fingerprint(prints: Sequence[Print]) -> dict[str, Any]:
    """All cases in a few numbers without any name, and one SHA-256 that depends neither on names nor on order."""
    spacings = [p["spacing_mm"] for p in prints]
    shapes = [p["shape_kji"] for p in prints]
    labels = list(prints[0]["foreground_share"]) if prints else []
    channels = len(prints[0]["intensity"]) if prints else 0
    return {
        "cases": len(prints),
        "patients": len({p["patient"] for p in prints}),
        "spacing_mm": _spread(spacings),
        "shape_kji": _spread(shapes),
        "intensity": [
            {key: statistics.median(p["intensity"][n][key] for p in prints) for key in _SUMMARY}
            for n in range(channels)
        ],
        "foreground_share": {v: statistics.median(p["foreground_share"][v] for p in prints) for v in labels},
        "cases_with_label": {v: sum(p["foreground_share"][v] > 0 for p in prints) for v in labels},
        "sha256": overall_sha256(prints),
    }


def overall_sha256(prints: Iterable[Mapping[str, Any]]) -> str:
    """Over the pairs of image and reference checksums in sorted order."""
    pairs = sorted(f"{p['sha256']['image']} {p['sha256']['labels']}\n" for p in prints)
    return hashlib.sha256("".join(pairs).encode()).hexdigest()


def measured(case: Case, config: Config) -> bool:
    """Whether the voxel size is the data's own or the configuration's, and not assumed."""
    if config.spacing_mm is not None:
        return True
    if isinstance(case.reader, ArrayReader):
        return case.reader.spacing is not None
    return not is_picture(case.image)


def files_sha256(case: Case, part: str) -> str:
    """Of the files of a case's images or labels, in order; of an array the place in its file counts too."""
    digest = hashlib.sha256()
    for path in case.images if part == "image" else (case.labels,):
        for file in walk_files(path) if path.is_dir() else [path]:
            with file.open("rb") as stream:
                while piece := stream.read(_CHUNK):
                    digest.update(piece)
    if isinstance(case.reader, ArrayReader):
        place: ArrayPlace = case.reader.image if part == "image" else case.reader.labels
        digest.update(f"{place.key} {place.axis} {place.index}".encode())
    digest.update(f"{case.slab}".encode() if case.slab else b"")
    return digest.hexdigest()


def voxels_sha256(volumes: Sequence[Volume]) -> str:
    """Of the voxels as float32 in one axis order, so that a copy in another format or orientation has the same."""
    digest = hashlib.sha256()
    for volume in volumes:
        array = reorientation(volume, "axial", "PLS").apply(volume.array)
        digest.update(str(array.shape).encode())
        for plane in array:  # a slice at a time: never a second copy of the volume
            digest.update(np.ascontiguousarray(plane, dtype="<f4").tobytes())
    return digest.hexdigest()


def _intensity(array: np.ndarray) -> dict[str, float]:
    low, first, middle, last, high = (float(p) for p in np.percentile(array, _PERCENTILES))
    return {
        "min": float(array.min()),
        "p0.5": low,
        "p1": first,
        "p50": middle,
        "p99": last,
        "p99.5": high,
        "max": float(array.max()),
        "mean": float(array.mean(dtype=np.float64)),
        "sd": float(array.std(dtype=np.float64)),
    }


def _parts(labels: np.ndarray, value: int) -> int:
    """Connected parts of a label, neighbours over corners included."""
    mask = labels == value
    box = ndimage.find_objects(mask.astype(np.uint8))
    if not box:
        return 0
    return int(ndimage.label(mask[box[0]], structure=np.ones((3, 3, 3)))[1])


def _spread(rows: Sequence[Sequence[float]]) -> dict[str, list[float]]:
    columns = list(zip(*rows, strict=True))
    return {
        "lowest": [min(c) for c in columns],
        "median": [statistics.median(c) for c in columns],
        "highest": [max(c) for c in columns],
    }
