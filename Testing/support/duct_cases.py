"""A small duct tree as label map, and the DICOM series that it was drawn in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from medseg.volume import Volume

#: A coronal-oblique series: columns of the direction matrix are the LPS directions of i, j and k.
ANGLE = np.radians(10)
DIRECTION = np.array([[1, 0, 0], [0, np.sin(ANGLE), np.cos(ANGLE)], [0, -np.cos(ANGLE), np.sin(ANGLE)]])
#: Tubes of the tree, LPS mm: start, stop, radius.
TUBES = (
    ((-2.0, 4.0, -34.0), (0.0, 0.0, 0.0), 3.2),
    ((0.0, 0.0, 0.0), (-22.0, 2.0, 14.0), 2.2),
    ((0.0, 0.0, 0.0), (22.0, -4.0, 14.0), 2.2),
)
#: The right duct is narrowed here.
STRICTURE = np.array([-11.0, 1.0, 7.0])


def draw(tubes=TUBES, stricture: np.ndarray | None = STRICTURE, shape=(20, 68, 60), spacing=(1.0, 1.0, 1.1)) -> Volume:
    """Label 1 where a voxel's centre lies in a tube; the lumen is 40 % as wide around ``stricture``."""
    grid = Volume(np.zeros(shape, np.uint8), spacing, (0.0, 0.0, 0.0), DIRECTION)
    middle = np.array(shape[::-1]) / 2 * np.array(spacing)
    origin = np.array([0.0, 0.0, -8.0]) - DIRECTION @ middle
    k, j, i = np.indices(shape)
    at = np.stack([i, j, k], axis=-1) * np.array(spacing) @ DIRECTION.T + origin
    for start, stop, radius in tubes:
        a, b = np.array(start), np.array(stop)
        t = np.clip((at - a) @ (b - a) / ((b - a) @ (b - a)), 0, 1)
        axis = a + t[..., None] * (b - a)
        width = np.full(shape, radius)
        if stricture is not None:
            near = np.linalg.norm(axis - stricture, axis=-1)
            width = width * (1 - 0.6 * np.clip((1 - near / 5.0) * 1.5, 0, 1))
        grid.array[np.linalg.norm(at - axis, axis=-1) <= width] = 1
    return Volume(grid.array, spacing, tuple(float(x) for x in origin), DIRECTION, name="case")


def write_series(labels: Volume, folder: Path, number: int = 4) -> Path:
    """MR images with every attribute that an MR Image Storage object must have."""
    pydicom = pytest.importorskip("pydicom")
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    study, uid, frame = (generate_uid(entropy_srcs=[folder.name, word]) for word in ("study", f"{number}", "frame"))
    columns, rows, normal = labels.direction.T
    for k, mask in enumerate(labels.array):
        ds = pydicom.Dataset()
        ds.SOPClassUID, ds.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.4", generate_uid()
        ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = study, uid, frame
        ds.PatientName, ds.PatientID, ds.PatientBirthDate, ds.PatientSex = "Nov^Ada", "4711", "19500101", "F"
        ds.StudyDate, ds.StudyTime, ds.StudyID, ds.AccessionNumber = "20260102", "101112", "7", "A1"
        ds.ReferringPhysicianName, ds.PositionReferenceIndicator = "", ""
        ds.Modality, ds.Manufacturer, ds.SeriesNumber = "MR", "Scanner", number
        ds.ImageType = ["ORIGINAL", "PRIMARY", "OTHER"]
        ds.ScanningSequence, ds.SequenceVariant, ds.ScanOptions, ds.MRAcquisitionType = "SE", "NONE", "", "3D"
        ds.RepetitionTime, ds.EchoTime, ds.EchoTrainLength = 3000, 600, 100
        ds.InstanceNumber = len(labels.array) - k
        position = np.array(labels.origin) + normal * labels.spacing[2] * k
        ds.ImagePositionPatient = [f"{x:.6f}" for x in position]
        ds.ImageOrientationPatient = [f"{x:.8f}" for x in (*columns, *rows)]
        ds.PixelSpacing, ds.SliceThickness = [labels.spacing[1], labels.spacing[0]], labels.spacing[2]
        ds.Rows, ds.Columns = mask.shape
        ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
        ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 0
        ds.PixelData = (mask.astype("<u2") * 800 + 100).tobytes()
        ds.file_meta = pydicom.dataset.FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        folder.mkdir(parents=True, exist_ok=True)
        ds.save_as(folder / f"IM{(k * 7) % 97:04d}_{number}.dcm", enforce_file_format=True)
    return folder
