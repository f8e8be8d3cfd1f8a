"""Writing cases so that a file is there only when it is complete."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path

import numpy as np

from ..volume import Volume
from .generator import Phantom


def case_paths(folder: str | Path, name: str) -> dict[str, Path]:
    """Where the three files of a case lie: ``image``, ``labels`` and ``truth``."""
    root = Path(folder)
    return {"image": root / "images" / f"{name}.nii.gz", "labels": root / "labels" / f"{name}.nii.gz",
            "truth": root / "truth" / f"{name}.json"}


def is_complete(folder: str | Path, name: str) -> bool:
    """Whether all three files of a case are there. The truth is written last."""
    return all(path.is_file() for path in case_paths(folder, name).values())


def write_phantom(phantom: Phantom, folder: str | Path) -> dict[str, Path]:
    """Writes image, reference segmentation and truth of one case; returns their paths.

    Each file is written beside its final name and renamed when it is complete.
    """
    paths = case_paths(folder, phantom.name)
    _write_nifti(phantom.volume, paths["image"])
    _write_nifti(phantom.labels, paths["labels"])
    text = json.dumps(phantom.truth, indent=1, sort_keys=True, allow_nan=False)
    target = paths["truth"]
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".{secrets.token_hex(4)}-{target.name}")
    try:
        beside.write_text(text + "\n", encoding="utf-8")
        os.replace(beside, target)
    finally:
        beside.unlink(missing_ok=True)
    return paths


def _write_nifti(volume: Volume, target: Path) -> None:
    """NIfTI through SimpleITK, which turns LPS into the file's RAS."""
    import SimpleITK as sitk

    target.parent.mkdir(parents=True, exist_ok=True)
    image = sitk.GetImageFromArray(np.ascontiguousarray(volume.array))
    image.SetSpacing(volume.spacing)
    image.SetOrigin(volume.origin)
    image.SetDirection(np.asarray(volume.direction).ravel().tolist())
    beside = target.with_name(f".{secrets.token_hex(4)}-{target.name}")
    try:
        sitk.WriteImage(image, str(beside), useCompression=True)
        os.replace(beside, target)
    finally:
        beside.unlink(missing_ok=True)
