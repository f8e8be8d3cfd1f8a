"""Planes that some terms need beside the labels: computed once for each slice, stored, and warped with the labels.

They are stored as bytes, as the labels are; 0, which a warp leaves outside the slice, means that nothing is there.
"""

from __future__ import annotations

import numpy as np
import torch
from medseg.skeleton import skeletonise
from scipy import ndimage
from torch import Tensor

from .settings import BorderCrossEntropy, Boundary, Loss, SkeletonRecall, Term

#: Objects farther away than this many sigma weigh nothing.
_REACH = 4.0


def planes_of(term: str, labels: int) -> int:
    """How many planes a term reads."""
    return {"skeleton_recall": 1, "boundary": labels, "border_cross_entropy": 1}.get(term, 0)


def planes_needed(settings: Loss, labels: int) -> int:
    """How many planes `make_planes` gives for so many labels."""
    return sum(planes_of(name, labels) for name in settings.all_terms)


def make_planes(settings: Loss, slice_labels: np.ndarray, labels: int) -> np.ndarray:
    """The planes of one slice in the order in which `Objective` reads them.

    Parameters
    ----------
    slice_labels : (H, W) uint8; 0 background, n the n-th label.
    labels : number of labels.

    Returns
    -------
    (P, H, W) uint8, in the order of the terms: thickened skeleton (label numbers), signed distance of each label (255
    deepest inside, 0 farthest outside), border weight (255 is ``w0``).
    """
    planes: list[np.ndarray] = []
    for term in settings.all_terms.values():
        if isinstance(term, SkeletonRecall):
            planes.append(thick_skeleton(slice_labels, term.radius))
        elif isinstance(term, Boundary):
            each = (signed_distance(slice_labels == n, term.limit) for n in range(1, labels + 1))
            planes += [(distance / term.limit - 1) * -127.5 for distance in each]
        elif isinstance(term, BorderCrossEntropy):
            planes.append(border_weight(slice_labels, term) * (255 / max(term.w0, 1e-6)))
    rounded = [np.rint(plane).astype(np.uint8) for plane in planes]
    return np.stack(rounded) if rounded else np.zeros((0, *slice_labels.shape), np.uint8)


def read_planes(term: Term, planes: Tensor) -> Tensor:
    """What `make_planes` stored for ``term``, (B, p, H, W) of any dtype, in the term's own numbers; float32."""
    values = planes.float()
    if isinstance(term, Boundary):
        return term.limit - values * (2 * term.limit / 255)
    if isinstance(term, BorderCrossEntropy):
        return values * (term.w0 / 255)
    return torch.round(values)


def thick_skeleton(labels: np.ndarray, radius: int) -> np.ndarray:
    """Each label's skeleton thickened by ``radius`` pixels within the label; (H, W), label numbers."""
    out = np.zeros_like(labels)
    for n in np.unique(labels[labels > 0]):
        mask = labels == n
        line = skeletonise(mask[None])[0]
        if radius > 0:
            line = ndimage.distance_transform_edt(~line) <= radius
        out[line & mask] = n
    return out


def signed_distance(mask: np.ndarray, limit: float) -> np.ndarray:
    """Pixels to the border, negative inside, up to ``limit``; (H, W) float32. Without the label all is ``limit``."""
    if not mask.any():
        return np.full(mask.shape, limit, np.float32)
    # Half a pixel: the border lies between the last pixel inside and the first outside.
    outside = ndimage.distance_transform_edt(~mask) - 0.5
    inside = ndimage.distance_transform_edt(mask) - 0.5
    return np.where(mask, -inside, outside).clip(-limit, limit).astype(np.float32)


def border_weight(labels: np.ndarray, term: BorderCrossEntropy) -> np.ndarray:
    """w0 · exp(−(d1 + d2)² / 2σ²) at pixels that belong to no object, 0 at those that do; (H, W) float32.

    Distances are taken within a box about each object: farther away the weight is below 1e-3 of ``w0``.
    """
    objects = labels > 0 if term.objects == "labels" else labels == 0
    parts, _ = ndimage.label(objects)
    far = _REACH * term.sigma
    nearest = np.full(labels.shape, np.inf, np.float32)
    second = nearest.copy()
    margin = int(np.ceil(far))
    for number, box in enumerate(ndimage.find_objects(parts), start=1):
        wide = tuple(slice(max(0, s.start - margin), s.stop + margin) for s in box)
        away = ndimage.distance_transform_edt(parts[wide] != number).astype(np.float32)
        first, then = nearest[wide], second[wide]
        second[wide] = np.minimum(then, np.maximum(first, away))
        nearest[wide] = np.minimum(first, away)
    both = nearest + second
    weight = term.w0 * np.exp(-(both**2) / (2 * term.sigma**2))
    return np.where(objects | (both > 2 * far), 0, weight).astype(np.float32)
