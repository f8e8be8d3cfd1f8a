"""Cases and configurations small enough to train in seconds on two cores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from medseg.io import write_labels, write_volume
from medseg.volume import Volume

SHAPE = (8, 40, 36)


def ellipsoid_case(seed: int) -> tuple[Volume, Volume]:
    """A bright ellipsoid (label 1) beside a darker one that is background, in noise."""
    rng = np.random.default_rng(seed)
    k, j, i = np.indices(SHAPE)

    def ball(cj: float, ci: float, radius: float) -> np.ndarray:
        return ((k - 4) / 3.2) ** 2 + ((j - cj) / radius) ** 2 + ((i - ci) / radius) ** 2 < 1

    wanted = ball(rng.uniform(10, 14), rng.uniform(11, 24), rng.uniform(5.5, 8))
    other = ball(rng.uniform(27, 30), rng.uniform(11, 24), rng.uniform(5, 7))
    voxels = 100 + 120 * wanted + 60 * other + rng.normal(0, 12, SHAPE)
    grid: dict[str, Any] = {"spacing": (1.5, 1.5, 3.0), "direction": np.diag([1.0, -1.0, 1.0])}
    return Volume(voxels.astype(np.int16), **grid), Volume(wanted.astype(np.uint8), **grid)


def write_case(folder: Path, name: str, image: Volume, labels: Volume) -> None:
    for part in ("images", "labels"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    write_volume(image, folder / "images" / f"{name}.nii.gz")
    write_labels(labels, folder / "labels" / f"{name}.nii.gz")


def settings(data: Path, **changes: Any) -> dict[str, Any]:
    """A configuration as a person would write it, for the ellipsoids."""
    base: dict[str, Any] = {
        "data": str(data),
        "patient": r"p\d+$",
        "synthetic": True,
        "data_kind": "ellipsoids",
        "card": {
            "name": "ellipsoid",
            "plane": "axial",
            "orientation": "PLS",
            "input": {"context": 1, "size": {"mode": "native", "multiple_of": 8}, "normalisation": {"kind": "zscore"}},
            "output": {"activation": "sigmoid", "labels": [{"value": 1, "name": "ellipsoid"}]},
        },
        "network": {"arguments": {"widths": [8, 16, 32], "norm": "batch"}},
        "optimiser": {"learning_rate": 0.01, "ema_decay": 0.9},
        "sampling": {"batch_size": 4, "crop": [32, 32]},
        "budget": {"epochs": 4, "steps_per_epoch": 30},
        "validation": {"every_epochs": 2},
        "precision": "fp32",
        "threads": 1,
    }
    return {**base, **changes}


def small_settings(data: Path, **changes: Any) -> dict[str, Any]:
    """`settings` for a network that takes a few milliseconds a step and learns nothing much."""
    small: dict[str, Any] = {
        "network": {"arguments": {"widths": [4, 8]}},
        "sampling": {"batch_size": 2, "crop": [16, 16]},
        "budget": {"epochs": 2, "steps_per_epoch": 2},
        "optimiser": {"learning_rate": 0.003, "ema_decay": 0.9},
    }
    return settings(data, **{**small, **changes})
