"""Writing cases so that a file is there only when it is complete."""

from __future__ import annotations

import json
from pathlib import Path

from ..io import atomic_path, write_labels, write_volume
from .generator import Phantom


def case_paths(folder: str | Path, name: str) -> dict[str, Path]:
    """Where the three files of a case lie: ``image``, ``labels`` and ``truth``."""
    root = Path(folder)
    return {
        "image": root / "images" / f"{name}.nii.gz",
        "labels": root / "labels" / f"{name}.nii.gz",
        "truth": root / "truth" / f"{name}.json",
    }


def is_complete(folder: str | Path, name: str) -> bool:
    """Whether all three files of a case are there. The truth is written last."""
    return all(path.is_file() for path in case_paths(folder, name).values())


def write_phantom(phantom: Phantom, folder: str | Path) -> dict[str, Path]:
    """Writes image, reference segmentation and truth of one case; returns their paths.

    Each file appears under its name only when it is complete; image and reference have exactly the same geometry.

    Raises
    ------
    InputError : for a folder that is read-only or full.
    """
    paths = case_paths(folder, phantom.name)
    for path in paths.values():
        path.parent.mkdir(parents=True, exist_ok=True)
    write_volume(phantom.volume, paths["image"])
    write_labels(phantom.labels, paths["labels"])
    text = json.dumps(phantom.truth, indent=1, sort_keys=True, allow_nan=False)
    with atomic_path(paths["truth"]) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")
    return paths
