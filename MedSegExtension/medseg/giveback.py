"""Corrected cases into the layout that `medseg train` reads, without anything that names a patient."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from .errors import InputError
from .io import atomic_path, write_labels, write_volume
from .version import __version__
from .volume import Volume


@dataclass(frozen=True)
class GivenBack:
    """The case's name and files, as text; ``renewed`` where the same image had been given back before."""

    case: str
    image: str
    labels: str
    renewed: bool


def case_name_of(volume: Volume) -> str:
    """``case-`` and twelve digits of a digest of the voxels: the same image has the same name, and no name is in it."""
    array = np.ascontiguousarray(volume.array)
    digest = hashlib.sha256(repr((array.shape, array.dtype.str)).encode())
    digest.update(array.tobytes())
    return f"case-{digest.hexdigest()[:12]}"


def write_case(
    volume: Volume, labels: Volume, folder: Path, names: dict[int, str], provenance: dict[str, Any]
) -> GivenBack:
    """Write ``images/CASE.nii.gz``, ``labels/CASE.nii.gz`` and ``provenance/CASE.json``.

    ``names`` says what the values of ``labels`` are. In the training set each name has one value for all cases: it
    stands in ``labels.json`` of the folder, where a new name gets the next free value.

    The image is written last: a case without its labels never appears. Labels that are there are kept beside the new
    ones as ``provenance/CASE.labels-N.nii.gz``.

    Raises InputError where the grids differ or the folder cannot be written.
    """
    if str(folder) in ("", "."):
        raise InputError("no folder was given", mend="choose the folder of the training set")
    if volume.array.shape != labels.array.shape or not volume.same_grid(labels, tolerance_mm=1e-3):
        raise InputError("image and labels do not lie on one grid", mend="give back segments of this volume")
    name = case_name_of(volume)
    image_path, labels_path = folder / "images" / f"{name}.nii.gz", folder / "labels" / f"{name}.nii.gz"
    record_path = folder / "provenance" / f"{name}.json"
    try:
        for part in (image_path, labels_path, record_path):
            part.parent.mkdir(parents=True, exist_ok=True)
        values = _values(folder / "labels.json", names)
        renumbered = np.zeros(labels.array.shape, np.uint8)
        for value, name_of_label in names.items():
            renumbered[labels.array == value] = values[name_of_label]
        renewed = labels_path.exists()
        if renewed:
            number = 1 + sum(1 for _ in record_path.parent.glob(f"{name}.labels-*.nii.gz"))
            labels_path.replace(record_path.parent / f"{name}.labels-{number}.nii.gz")
        bare = Volume(volume.array, volume.spacing, volume.origin, volume.direction)
        write_labels(bare.with_array(renumbered), labels_path)
        record = {
            "case": name,
            "written": datetime.now(UTC).isoformat(timespec="seconds"),
            "software": f"medseg {__version__}",
            "label_voxels": {label: int((renumbered == values[label]).sum()) for label in names.values()},
            **provenance,
        }
        with atomic_path(record_path) as temporary:
            temporary.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        if not image_path.exists():
            write_volume(bare, image_path)
    except OSError as error:
        raise InputError(
            f"the training set cannot be written ({error.strerror})", file=folder, mend="choose another folder"
        ) from None
    return GivenBack(name, str(image_path), str(labels_path), renewed)


def _values(path: Path, names: dict[int, str]) -> dict[str, int]:
    """The training set's value of each label name; new names are added to the file."""
    known: dict[str, int] = {}
    if path.exists():
        try:
            known = {str(name): int(value) for name, value in json.loads(path.read_text(encoding="utf-8")).items()}
        except (ValueError, AttributeError, TypeError):
            raise InputError(
                "the list of labels of the training set cannot be read", file=path, mend='write {"name": value, ...}'
            ) from None
    fresh = dict(known)
    for name in names.values():
        fresh.setdefault(name, 1 + max(fresh.values(), default=0))
    if max(fresh.values(), default=0) > 255:
        raise InputError("the training set has more than 255 labels", file=path, mend="begin another folder")
    if fresh != known:
        with atomic_path(path) as temporary:
            temporary.write_text(json.dumps(fresh, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return fresh
