"""Distances between two surfaces in mm: NSD, HD95, ASSD.

The surface of a mask is its *surface voxels*: those that a binary erosion with the six face neighbours removes, with
everything beyond the edge of the image taken as background. An image of a single slice (an X-ray, a micrograph) has no
neighbours across it: its surfaces are outlines. A distance is Euclidean, in mm, from the centre of a
surface voxel to the nearest centre of a surface voxel of the other mask, and every surface voxel counts once.

This is MONAI's definition (``compute_hausdorff_distance``, ``compute_average_surface_distance``,
``compute_surface_dice`` with ``use_subvoxels=False``). DeepMind's ``surface-distance``, and MONAI with
``use_subvoxels=True``, take instead *boundary elements*: points at the corners between voxels, each weighted with its
area in mm². Ours do not weigh by area: the two differ on voxels much longer along one axis than along the others, and
both surfaces of a wall one voxel thick fall together in ours.

Nearest neighbours come from a k-d tree of scipy over the surface voxels. They are those of a Euclidean distance
transform to rounding (a test holds it), at a cost that follows the surface and not the volume.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.spatial import KDTree

#: Distances this far (mm) above a tolerance still lie within it: sums of spacings are not exact in binary.
ROUNDING_MM = 1e-6

_FACE_NEIGHBOURS = 1
_LEAF_SIZE = 32


@dataclass(frozen=True, eq=False)
class SurfaceDistances:
    """Distances between the surfaces of two non-empty masks.

    Attributes
    ----------
    from_prediction : (N,) mm, from each surface voxel of the prediction to the surface of the reference.
    from_reference : (M,) mm, the other way.
    touching : how many of the N + M surface voxels lie within one step along an axis of the other surface.
    """

    from_prediction: np.ndarray
    from_reference: np.ndarray
    touching: int

    def hausdorff(self, percentile: float = 95.0) -> float:
        """Hausdorff distance in mm: the larger of the percentiles (linear interpolation) of the two directions."""
        directed = (self.from_prediction, self.from_reference)
        return max(float(np.percentile(distances, percentile)) for distances in directed)

    def average(self) -> float:
        """Average symmetric surface distance in mm: the mean over the surface voxels of both masks together."""
        return float(np.concatenate([self.from_prediction, self.from_reference]).mean())

    def normalised_dice(self, tolerance_mm: float) -> float:
        """Normalised surface Dice: the share of both surfaces that lies within ``tolerance_mm`` of the other."""
        limit = tolerance_mm + ROUNDING_MM
        within = np.count_nonzero(self.from_prediction <= limit) + np.count_nonzero(self.from_reference <= limit)
        return int(within) / (self.from_prediction.size + self.from_reference.size)

    def normalised_dice_1voxel(self) -> float:
        """Normalised surface Dice within one voxel: the same voxel or a face neighbour, whatever the spacing."""
        return self.touching / (self.from_prediction.size + self.from_reference.size)


def surface_voxels(mask: np.ndarray, image_shape: tuple[int, ...] | None = None) -> np.ndarray:
    """(K, J, I) bool: the voxels of a (K, J, I) bool mask with a face neighbour outside it, or at the image's edge.

    ``image_shape`` is that of the whole image where ``mask`` is cut out of it: along an axis on which the image has a
    single voxel there are no neighbours and no edge.
    """
    cross = ndimage.generate_binary_structure(mask.ndim, _FACE_NEIGHBOURS)
    for axis, length in enumerate(image_shape or mask.shape):
        if length == 1:
            np.moveaxis(cross, axis, 0)[[0, 2]] = False
    return mask & ~ndimage.binary_erosion(mask, cross)


def surface_distances(
    prediction: np.ndarray,
    reference: np.ndarray,
    spacing_kji_mm: tuple[float, float, float],
    image_shape: tuple[int, ...] | None = None,
) -> SurfaceDistances:
    """Distances between the surfaces of two non-empty (K, J, I) bool masks; the spacing is in mm along k, j and i.

    ``image_shape`` as of `surface_voxels`.
    """
    of_prediction = surface_voxels(prediction, image_shape)
    of_reference = surface_voxels(reference, image_shape)
    points_prediction = np.argwhere(of_prediction) * np.asarray(spacing_kji_mm, dtype=float)
    points_reference = np.argwhere(of_reference) * np.asarray(spacing_kji_mm, dtype=float)
    return SurfaceDistances(
        _nearest(points_prediction, points_reference),
        _nearest(points_reference, points_prediction),
        _count_touching(of_prediction, of_reference) + _count_touching(of_reference, of_prediction),
    )


def _nearest(points: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """(N,) mm from each of (N, 3) points to the nearest of (M, 3) targets."""
    return KDTree(targets, leafsize=_LEAF_SIZE).query(points, workers=-1)[0]


def _count_touching(surface: np.ndarray, other: np.ndarray) -> int:
    """How many voxels of a surface are one of another surface, or have one as face neighbour."""
    cross = ndimage.generate_binary_structure(surface.ndim, _FACE_NEIGHBOURS)
    return int(np.count_nonzero(surface & ndimage.binary_dilation(other, cross)))
