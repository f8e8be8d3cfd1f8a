"""A measurement as DICOM: the segment as Segmentation, the figures as Structured Report (TID 1500), by highdicom.

Both belong to the patient and study of the series that was segmented, and so carry the identity that stands in it.
"""

from .write import write_dicom

__all__ = ["write_dicom"]
