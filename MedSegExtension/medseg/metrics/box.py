"""What every metric does first: check the two masks, and cut away empty space, so that costly steps never see it."""

from __future__ import annotations

import numpy as np

from ..errors import InputError


def bounding_box(mask: np.ndarray) -> tuple[slice, ...] | None:
    """Slices of the smallest box that holds every non-zero element of an array; None where all are zero."""
    slices = []
    for axis in range(mask.ndim):
        others = tuple(a for a in range(mask.ndim) if a != axis)
        filled = np.flatnonzero(mask.any(axis=others))
        if not filled.size:
            return None
        slices.append(slice(int(filled[0]), int(filled[-1]) + 1))
    return tuple(slices)


def check_pair(prediction: np.ndarray, reference: np.ndarray) -> None:
    """Refuse what is not a pair of masks.

    Raises
    ------
    TypeError : an array is not bool; a label map taken for a mask would merge its structures unnoticed.
    InputError : the shapes differ.
    """
    for name, mask in (("prediction", prediction), ("reference", reference)):
        if mask.dtype != np.bool_:
            raise TypeError(f"the {name} must be a bool mask, not {mask.dtype}; compare with one label first")
    check_shapes(prediction, reference)


def check_shapes(prediction: np.ndarray, reference: np.ndarray) -> None:
    """Raise InputError where two arrays differ in shape."""
    if prediction.shape != reference.shape:
        raise InputError(
            f"the prediction has the shape {prediction.shape} and the reference {reference.shape}",
            mend="compare segmentations of the same volume, on its own grid",
        )
