"""The measured tree as a picture: the surface lit, coloured by calibre, on white, without OpenGL."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import cKDTree

if TYPE_CHECKING:
    from ..ducts import DuctMeasurement

#: Colours of calibre: dark blue for narrow, yellow for wide; even steps, and in order in grey print as well.
COLOURS = "viridis"
#: Light from the upper left in front, as unit vector (right, up, towards the viewer).
_LIGHT = np.array([-0.45, 0.55, 0.70]) / np.linalg.norm([-0.45, 0.55, 0.70])
#: Pixels drawn for each pixel shown, along each axis.
_FINER = 2
_MARGIN_MM = 6.0
#: A small tree is not enlarged beyond this pixel size: there is nothing more to see, and time goes with the area.
_LEAST_PIXEL_MM = 0.2


@dataclass(frozen=True)
class TreePicture:
    """A picture of the tree.

    Attributes
    ----------
    pixels : (H, W, 3) float32 in [0, 1]. pixel_mm : size of a pixel.
    place : from (N, 3) LPS mm to (N, 2) pixel positions (x to the right, y down).
    """

    pixels: np.ndarray
    pixel_mm: float
    place: Callable[[np.ndarray], np.ndarray]


def calibre_range(m: DuctMeasurement) -> tuple[float, float]:
    """What the colours run over, in mm: from 0 to the widest duct, rounded up to whole mm."""
    widest = max((float(b.measured_mm.max()) for b in m.branches), default=1.0)
    return 0.0, float(max(np.ceil(widest), 1.0))


def fitting_pixel_mm(m: DuctMeasurement, turn_degrees: float, width_px: int, height_px: int) -> float:
    """The pixel size at which the whole tree is in the picture."""
    _, low, high = _seen(m, turn_degrees)
    return float(max((high[0] - low[0]) / width_px, (high[1] - low[1]) / height_px, _LEAST_PIXEL_MM))


def _view(turn_degrees: float) -> np.ndarray:
    """(3, 3), its rows the LPS directions to the right, up, and towards the viewer."""
    a = np.radians(turn_degrees)
    return np.array([[np.cos(a), np.sin(a), 0.0], [0.0, 0.0, 1.0], [np.sin(a), -np.cos(a), 0.0]])


def _seen(m: DuctMeasurement, turn_degrees: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vertices (V, 3) as the viewer sees them, in mm, and the corners of the picture."""
    vertices = m.surface_lps_mm[0]
    seen = vertices @ _view(turn_degrees).T if len(vertices) else np.zeros((1, 3))
    return seen, seen.min(axis=0) - _MARGIN_MM, seen.max(axis=0) + _MARGIN_MM


def tree_picture(
    m: DuctMeasurement,
    turn_degrees: float = 0.0,
    width_px: int = 700,
    height_px: int = 700,
    pixel_mm: float | None = None,
) -> TreePicture:
    """The surface of the ducts from the front, turned about the head-foot axis; scaled to fit without ``pixel_mm``.

    As radiologists look at a cholangiogram: head up, the patient's left on the right. ``turn_degrees`` turns the
    viewer to the patient's left. A surface point has the colour of the calibre at the nearest point of the
    centreline, and is grey where its part has none.
    """
    from matplotlib import colormaps

    vertices, faces = m.surface_lps_mm
    view = _view(turn_degrees)
    seen, low, high = _seen(m, turn_degrees)
    pixel = pixel_mm or fitting_pixel_mm(m, turn_degrees, width_px, height_px)
    middle = (low + high) / 2

    def place(points: np.ndarray) -> np.ndarray:
        p = np.atleast_2d(points) @ view.T - middle
        return np.stack([p[:, 0] / pixel + width_px / 2, height_px / 2 - p[:, 1] / pixel], axis=1)

    shape = (height_px * _FINER, width_px * _FINER)
    pixels = np.ones((*shape, 3), np.float32)
    if len(faces):
        face, weights = _samples(seen[faces], pixel / _FINER)
        corners = faces[face]
        at = np.einsum("nc,nca->na", weights, seen[corners])
        column = np.floor((at[:, 0] - middle[0]) / (pixel / _FINER) + shape[1] / 2).astype(int)
        row = np.floor(shape[0] / 2 - (at[:, 1] - middle[1]) / (pixel / _FINER)).astype(int)
        inside = (column >= 0) & (column < shape[1]) & (row >= 0) & (row < shape[0])
        flat = row * shape[1] + column
        nearest = np.full(shape[0] * shape[1], -np.inf)
        np.maximum.at(nearest, flat[inside], at[inside, 2])
        front = np.flatnonzero(inside)
        front = front[at[front, 2] >= nearest[flat[front]]]
        normals = _normals(vertices, faces) @ view.T
        normal = np.einsum("nc,nca->na", weights[front], normals[corners[front]])
        normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
        colour = _colours(m, np.einsum("nc,nca->na", weights[front], vertices[corners[front]]), colormaps[COLOURS])
        depth = (at[front, 2] - at[:, 2].min()) / max(float(np.ptp(at[:, 2])), 1e-6)
        pixels.reshape(-1, 3)[flat[front]] = _lit(colour, normal, depth)
    pixels = pixels.reshape(height_px, _FINER, width_px, _FINER, 3).mean(axis=(1, 3))
    return TreePicture(pixels, pixel, place)


