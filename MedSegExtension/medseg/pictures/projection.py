"""A volume seen as a whole: maximum-intensity projection, and label surfaces lit from the viewer.

Both look along patient axes and are drawn as radiologists look at a cholangiogram: head up, patient's left on the
right.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import ndimage

from ..orientation import reorientation
from ..volume import Volume


@dataclass(frozen=True)
class View:
    """A picture and the size of its pixels: ``pixels`` (rows, columns[, 3]), ``aspect`` is row over column size."""

    pixels: np.ndarray
    aspect: float


def coronal_stack(volume: Volume) -> tuple[np.ndarray, tuple[float, float, float]]:
    """The voxels as (anterior to posterior, superior to inferior, right to left) and their spacing in mm."""
    turn = reorientation(volume, "coronal", "ILP")
    return turn.apply(volume.array), turn.spacing(volume)


def maximum_intensity_projection(volume: Volume) -> View:
    """Coronal maximum-intensity projection, windowed between the 1st and the 99.8th percentile to [0, 1]."""
    stack, (_, rows, columns) = coronal_stack(volume)
    projected = stack.max(axis=0).astype(np.float32)
    low, high = np.percentile(projected, [1, 99.8])
    return View(np.clip((projected - low) / max(high - low, 1e-6), 0, 1), rows / columns)


def lit_surfaces(
    labels: Volume, colors: Mapping[int, tuple[float, float, float]], turn_degrees: float = 0.0, pixel_mm: float = 0.75
) -> View:
    """The surfaces of a label map, from the front, turned about the head-foot axis; RGB in [0, 1] on black.

    Each label's mask is smoothed and sampled along parallel rays; where a ray first crosses one half there is the
    surface, lit by the slope of the smoothed mask (Levoy 1988, "Display of surfaces from volume data").
    """
    stack, spacing = coronal_stack(labels)
    present = (
        np.flatnonzero(stack.any(axis=(1, 2))),
        np.flatnonzero(stack.any(axis=(0, 2))),
        np.flatnonzero(stack.any(axis=(0, 1))),
    )
    if present[0].size == 0:
        return View(np.zeros((64, 64, 3), np.float32), 1.0)
    margin = 4
    box = tuple(slice(max(0, int(p[0]) - margin), int(p[-1]) + 1 + margin) for p in present)
    cut = stack[box]
    extent = np.array(cut.shape) * spacing
    a = np.radians(turn_degrees)
    width = abs(np.cos(a)) * extent[2] + abs(np.sin(a)) * extent[0]
    depth = abs(np.cos(a)) * extent[0] + abs(np.sin(a)) * extent[2]
    shape = tuple(int(np.ceil(mm / pixel_mm)) for mm in (depth, extent[1], width))
    # Output (depth, down, right) in mm about the centre → input voxels.
    rotation = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    matrix = np.diag(1 / np.array(spacing)) @ rotation * pixel_mm
    offset = (np.array(cut.shape) - 1) / 2 - matrix @ ((np.array(shape) - 1) / 2)
    nearest = np.full(shape[1:], np.inf, np.float32)
    picture = np.zeros((*shape[1:], 3), np.float32)
    for value, color in colors.items():
        mask = (cut == value).astype(np.float32)
        if not mask.any():
            continue
        # About one voxel of smoothing rounds the steps and keeps ducts of two voxels visible.
        smooth = ndimage.gaussian_filter(mask, [0.6 * min(spacing) / s for s in spacing])
        field = ndimage.affine_transform(smooth, matrix, offset, output_shape=shape, order=1)
        inside = field > 0.35
        hit = inside.any(axis=0)
        first = inside.argmax(axis=0)
        closer = hit & (first < nearest)
        light = _light(field, first)
        # A little darker with depth, so that what lies behind reads as behind.
        shade = (0.35 + 0.9 * light) * (1 - 0.35 * first / max(shape[0], 1))
        picture[closer] = np.minimum(shade[..., None] * np.asarray(color, np.float32), 1)[closer]
        nearest[closer] = first[closer]
    return View(picture, 1.0)


def _light(field: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Cosine between the viewer and the surface normal at the first crossing; (rows, columns) in [0, 1]."""
    rows, columns = np.indices(first.shape)
    depth, height, width = field.shape

    def at(d: Any, r: Any, c: Any) -> np.ndarray:
        return field[np.clip(d, 0, depth - 1), np.clip(r, 0, height - 1), np.clip(c, 0, width - 1)]

    slope = np.stack(
        [
            at(first + 1, rows, columns) - at(first - 1, rows, columns),
            at(first, rows + 1, columns) - at(first, rows - 1, columns),
            at(first, rows, columns + 1) - at(first, rows, columns - 1),
        ]
    )
    length = np.sqrt((slope**2).sum(axis=0))
    return np.where(length > 1e-6, np.clip(slope[0] / np.maximum(length, 1e-6), 0, 1), 0)
