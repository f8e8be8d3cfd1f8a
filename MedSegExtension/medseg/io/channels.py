"""Images of several channels: 4D NIfTI, colour pictures, vector images, each channel as a volume."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..volume import Volume
from .names import case_name, suffix_of
from .nifti import read_geometry, read_header, read_voxels
from .reading import NIFTI_SUFFIXES, check_exists, read_volume


def read_channels(path: str | Path, spacing: Sequence[float] | None = None) -> list[Volume]:
    """Every channel of an image, all on one grid; a grey 3D image gives one.

    A fourth NIfTI axis counts as channels here (Medical Segmentation Decathlon), where ``read_volume`` refuses it.
    ``spacing`` as in ``read_volume``. Raises and warns as ``read_volume``.
    """
    path = Path(path)
    check_exists(path)
    header = read_header(path) if path.is_file() and suffix_of(path) in NIFTI_SUFFIXES else None
    if header is None or len(header.shape) != 4 or math.prod(header.shape[3:]) == 1 or header.components > 1:
        return read_volume(path, spacing=spacing, colour="channels")
    geometry = read_geometry(path, header)
    array = read_voxels(path, header)
    first = Volume(array[0], *geometry, case_name(path), path)
    if spacing is not None:
        i, j, k = (*spacing, spacing[-1], spacing[-1])[:3]
        first = dataclasses.replace(first, spacing=(i, j, k))
    return [dataclasses.replace(first, array=np.ascontiguousarray(channel)) for channel in array]
