"""Moving the slice views to what was found."""

from __future__ import annotations

import numpy as np
import slicer

from .volumeInput import RAS_TO_LPS


def segmentPoint(labels, value: int) -> np.ndarray | None:
    """A RAS point inside a structure, in the middle of one of its large slices; None where it is empty.

    :param labels: the run's label map (`medseg.Volume`) on the grid of the volume as it lies in the world.
    """
    counts = np.count_nonzero(labels.array == value, axis=(1, 2))
    if not counts.any():
        return None
    # Of the largest slices the one nearest to the middle.
    largest = np.flatnonzero(counts >= 0.9 * counts.max())
    k = int(largest[np.abs(largest - np.average(np.arange(counts.size), weights=counts)).argmin()])
    rows, columns = np.nonzero(labels.array[k] == value)
    middle = np.argmin((rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2)
    lps = labels.ijk_to_lps @ np.array([columns[middle], rows[middle], k, 1.0])
    return (RAS_TO_LPS @ lps)[:3]


def goTo(labels, value: int) -> bool:
    """Move all slice views to a structure. False where there is nothing of it."""
    point = segmentPoint(labels, value)
    if point is None:
        return False
    mode = slicer.vtkMRMLSliceNode.CenteredJumpSlice
    slicer.vtkMRMLSliceNode.JumpAllSlices(slicer.mrmlScene, *(float(x) for x in point), mode)
    return True
