"""Cross-sections of a duct perpendicular to its centreline: area and centre, below the size of a voxel.

The area is the integral of the occupancy over the section, not the area inside a contour. Trilinear interpolation
keeps the sum of the voxels, so the integral of the sections along the centreline is the volume of the duct, whatever
the shape and the spacing of the voxels; a contour or a distance transform of the mask is off by up to half a voxel
each way and the worse the thinner the duct. See docs/measuring.md for the comparison.
"""

from __future__ import annotations

import numpy as np

from .grid import DuctGrid

RAYS = 24
SAMPLES = 28
#: A ray leaves the duct for good where the occupancy is below this.
OUTSIDE = 0.02


def frames(tangents: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two unit vectors (N, 3) each that span the planes perpendicular to unit ``tangents`` (N, 3)."""
    helper = np.zeros_like(tangents)
    helper[np.arange(len(tangents)), np.argmin(np.abs(tangents), axis=1)] = 1.0
    first = np.cross(tangents, helper)
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    return first, np.cross(tangents, first)


def cross_sections(
    grid: DuctGrid, points: np.ndarray, tangents: np.ndarray, radii: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Area in mm² (N,) and offset in mm (N, 3) of the centre of area from ``points``, in the plane of the section.

    Parameters
    ----------
    points : (N, 3) local mm on or near the centreline.
    tangents : (N, 3) unit vectors along it.
    radii : (N,) mm, roughly the radius; rays reach 2.2 times as far and two voxels more.

    Each ray is followed from the point outwards until it leaves the duct, or until it comes into another one: where the
    occupancy, once below one half, rises again.
    """
    angles = np.arange(RAYS) * (2 * np.pi / RAYS)
    first, second = frames(tangents)
    rays = np.cos(angles)[None, :, None] * first[:, None, :] + np.sin(angles)[None, :, None] * second[:, None, :]
    voxel = _across(grid.spacing, tangents)
    reach = 2.2 * radii + 2.0 * voxel
    width = reach / SAMPLES
    rho = (np.arange(SAMPLES) + 0.5)[None, :] * width[:, None]
    positions = points[:, None, None, :] + rays[:, :, None, :] * rho[:, None, :, None]
    inside = grid.sample(positions)  # (N, rays, samples)

    rising = np.zeros(inside.shape, dtype=bool)
    rising[..., 1:] = (inside[..., 1:] > inside[..., :-1] + 1e-3) & (inside[..., :-1] < 0.5)
    stop = (inside < OUTSIDE) | rising
    stop &= rho[:, None, :] > 0.75 * voxel[:, None, None]  # the middle of a diagonal step may lie between voxels
    inside = np.where(np.logical_or.accumulate(stop, axis=2), 0.0, inside)

    ring = rho[:, None, :] * width[:, None, None] * (2 * np.pi / RAYS)
    weight = inside * ring
    area = weight.sum(axis=(1, 2))
    moment = np.einsum("nrs,ns,nrc->nc", weight, rho, rays)
    offset = moment / np.maximum(area, 1e-9)[:, None]
    return area, offset


def disc_areas(grid: DuctGrid, points: np.ndarray, direction: np.ndarray, radius: float) -> np.ndarray:
    """Area in mm² (N,) of what is filled of discs of ``radius`` mm about ``points`` (N, 3), across ``direction`` (3,).

    For the tips of ducts: there the middle of a section may lie outside already while its rim does not, and rays that
    end where they leave the duct, as those of `cross_sections` do, would see nothing of it.
    """
    angles = np.arange(RAYS) * (2 * np.pi / RAYS)
    first, second = (vectors[0] for vectors in frames(direction[None]))
    rays = np.cos(angles)[:, None] * first + np.sin(angles)[:, None] * second
    width = radius / SAMPLES
    rho = (np.arange(SAMPLES) + 0.5) * width
    inside = grid.sample(points[:, None, None, :] + rays[:, None, :] * rho[:, None])
    return (inside * rho).sum(axis=(1, 2)) * width * (2 * np.pi / RAYS)


def _across(spacing: np.ndarray, tangents: np.ndarray) -> np.ndarray:
    """The widest extent (N,) in mm that one voxel spacing has across ``tangents`` (N, 3)."""
    return (spacing * np.sqrt(np.clip(1 - tangents**2, 0, 1))).max(axis=1)


def voxel_across(grid: DuctGrid, tangents: np.ndarray) -> np.ndarray:
    """What limits the calibre of a duct running along ``tangents`` (N, 3): the widest spacing across it, (N,) in mm."""
    return _across(grid.spacing, tangents)
