"""Small data sets as people have them, written into temporary folders, and configurations for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
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


def patient_case(seed: int) -> tuple[Volume, Volume]:
    """`ball_case` with right-handed axes, as scanners store them."""
    image, labels = ball_case(seed)
    return Volume(image.array, image.spacing), Volume(labels.array, labels.spacing)


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


RGB = ["red", "green", "blue"]


def card(plane: str = "axial", volumes: list[str] | None = None, labels: list[str] | None = None) -> dict[str, Any]:
    """A card for one label (or several), axial and turned to PLS, or taken as stored."""
    names = labels or ["ball"]
    made: dict[str, Any] = {
        "name": "ball",
        "plane": plane,
        "input": {"size": {"mode": "native", "multiple_of": 4}, "normalisation": {"kind": "zscore"}},
        "output": {
            "activation": "sigmoid",
            "labels": [{"value": n, "name": name} for n, name in enumerate(names, start=1)],
        },
    }
    if plane == "axial":
        made["orientation"] = "PLS"
    if volumes is not None:
        made["input"]["volumes"] = volumes
    return made


def errors(settings: Config) -> list[str]:
    """The lines of ``--check`` that keep a training from starting."""
    return [line for line in lines(settings) if line.startswith("error: ")]


def one_slice(seed: int, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """(rows, columns) uint8 image and mask of 0 and 1."""
    rng = np.random.default_rng(seed)
    j, i = np.indices(shape)
    disc = (j - shape[0] / 2) ** 2 + (i - shape[1] / 2) ** 2 < (min(shape) / 4) ** 2
    return (60 + 120 * disc + rng.integers(0, 40, shape)).astype(np.uint8), disc.astype(np.uint8)


def picture(path: Path, array: np.ndarray) -> None:
    """A 2D uint8 array, or (rows, columns, 3) for colour, in the format of the suffix."""
    sitk.WriteImage(sitk.GetImageFromArray(array, isVector=array.ndim == 3), str(path))


def write_4d(path: Path, channels: list[Volume]) -> None:
    """NIfTI with the channels along the fourth axis, as the Decathlon stores them."""
    images = []
    for volume in channels:
        image = sitk.GetImageFromArray(volume.array)
        image.SetSpacing(volume.spacing)
        image.SetOrigin(volume.origin)
        image.SetDirection(volume.direction.ravel())
        images.append(image)
    sitk.WriteImage(sitk.JoinSeries(images), str(path))


def dicom_series(
    folder: Path, volume: Volume, patient_id: str, patient_name: str = "Doe^Jane", backwards: bool = False
) -> None:
    """One file for each slice, with the identifiers that must not come out again."""
    folder.mkdir(parents=True)
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    uid = f"1.2.826.0.1.3680043.2.1125.{abs(hash(str(folder))) % 10**12}"
    for k, plane in enumerate(volume.array):
        image = sitk.GetImageFromArray(plane[np.newaxis])
        image.SetSpacing(volume.spacing)
        position = (volume.ijk_to_lps @ [0, 0, k, 1])[:3]
        orientation = [*volume.direction[:, 0], *volume.direction[:, 1]]
        for tag, value in {
            "0008|0060": "MR",
            "0010|0010": patient_name,
            "0010|0020": patient_id,
            "0020|000d": f"{uid}.1",
            "0020|000e": f"{uid}.2",
            "0008|0018": f"{uid}.3.{k}",
            "0020|0011": "4",
            "0020|0013": str(k + 1),
            "0020|0032": "\\".join(f"{p:.6f}" for p in position),
            "0020|0037": "\\".join(f"{c:.6f}" for c in orientation),
            "0018|0050": f"{volume.spacing[2]:.6f}",
            "0018|0088": f"{volume.spacing[2]:.6f}",
        }.items():
            image.SetMetaData(tag, value)
        number = len(volume.array) - 1 - k if backwards else k
        writer.SetFileName(str(folder / f"IM{number:04}.dcm"))
        writer.Execute(image)
