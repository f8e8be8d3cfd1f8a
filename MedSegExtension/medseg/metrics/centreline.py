"""Agreement of centrelines and of parts: clDice and the Betti-0 error."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import ndimage

from ..skeleton import skeletonise
from .box import check_pair


class ClDice(NamedTuple):
    """clDice and its two parts, each in [0, 1]; all NaN where both masks are empty, all 0 where one is."""

    cldice: float
    precision: float
    sensitivity: float


def cldice_parts(prediction: np.ndarray, reference: np.ndarray) -> ClDice:
    """clDice of two (K, J, I) bool masks (Shit et al., CVPR 2021).

    Topology precision is the share of the prediction's skeleton that lies in the reference, topology sensitivity the
    share of the reference's skeleton that lies in the prediction, clDice their harmonic mean. Skeleton voxels count
    once each, whatever the spacing. The skeleton is :func:`medseg.metrics.skeletonise`, not Lee's of scikit-image,
    which the paper's code uses and which loses ducts of even width.

    Raises
    ------
    TypeError, InputError : as :func:`medseg.metrics.dice`.
    """
    check_pair(prediction, reference)
    has_prediction, has_reference = bool(prediction.any()), bool(reference.any())
    if not has_prediction and not has_reference:
        return ClDice(float("nan"), float("nan"), float("nan"))
    if not has_prediction or not has_reference:
        return ClDice(0.0, 0.0, 0.0)
    precision = float(reference[skeletonise(prediction)].mean())
    sensitivity = float(prediction[skeletonise(reference)].mean())
    total = precision + sensitivity
    return ClDice(2 * precision * sensitivity / total if total else 0.0, precision, sensitivity)


def cldice(prediction: np.ndarray, reference: np.ndarray) -> float:
    """clDice alone; see :func:`cldice_parts`."""
    return cldice_parts(prediction, reference).cldice


def betti0(mask: np.ndarray) -> int:
    """Number of parts of a bool mask; voxels that share a face, an edge or a corner belong to the same part."""
    return int(ndimage.label(mask, np.ones((3,) * mask.ndim))[1])
