"""Small data sets as people have them, written into temporary folders, and configurations for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from medseg.io import write_labels, write_volume
from medseg.volume import Volume
from medseg_training.config import Config, parse_config
from medseg_training.data import check_cases

SHAPE = (6, 24, 20)


def ball_case(seed: int, shape: tuple[int, int, int] = SHAPE) -> tuple[Volume, Volume]:
    """A bright ball (label 1) in noise: int16 image and uint8 reference on one grid."""
    rng = np.random.default_rng(seed)
    k, j, i = np.indices(shape)
    centre = [n / 2 + rng.uniform(-1, 1) for n in shape]
    ball = ((k - centre[0]) / 2.5) ** 2 + ((j - centre[1]) / 6) ** 2 + ((i - centre[2]) / 6) ** 2 < 1
    voxels = 100 + 120 * ball + rng.normal(0, 12, shape)
    grid: dict[str, Any] = {"spacing": (1.5, 1.5, 3.0), "direction": np.diag([1.0, -1.0, 1.0])}
    return Volume(voxels.astype(np.int16), **grid), Volume(ball.astype(np.uint8), **grid)


def write_case(folder: Path, name: str, image: Volume, labels: Volume) -> None:
    """``images/NAME.nii.gz`` and ``labels/NAME.nii.gz``."""
    for part in ("images", "labels"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    write_volume(image, folder / "images" / f"{name}.nii.gz")
    write_labels(labels, folder / "labels" / f"{name}.nii.gz")


def settings(data: Path, **changes: Any) -> dict[str, Any]:
    """A configuration as a person would write it."""
    base: dict[str, Any] = {
        "data": str(data),
        "synthetic": True,
        "data_kind": "balls",
        "card": {
            "name": "ball",
            "plane": "axial",
            "orientation": "PLS",
            "input": {"size": {"mode": "native", "multiple_of": 4}, "normalisation": {"kind": "zscore"}},
            "output": {"activation": "sigmoid", "labels": [{"value": 1, "name": "ball"}]},
        },
        "budget": {"epochs": 1},
    }
    return {**base, **changes}


def config(data: Path, **changes: Any) -> Config:
    return parse_config(settings(data, **changes))


def lines(settings: Config) -> list[str]:
    """Every line of ``--check``."""
    return [p.line() for _, found in check_cases(settings) for p in found]
