"""The regular grid that the slices of one DICOM series lie on, or the reason why they lie on none.

Positions and orientations: DICOM PS3.3 C.7.6.2 (Image Plane Module), in LPS mm.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..errors import InputError
from .dicom_header import SliceHeader
from .geometry import MENDABLE, orthonormal
from .notes import SpacingAssumedWarning, warn

#: A slice further from its place on the regular grid than this share of the spacing makes the series irregular.
REFUSED_SHARE = 0.2
#: From this share on a person is told.
NOTED_SHARE = 0.02


Grid = tuple[list[SliceHeader], tuple[float, float, float], tuple[float, float, float], np.ndarray]


def series_grid(path: Path, headers: list[SliceHeader]) -> Grid:
    """Slices in order along their normal, spacing in mm, LPS origin and (3, 3) direction.

    Raises
    ------
    InputError : multi-frame files, slices of several sizes, orientations or pixel spacings, several slices at one
        position, missing slices, irregular distances, gantry tilt.
    """
    many = next((h for h in headers if h.frames > 1), None)
    if many is not None:
        raise InputError(
            f"is a multi-frame DICOM file of {many.frames} frames, which is not supported",
            file=many.file,
            mend="load it in Slicer or convert it with dcm2niix, and save it as .nii.gz or .nrrd",
        )
    first = headers[0]
    sizes = sorted({(h.columns, h.rows) for h in headers})
    if len(sizes) > 1:
        listed = ", ".join(f"{c}×{r}" for c, r in sizes[:4])
        raise InputError(
            f"the slices of the series have {len(sizes)} sizes ({listed})",
            file=path,
            mend="keep the slices of one size in the folder",
        )
    if len({h.channels for h in headers}) > 1:
        raise InputError("the series mixes grey and colour images", file=path, mend="keep one kind in the folder")
    spacings = np.array([h.pixel_spacing for h in headers])
    if np.ptp(spacings, axis=0).max() > 1e-3 * spacings.min():
        raise InputError(
            "the slices of the series have different pixel spacings",
            file=path,
            mend="keep the slices of one pixel spacing in the folder",
        )
    if not first.has_spacing:
        warn("the DICOM file has no pixel spacing, 1 mm is assumed", path, "give the spacing", SpacingAssumedWarning)
    if any(h.position is None or h.orientation is None for h in headers):
        return _without_positions(path, headers)
    return _with_positions(path, headers)


def _without_positions(path: Path, headers: list[SliceHeader]) -> Grid:
    first = headers[0]
    if len(headers) > 1:
        if any(h.instance is None for h in headers) or len({h.instance for h in headers}) < len(headers):
            raise InputError(
                "the slices of the series have neither positions nor distinct instance numbers",
                file=path,
                mend="export the series again with its geometry",
            )
        headers = sorted(headers, key=lambda h: h.instance or 0)
        warn(
            "the slices have no positions; they are stacked by instance number",
            path,
            "compare the order with the source",
            SpacingAssumedWarning,
        )
    step = first.between or first.thickness or 1.0
    return headers, (*_in_plane(first), step), (0.0, 0.0, 0.0), np.eye(3)


def _with_positions(path: Path, headers: list[SliceHeader]) -> Grid:
    orientations = np.array([h.orientation for h in headers])
    if np.ptp(orientations, axis=0).max() > 1e-3:
        directions = len({tuple(np.round(o, 2)) for o in orientations})
        raise InputError(
            f"the slices of the series lie in {max(directions, 2)} orientations (a localiser or a radial series?)",
            file=path,
            mend="keep the slices of one orientation in the folder",
        )
    row, column = orientations[0][:3], orientations[0][3:]
    direction = orthonormal(np.column_stack([row, column, np.cross(row, column)]), path)
    normal = direction[:, 2]
    positions = np.array([h.position for h in headers])
    heights = positions @ normal
    order = np.argsort(heights, kind="stable")
    headers, positions, heights = [headers[n] for n in order], positions[order], heights[order]
    step = _step(path, headers[0], heights)
    if len(headers) > 1:
        _check_tilt(path, positions, normal)
    origin = positions[0]
    return headers, (*_in_plane(headers[0]), step), (float(origin[0]), float(origin[1]), float(origin[2])), direction


def _in_plane(header: SliceHeader) -> tuple[float, float]:
    return float(header.pixel_spacing[0]), float(header.pixel_spacing[1])


def _step(path: Path, first: SliceHeader, heights: np.ndarray) -> float:
    if len(heights) == 1:
        return first.between or first.thickness or 1.0
    gaps = np.diff(heights)
    typical = float(np.median(gaps))
    same = int((gaps < max(1e-3, 0.05 * typical)).sum())
    if same:
        raise InputError(
            f"{same + 1} or more slices of the series lie at the same position (time points, echoes or copies)",
            file=path,
            mend="keep one image for each position in the folder",
        )
    ratio = gaps / typical
    missing = int((np.round(ratio) - 1)[np.abs(ratio - np.round(ratio)) < 0.2].sum())
    if missing:
        where = float(heights[int(np.argmax(gaps))])
        raise InputError(
            f"about {missing} of {len(heights) + missing} slices are missing (the largest gap follows "
            f"{where:.1f} mm along the normal)",
            file=path,
            mend="export the whole series again",
        )
    step = float(heights[-1] - heights[0]) / (len(heights) - 1)
    off = np.abs(heights - (heights[0] + step * np.arange(len(heights)))).max() / step
    if off > REFUSED_SHARE:
        raise InputError(
            f"the slices are unevenly spaced ({gaps.min():.2f} to {gaps.max():.2f} mm)",
            file=path,
            mend="resample the series onto a regular grid, for example in Slicer",
        )
    if off > NOTED_SHARE:
        warn(f"the slices are unevenly spaced ({gaps.min():.2f} to {gaps.max():.2f} mm); {step:.3f} mm is used", path)
    return step


def _check_tilt(path: Path, positions: np.ndarray, normal: np.ndarray) -> None:
    way = positions[-1] - positions[0]
    along = float(way @ normal)
    sideways = float(np.linalg.norm(way - along * normal))
    if sideways > MENDABLE * along:
        angle = np.degrees(np.arctan2(sideways, along))
        raise InputError(
            f"the slices are shifted against each other (gantry tilt of {angle:.1f}°)",
            file=path,
            mend="load the series in Slicer with acquisition geometry regularisation, and save it as .nrrd",
        )
    bent = positions - positions[0] - np.linspace(0, 1, len(positions))[:, None] * way
    if np.linalg.norm(bent - (bent @ normal)[:, None] * normal, axis=1).max() > 1.0:
        raise InputError(
            "the slices do not lie above one another", file=path, mend="keep the slices of one stack in the folder"
        )
