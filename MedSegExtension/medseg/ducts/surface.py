"""The closed surface of a duct, its area and the area of each connected part."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from ..errors import MissingPackageError
from ..packages import MEASURING
from .grid import DuctGrid

#: Standard deviation in voxels of the smoothing that takes the steps off the surface.
SMOOTHING_VOXELS = 0.8
#: How far a voxel stays on its own side of the surface, as a part of the way to its neighbour.
KEPT = 0.05
#: Voxels of one slab; bounds the memory, the surfaces of slabs meet exactly.
SLAB_VOXELS = 12_000_000


def duct_surface(grid: DuctGrid, parts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Triangles of the surface.

    Marching cubes (Lewiner et al., J Graphics Tools 2003;8(2):1-15, scikit-image) on the smoothed mask, limited so
    that every voxel stays on its side: no thin duct is smoothed away, no gap is closed, and the steps that would make
    the area too large are gone.

    Parameters
    ----------
    parts : (A, B, C) int, the connected part of each voxel of ``grid.mask``, 0 outside.

    Returns
    -------
    vertices : (V, 3) LPS mm. faces : (F, 3) indices, normals outwards. part : (F,) the part of each face.
    """
    try:
        from skimage.measure import marching_cubes
    except ImportError as error:
        raise MissingPackageError(
            "measuring needs scikit-image", mend="pip install 'medseg[measure]'", packages=MEASURING
        ) from error
    rows = grid.mask.shape[0]
    thickness = max(8, SLAB_VOXELS // int(np.prod(grid.mask.shape[1:])))
    halo = 4
    all_vertices, all_faces, all_parts, count = [], [], [], 0
    for start in range(0, rows - 1, thickness):
        stop = min(start + thickness, rows - 1)
        low, high = max(start - halo, 0), min(stop + 1 + halo, rows)
        mask = grid.mask[low:high]
        if not mask[start - low : stop + 1 - low].any():
            continue
        level = ndimage.gaussian_filter(mask.astype(np.float32), SMOOTHING_VOXELS, truncate=3.0, mode="constant")
        level = np.where(mask, np.maximum(level, 0.5 + KEPT), np.minimum(level, 0.5 - KEPT))
        level = level[start - low : stop + 1 - low]
        vertices, faces, _, _ = marching_cubes(level, 0.5, gradient_direction="ascent")
        vertices = vertices + np.array([start, 0, 0])
        # every vertex lies on the edge between a voxel inside and one outside
        first = np.floor(vertices[faces[:, 0]]).astype(int)
        second = np.ceil(vertices[faces[:, 0]]).astype(int)
        part = np.maximum(parts[tuple(first.T)], parts[tuple(second.T)])
        all_vertices.append(grid.to_lps(vertices * grid.spacing))
        all_faces.append(faces + count)
        all_parts.append(part)
        count += len(vertices)
    if not all_vertices:
        return np.zeros((0, 3)), np.zeros((0, 3), dtype=np.int64), np.zeros(0, dtype=np.int64)
    vertices, faces = np.concatenate(all_vertices), np.concatenate(all_faces).astype(np.int64)
    if len(all_vertices) > 1:
        vertices, faces = _merged(vertices, faces)
    if _signed_volume(vertices, faces) < 0:  # a mirrored index order turns the triangles inside out
        faces = faces[:, ::-1]
    vertices = _with_volume(
        vertices, faces, np.count_nonzero(grid.mask) * grid.voxel_volume_mm3, grid.spacing.min() / 3
    )
    return vertices, faces, np.concatenate(all_parts)


def _merged(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One vertex for each place: the slabs have those of their common plane twice."""
    _, first, index = np.unique(np.round(vertices, 5), axis=0, return_index=True, return_inverse=True)
    return vertices[first], index.reshape(-1)[faces]


def _with_volume(vertices: np.ndarray, faces: np.ndarray, volume: float, limit: float) -> np.ndarray:
    """Move the surface along its normals so that it encloses ``volume`` mm³, at most ``limit`` mm.

    Smoothing and the cut corners of marching cubes take volume from thin ducts.
    """
    for _ in range(2):
        a, b, c = (vertices[faces[:, n]] for n in range(3))
        across = np.cross(b - a, c - a)
        normals = np.stack(
            [
                np.bincount(faces.ravel(), weights=np.repeat(across[:, axis], 3), minlength=len(vertices))
                for axis in range(3)
            ],
            axis=1,
        )
        normals = normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
        area = 0.5 * float(np.linalg.norm(across, axis=1).sum())
        move = (volume - _signed_volume(vertices, faces)) / max(area, 1e-9)
        vertices = vertices + np.clip(move, -limit, limit) * normals
    return vertices


def triangle_areas(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Area (F,) in mm² of each triangle."""
    a, b, c = (vertices[faces[:, n]] for n in range(3))
    return 0.5 * np.linalg.norm(np.cross(b - a, c - a), axis=1)


def _signed_volume(vertices: np.ndarray, faces: np.ndarray) -> float:
    centred = vertices - vertices.mean(axis=0)
    a, b, c = (centred[faces[:, n]] for n in range(3))
    return float(np.einsum("ni,ni->", a, np.cross(b, c)) / 6)