def _samples(triangles: np.ndarray, pixel_mm: float) -> tuple[np.ndarray, np.ndarray]:
    """Triangle numbers (N,) and weights of the corners (N, 3) of points so close that no pixel is left out."""
    flat = triangles[:, :, :2]
    edges = np.linalg.norm(flat - np.roll(flat, 1, axis=1), axis=2).max(axis=1)
    steps = np.clip(np.ceil(edges / (0.7 * pixel_mm)).astype(int), 1, 40)
    faces, weights = [], []
    for n in np.unique(steps).tolist():
        a, b = np.meshgrid(np.arange(n + 1), np.arange(n + 1), indexing="ij")
        keep = a + b <= n
        w = np.stack([a[keep], b[keep], n - a[keep] - b[keep]], axis=1) / n
        mine = np.flatnonzero(steps == n)
        faces.append(np.repeat(mine, len(w)))
        weights.append(np.tile(w, (len(mine), 1)))
    return np.concatenate(faces), np.concatenate(weights)


def _normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Outward unit normals (V, 3), the mean of those of the triangles around."""
    a, b, c = (vertices[faces[:, n]] for n in range(3))
    across = np.cross(b - a, c - a)
    total = np.stack(
        [np.bincount(faces.ravel(), np.repeat(across[:, axis], 3), minlength=len(vertices)) for axis in range(3)],
        axis=1,
    )
    return total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-12)


def _colours(m: DuctMeasurement, points: np.ndarray, scale: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """RGB (N, 3) by the calibre at the nearest centreline point."""
    if not m.branches:
        return np.full((len(points), 3), 0.6)
    line = np.concatenate([b.points_lps_mm for b in m.branches])
    calibre = np.concatenate([b.measured_mm for b in m.branches])
    apart, nearest = cKDTree(line).query(points)
    low, high = calibre_range(m)
    colour = np.asarray(scale((calibre[nearest] - low) / (high - low)))[:, :3]
    colour[apart > calibre[nearest] + 3.0] = 0.6
    return colour


def _lit(colour: np.ndarray, normal: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Colours (N, 3) under a light, darker at the outline, paler where far away."""
    diffuse = np.clip(normal @ _LIGHT, 0, 1)
    facing = np.clip(normal[:, 2], 0, 1)
    half = (_LIGHT + np.array([0, 0, 1.0])) / np.linalg.norm(_LIGHT + np.array([0, 0, 1.0]))
    shine = 0.25 * np.clip(normal @ half, 0, 1) ** 24
    shade = (0.38 + 0.72 * diffuse) * (0.55 + 0.45 * np.sqrt(facing))
    lit = np.clip(colour * shade[:, None] + shine[:, None], 0, 1)
    pale = 0.30 * (1 - depth)[:, None]
    return (lit * (1 - pale) + pale).astype(np.float32)
