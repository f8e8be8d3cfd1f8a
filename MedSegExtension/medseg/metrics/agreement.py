"""How well one structure of a prediction agrees with the reference: all figures of a case, and what empty masks do."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from scipy import ndimage

from ..errors import InputError
from .box import bounding_box, check_pair, check_shapes
from .centreline import betti0, cldice_parts
from .overlap import count
from .surface import surface_distances

_NAN = float("nan")


@dataclass(frozen=True)
class Agreement:
    """Agreement of one structure of one case.

    Empty masks: where exactly one of prediction and reference is empty, every overlap is 0 (Dice, IoU, precision,
    recall, clDice and its parts, NSD), and HD95 and ASSD are the diagonal of the image in mm, so that a missed
    structure costs more than any misplaced one. Where both are empty the case is not counted: ``counted`` is False, the
    two volumes are 0 and every other figure is NaN.

    Attributes
    ----------
    dice, iou, precision, recall : of voxels, in [0, 1].
    cldice, cldice_precision, cldice_sensitivity : of centrelines, in [0, 1].
    betti0_error : absolute difference of the numbers of parts (26-connected).
    nsd_1mm, nsd_1voxel : normalised surface Dice within 1 mm, and within one voxel step along an axis, in [0, 1].
    hd95_mm, assd_mm : 95th percentile Hausdorff distance and average symmetric surface distance.
    volume_prediction_ml, volume_reference_ml : volumes.
    volume_difference_ml, volume_difference_percent : prediction minus reference, and in percent of the reference (NaN
        where the reference is empty).
    counted : whether the case enters means.
    note : empty, or why figures are not measured but set by the policy.
    """

    dice: float
    iou: float
    precision: float
    recall: float
    cldice: float
    cldice_precision: float
    cldice_sensitivity: float
    betti0_error: float
    nsd_1mm: float
    nsd_1voxel: float
    hd95_mm: float
    assd_mm: float
    volume_prediction_ml: float
    volume_reference_ml: float
    volume_difference_ml: float
    volume_difference_percent: float
    counted: bool
    note: str

    @classmethod
    def both_empty(cls) -> Agreement:
        """What a case is worth that has the structure neither in the prediction nor in the reference."""
        return cls(
            dice=_NAN,
            iou=_NAN,
            precision=_NAN,
            recall=_NAN,
            cldice=_NAN,
            cldice_precision=_NAN,
            cldice_sensitivity=_NAN,
            betti0_error=_NAN,
            nsd_1mm=_NAN,
            nsd_1voxel=_NAN,
            hd95_mm=_NAN,
            assd_mm=_NAN,
            volume_prediction_ml=0.0,
            volume_reference_ml=0.0,
            volume_difference_ml=_NAN,
            volume_difference_percent=_NAN,
            counted=False,
            note="not counted: both empty",
        )

    def as_dict(self) -> dict[str, float | bool | str | None]:
        """The fields in order, ready for JSON: None for NaN."""
        return {
            name: None if isinstance(value, float) and math.isnan(value) else value
            for name, value in asdict(self).items()
        }


def evaluate_case(
    prediction: np.ndarray, reference: np.ndarray, spacing_kji_mm: tuple[float, float, float]
) -> Agreement:
    """Compare one structure.

    Parameters
    ----------
    prediction, reference : (K, J, I) bool masks on one grid.
    spacing_kji_mm : mm between voxel centres along k, j and i (``volume.spacing[::-1]``).

    Raises
    ------
    TypeError : a mask is not bool.
    InputError : the shapes differ, are not 3D, or the spacing is not three positive numbers.
    """
    check_pair(prediction, reference)
    spacing = _checked_spacing(spacing_kji_mm, prediction.shape)
    box = bounding_box(prediction | reference)
    if box is None:
        return Agreement.both_empty()
    return _compare(prediction[box], reference[box], spacing, prediction.shape)


def evaluate_labels(
    prediction: np.ndarray,
    reference: np.ndarray,
    spacing_kji_mm: tuple[float, float, float],
    labels: Iterable[int] | None = None,
) -> dict[int, Agreement]:
    """Compare label by label.

    Parameters
    ----------
    prediction, reference : (K, J, I) unsigned integer label maps on one grid; 0 is background.
    spacing_kji_mm : mm between voxel centres along k, j and i.
    labels : which labels, in this order; None takes every label that either map holds, ascending. A label that is asked
        for and in neither map is not counted.

    Raises
    ------
    TypeError : a map is not of unsigned integers.
    InputError : as :func:`evaluate_case`, and for a label below 1.
    """
    check_shapes(prediction, reference)
    spacing = _checked_spacing(spacing_kji_mm, prediction.shape)
    boxes_prediction = _label_boxes(prediction, "prediction")
    boxes_reference = _label_boxes(reference, "reference")
    wanted = sorted(boxes_prediction.keys() | boxes_reference.keys()) if labels is None else list(labels)
    agreements = {}
    for label in wanted:
        if label < 1:
            raise InputError(f"label {label} cannot be evaluated", mend="name labels of 1 and above; 0 is background")
        boxes = [found[label] for found in (boxes_prediction, boxes_reference) if label in found]
        if not boxes:
            agreements[label] = Agreement.both_empty()
            continue
        box = tuple(
            slice(min(s.start for s in along), max(s.stop for s in along)) for along in zip(*boxes, strict=True)
        )
        agreements[label] = _compare(prediction[box] == label, reference[box] == label, spacing, prediction.shape)
    return agreements


def _label_boxes(labels: np.ndarray, name: str) -> dict[int, tuple[slice, ...]]:
    """The bounding box of each label that a map holds, found in one pass."""
    if not np.issubdtype(labels.dtype, np.unsignedinteger):
        raise TypeError(f"the {name} must be a label map of unsigned integers, not {labels.dtype}")
    return {n: box for n, box in enumerate(ndimage.find_objects(labels), start=1) if box is not None}


def _checked_spacing(spacing_kji_mm: Sequence[float], shape: tuple[int, ...]) -> tuple[float, float, float]:
    if len(shape) != 3:
        raise InputError(f"a mask has three axes, this one has {len(shape)}", mend="pass one slice as (1, J, I)")
    spacing = tuple(float(s) for s in spacing_kji_mm)
    if len(spacing) != 3 or not all(math.isfinite(s) and s > 0 for s in spacing):
        raise InputError(f"the spacing {spacing} is not three positive numbers", mend="give mm along k, j and i")
    return spacing


def _diagonal_mm(shape: tuple[int, ...], spacing: tuple[float, float, float]) -> float:
    """From the outer corner of the first voxel to that of the last: more than any distance between voxel centres."""
    return math.dist((0.0, 0.0, 0.0), [n * s for n, s in zip(shape, spacing, strict=True)])


def _compare(
    prediction: np.ndarray,
    reference: np.ndarray,
    spacing: tuple[float, float, float],
    image_shape: tuple[int, ...],
) -> Agreement:
    """Compare two masks, not both empty, already cut to a box around them out of an image of ``image_shape``."""
    counts = count(prediction, reference)
    centreline = cldice_parts(prediction, reference)
    if counts.prediction and counts.reference:
        surfaces = surface_distances(prediction, reference, spacing, image_shape)
        nsd_1mm, nsd_1voxel = surfaces.normalised_dice(1.0), surfaces.normalised_dice_1voxel()
        hd95_mm, assd_mm = surfaces.hausdorff(95.0), surfaces.average()
        note = ""
    else:
        nsd_1mm = nsd_1voxel = 0.0
        hd95_mm = assd_mm = _diagonal_mm(image_shape, spacing)
        note = f"{'reference' if counts.prediction else 'prediction'} empty: distances are the image diagonal"
    voxel_ml = math.prod(spacing) / 1000.0
    more = counts.prediction - counts.reference
    return Agreement(
        dice=counts.dice,
        iou=counts.iou,
        precision=counts.precision,
        recall=counts.recall,
        cldice=centreline.cldice,
        cldice_precision=centreline.precision,
        cldice_sensitivity=centreline.sensitivity,
        betti0_error=float(abs(betti0(prediction) - betti0(reference))),
        nsd_1mm=nsd_1mm,
        nsd_1voxel=nsd_1voxel,
        hd95_mm=hd95_mm,
        assd_mm=assd_mm,
        volume_prediction_ml=counts.prediction * voxel_ml,
        volume_reference_ml=counts.reference * voxel_ml,
        volume_difference_ml=more * voxel_ml,
        volume_difference_percent=100.0 * more / counts.reference if counts.reference else _NAN,
        counted=True,
        note=note,
    )
