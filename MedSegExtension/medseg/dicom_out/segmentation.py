"""The measured label as a DICOM Segmentation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from ..io import SegmentInfo
from ..version import __version__
from .source import Source, onto_grid

if TYPE_CHECKING:
    from ..ducts import DuctMeasurement, Origin
    from ..volume import Volume

MANUFACTURER = "MedSegExtension"
#: LO holds 64 characters.
SERIES_NOTE = "RESEARCH USE ONLY"
_DUCT_COLOUR = (0.0, 0.57, 0.12)


def dicom_segmentation(
    source: Source, labels: Volume, m: DuctMeasurement, origin: Origin, segment: SegmentInfo | None
) -> Any:
    """A highdicom ``Segmentation`` of the label that ``m`` measured, one binary segment."""
    import highdicom as hd

    mask = onto_grid(labels, source.grid) == m.label
    if not mask.any():
        raise InputError(
            f"label {m.label} is empty: there is nothing to write as DICOM SEG",
            file=labels.source,
            mend="choose a label that occurs",
        )
    segment = segment or SegmentInfo(m.label, "bile ducts", _DUCT_COLOUR)
    category, kind = coded(segment)
    description = hd.seg.SegmentDescription(
        segment_number=1,
        segment_label=segment.name[:64],
        segmented_property_category=category,
        segmented_property_type=kind,
        algorithm_type="SEMIAUTOMATIC" if origin.edited else "AUTOMATIC",
        algorithm_identification=algorithm(origin),
        tracking_uid=hd.UID(),
        tracking_id=f"medseg label {m.label}",
        display_color=hd.color.CIELabColor.from_rgb(*(round(255 * part) for part in segment.color)),
    )
    first = source.datasets[0]
    return hd.seg.Segmentation(
        source_images=source.datasets,
        pixel_array=mask[source.frames].astype(np.uint8),
        segmentation_type="BINARY",
        segment_descriptions=[description],
        series_instance_uid=hd.UID(),
        series_number=_number(first, 1),
        sop_instance_uid=hd.UID(),
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name="medseg",
        software_versions=__version__,
        device_serial_number=__version__,
        content_label="DUCTS",
        content_description=f"{SERIES_NOTE}; not for diagnosis" + ("; synthetic training" if origin.synthetic else ""),
        series_description=f"{segment.name[:38]}, {SERIES_NOTE}",
    )


def algorithm(origin: Origin) -> Any:
    """What made the segmentation; the measuring is identified in the report itself."""
    import highdicom as hd
    from pydicom.sr.codedict import codes

    parameters = {"intended use": SERIES_NOTE}
    if origin.synthetic:
        parameters["training data"] = "synthetic cases only"
    if origin.edited:
        parameters["edited"] = "corrected by a person"
    return hd.AlgorithmIdentificationSequence(
        name=(origin.model or "medseg, model not stated")[:64],
        family=codes.cid7162.ArtificialIntelligence,
        version=(origin.version or "not stated")[:64],
        source=MANUFACTURER,
        parameters=parameters,
    )


def coded(segment: SegmentInfo) -> tuple[Any, Any]:
    """Category and type of a segment: from its terminology, else an anatomical structure and a bile duct."""
    from pydicom.sr.codedict import codes
    from pydicom.sr.coding import Code

    parts = (segment.terminology or "").split("~")
    found = []
    for entry in parts[1:3]:
        scheme, _, rest = entry.partition("^")
        value, _, meaning = rest.partition("^")
        if scheme and value and meaning:
            found.append(Code(value, scheme, meaning))
    if len(found) == 2:
        return found[0], found[1]
    return Code("123037004", "SCT", "Anatomical Structure"), codes.SCT.BileDuct


def _number(first: Any, which: int) -> int:
    """A series number far from those of the scanner; ``which`` 1 for the segmentation, 2 for the report."""
    try:
        return min(int(first.get("SeriesNumber") or 0), 9999) * 100 + which
    except (TypeError, ValueError):
        return which
