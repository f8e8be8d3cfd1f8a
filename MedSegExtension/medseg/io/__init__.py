"""Files in and out: volumes, label maps, segmentations, and complete-or-absent writing."""

from __future__ import annotations

from .atomic import atomic_path
from .channels import read_channels
from .dicom import SeriesInfo, list_series
from .labels import read_labels, read_segmentation_file
from .names import case_name, find_cases
from .notes import MedSegWarning, SpacingAssumedWarning
from .reading import check_finite, read_volume
from .segfile import SegmentInfo, write_segmentation_file
from .writing import write_labels, write_volume

__all__ = [
    "MedSegWarning",
    "SegmentInfo",
    "SeriesInfo",
    "SpacingAssumedWarning",
    "atomic_path",
    "case_name",
    "check_finite",
    "find_cases",
    "list_series",
    "read_channels",
    "read_labels",
    "read_segmentation_file",
    "read_volume",
    "write_labels",
    "write_segmentation_file",
    "write_volume",
]
