"""Small data sets for nnU-Net from analytic shapes: a branching tube and a blob inside a body, in its folder layout."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk


@dataclass(frozen=True)
class Kind:
    """A data set.

    Attributes
    ----------
    name : as nnU-Net wants it, ``Dataset901_...``.
    channels : names of the input channels; nnU-Net chooses the normalisation by them.
    labels, order : of ``dataset.json``; ``order`` where labels are regions.
    slice_axis : which stored axis (k, j, i) the thick slices lie along.
    planner, plans : nnU-Net's planner, and what it calls its plans.
    """

    name: str
    channels: tuple[str, ...]
    labels: dict[str, int | list[int]]
    order: tuple[int, ...] | None
    slice_axis: int
    planner: str
    plans: str

    @property
    def number(self) -> str:
        return self.name[7:10]


#: A usual MR data set, mostly empty around the body: nnU-Net measures intensities inside the body alone.
PLAIN = Kind(
    "Dataset901_Tubes", ("T2",), {"background": 0, "duct": 1, "bladder": 2}, None, 0, "ExperimentPlanner", "nnUNetPlans"
)
#: Two channels with two normalisations, thick slices along j, overlapping regions, residual encoder.
REGIONS = Kind(
    "Dataset902_Regions",
    ("CT", "T2"),
    {"background": 0, "organ": [1, 2, 3], "tract": [2, 3], "bladder": 3},
    (1, 2, 3),
    1,
    "nnUNetPlannerResEncM",
    "nnUNetResEncUNetMPlans",
)


def case(kind: Kind, seed: int) -> tuple[list[sitk.Image], sitk.Image]:
    """The channels of one patient, and the true labels (those of `PLAIN`, or 1 organ, 2 duct, 3 bladder)."""
    rng = np.random.default_rng(seed)
    shape = (int(rng.integers(7, 11)), int(rng.integers(70, 97)), int(rng.integers(70, 97)))
    spacing = np.array([3.5, *rng.uniform(0.75, 1.05, 1).repeat(2)])
    centre = np.array(shape) * spacing / 2
    z, y, x = (
        (np.arange(n) * step - c).reshape([-1 if axis == own else 1 for axis in range(3)])
        for own, (n, step, c) in enumerate(zip(shape, spacing, centre, strict=True))
    )
    turn = rng.uniform(-0.4, 0.4)
    u, v = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    body = (u / 30) ** 2 + (v / 24) ** 2 + (z / 60) ** 2 < 1
    organ = (u / 22) ** 2 + (v / 17) ** 2 + (z / 40) ** 2 < 1
    wave = 5 * np.sin(u / rng.uniform(5, 8))
    duct = organ & (np.minimum(np.abs(v - wave), np.abs(v + 0.6 * u)) < 1.8)
    bladder = organ & ((u - 9) ** 2 + (v + 4) ** 2 + (z / 2) ** 2 < rng.uniform(4, 6) ** 2)
    labels = np.zeros(shape, np.uint8)
    labels[organ] = 1
    labels[duct] = 2
    labels[bladder] = 3
    noise = [rng.normal(0, 1, shape) for _ in kind.channels]
    if len(kind.channels) == 1:
        looks = [(100 + 40 * organ + 130 * duct + 90 * bladder + 15 * noise[0]) * body]
    else:
        looks = [
            40 * organ + 25 * bladder + 9 * noise[0] - 1000 * ~body,
            (90 + 140 * duct + 100 * bladder + 12 * noise[1]) * body,
        ]
    if kind.order is None:
        labels = np.where(labels > 0, labels - 1, 0).astype(np.uint8)
    axes = [1, 0, 2] if kind.slice_axis == 1 else [0, 1, 2]

    def image(array: np.ndarray) -> sitk.Image:
        made = sitk.GetImageFromArray(np.ascontiguousarray(array.transpose(axes)))
        made.SetSpacing([float(spacing[axis]) for axis in axes][::-1])
        made.SetOrigin((-11.0, 7.5, 31.0))
        return made

    return [image(look.astype(np.float32)) for look in looks], image(labels)


def write_set(kind: Kind, raw: Path, training: int = 8, testing: int = 3) -> Path:
    """Write a data set below nnU-Net's folder of raw data; returns its folder. Test cases have no labels."""
    folder = raw / kind.name
    for part in ("imagesTr", "labelsTr", "imagesTs", "labelsTs"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for number in range(training + testing):
        channels, labels = case(kind, 100 * int(kind.number) + number)
        part = "Tr" if number < training else "Ts"
        for channel, image in enumerate(channels):
            sitk.WriteImage(image, str(folder / f"images{part}" / f"case_{number:02d}_{channel:04d}.nii.gz"))
        sitk.WriteImage(labels, str(folder / f"labels{part}" / f"case_{number:02d}.nii.gz"))
    described: dict[str, object] = {
        "channel_names": {str(number): name for number, name in enumerate(kind.channels)},
        "labels": kind.labels,
        "numTraining": training,
        "file_ending": ".nii.gz",
    }
    if kind.order is not None:
        described["regions_class_order"] = list(kind.order)
    (folder / "dataset.json").write_text(json.dumps(described))
    return folder
