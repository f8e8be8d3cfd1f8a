"""The DICOM series that was segmented: its data sets in the order of its slices, and label maps put onto its grid."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from ..io import read_volume
from ..io.names import is_dicom, walk_files
from ..volume import Volume

if TYPE_CHECKING:
    from pydicom import Dataset

#: How far a voxel may lie from where the series has it, in voxels.
_TOLERANCE = 0.02


@dataclass(frozen=True)
class Source:
    """A series: ``datasets`` (one, or one a slice), ``frames`` the slice (k) of ``grid`` each frame shows."""

    datasets: list[Dataset]
    frames: np.ndarray
    grid: Volume


def read_source(folder: Path, series: str | None = None) -> Source:
    """Read the headers of a series; pixels only for its grid.

    Raises
    ------
    InputError : no such folder or series, several series and none chosen, or no regular grid.
    """
    import pydicom

    grid = read_volume(folder, series=series)
    files = [folder] if folder.is_file() else [f for f in walk_files(folder) if is_dicom(f)]
    found = []
    for file in files:
        dataset = pydicom.dcmread(file, stop_before_pixels=True)
        if series is not None and not _is_chosen(dataset, series):
            continue
        frames = _frames(dataset, grid)
        if frames is not None:
            found.append((frames, dataset))
    found.sort(key=lambda item: int(item[0][0]))
    slices = np.concatenate([frames for frames, _ in found]) if found else np.zeros(0, dtype=int)
    uids = {str(dataset.SeriesInstanceUID) for _, dataset in found}
    if len(uids) != 1 or sorted(slices.tolist()) != list(range(grid.array.shape[0])):
        raise InputError(
            "the slices of the series could not be told apart for DICOM output",
            file=folder,
            mend="pass the folder of the one series that was segmented",
        )
    return Source([dataset for _, dataset in found], slices, grid)


def _is_chosen(dataset: Dataset, series: str) -> bool:
    """Whether a file belongs to the series named by number or (beginning of) UID; `read_volume` refused doubt."""
    uid, number = str(dataset.get("SeriesInstanceUID", "")), str(dataset.get("SeriesNumber", ""))
    return number == series.strip() or uid.startswith(series.strip())


def _frames(dataset: Dataset, grid: Volume) -> np.ndarray | None:
    """Which slices of ``grid`` the frames of a file show; None where it is not part of it."""
    if "Rows" not in dataset or (dataset.Rows, dataset.Columns) != grid.array.shape[1:]:
        return None
    if "PerFrameFunctionalGroupsSequence" in dataset:
        shared = dataset.SharedFunctionalGroupsSequence[0]
        places = [
            (
                frame.PlanePositionSequence[0].ImagePositionPatient,
                (frame if "PlaneOrientationSequence" in frame else shared)
                .PlaneOrientationSequence[0]
                .ImageOrientationPatient,
            )
            for frame in dataset.PerFrameFunctionalGroupsSequence
        ]
    elif "ImagePositionPatient" in dataset:
        places = [(dataset.ImagePositionPatient, dataset.ImageOrientationPatient)]
    else:
        return None
    result = []
    to_voxel = np.linalg.inv(grid.ijk_to_lps)
    for position, orientation in places:
        rows_and_columns = np.array(orientation, dtype=float).reshape(2, 3).T
        if np.abs(rows_and_columns - grid.direction[:, :2]).max() > 1e-2:
            return None
        i, j, k = to_voxel[:3, :3] @ np.array(position, dtype=float) + to_voxel[:3, 3]
        if max(abs(i), abs(j), abs(k - round(k))) > 0.1 or not 0 <= round(k) < grid.array.shape[0]:
            return None
        result.append(round(k))
    return np.array(result, dtype=int)


def onto_grid(labels: Volume, grid: Volume) -> np.ndarray:
    """The label map as (K, J, I) on ``grid``: axes swapped and flipped, and a cropped one padded with 0.

    Raises
    ------
    InputError : its voxels are not voxels of ``grid``.
    """
    change = np.linalg.inv(grid.ijk_to_lps) @ labels.ijk_to_lps  # from voxels (i, j, k) of labels to those of grid
    turn = np.rint(change[:3, :3])
    last = np.array(labels.array.shape[::-1]) - 1
    corners = np.array(list(product(*([0, n] for n in last))))
    exact = corners @ change[:3, :3].T + change[:3, 3]
    whole = np.abs(turn).sum(axis=0).tolist() == [1, 1, 1] == np.abs(turn).sum(axis=1).tolist()
    offset = np.rint(change[:3, 3])
    low, high = exact.min(axis=0), exact.max(axis=0)
    fits = np.abs(exact - (corners @ turn.T + offset)).max() <= _TOLERANCE * max(1.0, float(last.max()) / 50)
    inside = (low > -0.5).all() and (high < np.array(grid.array.shape[::-1]) - 0.5).all()
    if not (whole and fits and inside):
        raise InputError(
            "the segmentation does not lie on the voxels of the DICOM series",
            file=labels.source,
            mend="pass the series that was segmented, or export the segmentation on its grid",
        )
    # axes of the array are (k, j, i)
    order = [2 - int(np.flatnonzero(turn[2 - axis])[0]) for axis in range(3)]
    array = labels.array.transpose(order)
    flips = tuple(slice(None, None, int(turn[2 - axis].sum())) for axis in range(3))
    start = np.rint(low).astype(int)[::-1]
    result = np.zeros(grid.array.shape, dtype=labels.array.dtype)
    result[tuple(slice(s, s + n) for s, n in zip(start, array.shape, strict=True))] = array[flips]
    return result
