"""Small images that the tests of medseg.io make for themselves."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from medseg.volume import Volume

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"


@pytest.fixture
def shared_data() -> Path:
    """Public images that are not part of the repository."""
    if not DATA.is_dir():
        pytest.skip("the public images of ../shared/data are not here")
    return DATA


def oblique_direction() -> np.ndarray:
    """A proper rotation about all three axes."""
    a, b, c = np.radians([12.0, -7.0, 23.0])
    x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return x @ y @ z


@pytest.fixture
def oblique() -> Volume:
    """An oblique (5, 7, 9) int16 volume whose voxels all differ."""
    array = (np.arange(5 * 7 * 9).reshape(5, 7, 9) * 37 - 4000).astype(np.int16)
    return Volume(array, (0.7, 1.1, 3.3), (-20.5, 31.25, 7.0), oblique_direction(), "oblique")


@pytest.fixture
def quiet():
    """For tests of something else than the warning about pictures without a voxel size."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


class DicomSeries:
    """Writes DICOM slices with pydicom; every field that geometry depends on can be overridden."""

    def __init__(self, folder: Path) -> None:
        pytest.importorskip("pydicom")
        from pydicom.uid import generate_uid

        self.folder = folder
        self.uid = generate_uid(entropy_srcs=[folder.name, "series"])
        folder.mkdir(parents=True, exist_ok=True)

    def write(
        self,
        array: np.ndarray,
        heights: list[float] | None = None,
        *,
        direction: np.ndarray | None = None,
        spacing: tuple[float, float] = (0.8, 1.2),
        origin: tuple[float, float, float] = (-10.0, 20.0, 5.0),
        names: list[str] | None = None,
        **fields: object,
    ) -> Path:
        """One file for each slice of a (k, j, i) array at ``heights`` mm along the normal, in shuffled order."""
        direction = np.eye(3) if direction is None else direction
        heights = [2.5 * k for k in range(len(array))] if heights is None else heights
        for k, (slice_, height) in enumerate(zip(array, heights, strict=True)):
            position = np.asarray(origin) + direction[:, 2] * height
            name = names[k] if names else f"IM{(k * 7) % 97:04d}.dcm"
            self.write_slice(
                slice_, self.folder / name, position, direction, spacing, instance=len(array) - k, **fields
            )
        return self.folder

    def write_slice(
        self,
        pixels: np.ndarray,
        path: Path,
        position: np.ndarray | None,
        direction: np.ndarray,
        spacing: tuple[float, float] = (0.8, 1.2),
        instance: int = 1,
        **fields: object,
    ) -> Path:
        """One file. ``spacing`` is (i, j) mm; ``fields`` override or, when None, remove DICOM attributes by keyword."""
        from pydicom.dataset import FileDataset, FileMetaDataset
        from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = fields.get("SOPClassUID", MRImageStorage)
        meta.MediaStorageSOPInstanceUID = generate_uid()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
        dataset.SOPClassUID, dataset.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
        dataset.PatientName, dataset.PatientID = "Nováková^Žofie", "SECRET-4711"
        dataset.SpecificCharacterSet = "ISO_IR 192"
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = generate_uid(entropy_srcs=["study"]), self.uid
        dataset.SeriesNumber, dataset.SeriesDescription, dataset.Modality = 4, "T2 HASTE cor", "MR"
        dataset.InstanceNumber = instance
        dataset.ImageOrientationPatient = [f"{v:.10g}" for v in [*direction[:, 0], *direction[:, 1]]]
        if position is not None:
            dataset.ImagePositionPatient = [f"{v:.10g}" for v in position]
        dataset.PixelSpacing = [spacing[1], spacing[0]]
        dataset.Rows, dataset.Columns = pixels.shape[:2]
        colour = pixels.ndim == 3
        dataset.SamplesPerPixel = 3 if colour else 1
        dataset.PhotometricInterpretation = "RGB" if colour else "MONOCHROME2"
        if colour:
            dataset.PlanarConfiguration = 0
        dataset.BitsAllocated = dataset.BitsStored = pixels.dtype.itemsize * 8
        dataset.HighBit = dataset.BitsStored - 1
        dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
        dataset.PixelData = pixels.tobytes()
        for keyword, value in fields.items():
            if value is None:
                delattr(dataset, keyword)
            else:
                setattr(dataset, keyword, value)
        dataset.save_as(path, enforce_file_format=True)
        return path


@pytest.fixture
def dicom(tmp_path: Path) -> DicomSeries:
    return DicomSeries(tmp_path / "series one")


@pytest.fixture
def another_dicom(tmp_path: Path) -> DicomSeries:
    return DicomSeries(tmp_path / "another series")
