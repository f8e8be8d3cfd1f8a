"""Write the DICOM objects of one measurement."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..ducts.origin import Origin
from ..errors import MissingPackageError
from ..io import atomic_path

if TYPE_CHECKING:
    from ..ducts import DuctMeasurement
    from ..io import SegmentInfo
    from ..volume import Volume


def write_dicom(
    m: DuctMeasurement,
    labels: Volume,
    series_folder: str | Path,
    folder: str | Path,
    stem: str,
    *,
    origin: Origin | None = None,
    series: str | None = None,
    segment: SegmentInfo | None = None,
) -> list[Path]:
    """Write ``<stem>-seg.dcm`` and ``<stem>-sr.dcm`` into an existing folder; returns both paths.

    Parameters
    ----------
    m : the measurement of one label of ``labels``.
    labels : the label map, on the grid of the series or turned, flipped or cropped from it by whole voxels.
    series_folder : the DICOM series that was segmented; ``series`` chooses one of several, as `read_volume` does.
    origin : which model made the segmentation, and whether a person corrected it.
    segment : name, colour and terminology of the label; a bile duct where it is not given.

    Raises
    ------
    InputError : no such series, or the label map does not lie on its grid.
    MissingPackageError : highdicom is not installed.
    """
    try:
        import highdicom  # noqa: F401
    except ImportError as error:
        raise MissingPackageError(
            "DICOM output needs highdicom", mend="pip install 'medseg[dicom]'", packages=["highdicom"]
        ) from error
    from .report import structured_report
    from .segmentation import dicom_segmentation
    from .source import read_source

    origin = origin or Origin()
    source = read_source(Path(series_folder), series)
    segmentation = dicom_segmentation(source, labels, m, origin, segment)
    report = structured_report(source, segmentation, m, origin)
    files = []
    for dataset, name in ((segmentation, f"{stem}-seg.dcm"), (report, f"{stem}-sr.dcm")):
        target = Path(folder) / name
        with atomic_path(target) as temporary:
            dataset.save_as(temporary)
        files.append(target)
    return files
