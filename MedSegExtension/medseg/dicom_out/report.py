"""The measurement as a DICOM Structured Report after TID 1500, Measurement Report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..version import __version__
from .segmentation import MANUFACTURER, SERIES_NOTE, _number
from .source import Source

if TYPE_CHECKING:
    from ..ducts import Branch, DuctMeasurement, Finding, Origin

#: Our own coding scheme, for what DICOM and SNOMED CT have no code that we could verify.
_SCHEME = "99MEDSEG"


def structured_report(source: Source, segmentation: Any, m: DuctMeasurement, origin: Origin) -> Any:
    """A highdicom ``Comprehensive3DSR``: the label as a whole, every branch, every candidate."""
    import highdicom as hd
    from pydicom.sr.codedict import codes

    maker = _Maker(source, segmentation, m, origin)
    content = hd.sr.MeasurementReport(
        observation_context=hd.sr.ObservationContext(
            observer_device_context=hd.sr.ObserverContext(
                observer_type=codes.DCM.Device,
                observer_identifying_attributes=hd.sr.DeviceObserverIdentifyingAttributes(
                    uid=hd.UID(), name="medseg", manufacturer_name=MANUFACTURER, model_name=f"medseg {__version__}"
                ),
            )
        ),
        procedure_reported=codes.cid100.MRIUnspecifiedBodyRegion
        if source.datasets[0].get("Modality") == "MR"
        else codes.cid100.ImagingProcedure,
        title=codes.DCM.ImagingMeasurementReport,
        imaging_measurements=[
            maker.whole(),
            *(maker.branch(b) for b in m.branches),
            *(maker.finding(f, f"S{n + 1}") for n, f in enumerate(m.strictures)),
            *(maker.finding(f, f"D{n + 1}") for n, f in enumerate(m.dilatations)),
        ],
    )
    return hd.sr.Comprehensive3DSR(
        evidence=[*source.datasets, segmentation],
        content=content[0],
        series_instance_uid=hd.UID(),
        series_number=_number(source.datasets[0], 2),
        sop_instance_uid=hd.UID(),
        instance_number=1,
        manufacturer=MANUFACTURER,
        is_complete=True,
        is_final=False,
        is_verified=False,
        series_description=f"Duct measurements, {SERIES_NOTE}",
    )


class _Maker:
    """Makes the groups of measurements of one report."""

    def __init__(self, source: Source, segmentation: Any, m: DuctMeasurement, origin: Origin) -> None:
        self.source, self.segmentation, self.m, self.origin = source, segmentation, m, origin
        self.frame_of_reference = str(source.datasets[0].FrameOfReferenceUID)

    def whole(self) -> Any:
        """The segment: volume, surface area, length of all ducts; intended use and training data."""
        import highdicom as hd
        from pydicom.sr.codedict import codes
        from pydicom.sr.coding import Code

        evaluations = [
            hd.sr.QualitativeEvaluation(_own("INTENDED_USE", "Intended use"), codes.DCM.ForResearch),
            hd.sr.QualitativeEvaluation(
                _own("SEGMENTED_BY", "Segmentation made by"),
                _own("MODEL", (self.origin.line() or "not stated")[:64]),
            ),
        ]
        if self.origin.synthetic:
            evaluations.append(
                hd.sr.QualitativeEvaluation(
                    _own("TRAINING_DATA", "Training data of the model"), _own("SYNTHETIC", "Synthetic cases only")
                )
            )
        return hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
            tracking_identifier=hd.sr.TrackingIdentifier(uid=hd.UID(), identifier=f"label {self.m.label}"),
            referenced_segment=hd.sr.ReferencedSegment(
                self.segmentation.SOPClassUID,
                self.segmentation.SOPInstanceUID,
                1,
                source_series=hd.sr.SourceSeriesForSegmentation(self.source.datasets[0].SeriesInstanceUID),
            ),
            finding_type=_type_of(self.segmentation),
            algorithm_id=self._algorithm(),
            measurements=[
                self._measure(codes.SCT.Volume, self.m.volume_ml, Code("ml", "UCUM", "milliliter")),
                self._measure(codes.IBSI.SurfaceAreaOfMesh, self.m.surface_area_mm2, _square_mm()),
                self._measure(
                    _own("TOTAL_LENGTH", "Length of all centrelines"), self.m.total_length_mm, codes.UCUM.Millimeter
                ),
            ],
            qualitative_evaluations=evaluations,
        )

    def branch(self, b: Branch) -> Any:
        """A branch: length, mean calibre and the narrowest, which is a bound where the voxels do not resolve it."""
        import highdicom as hd
        from pydicom.sr.codedict import codes

        name = f"branch {b.id}" + (f": {b.name} ({b.name_source})" if b.name else "")
        mm = codes.UCUM.Millimeter
        sure = b.mean_resolved
        measurements = [
            self._measure(codes.SCT.Length, b.length_mm, mm),
            self._measure(
                codes.SCT.Diameter if sure else _own("MEAN_BOUND", "Upper bound of the mean diameter"),
                b.mean_diameter_mm,
                mm,
                derivation=codes.SCT.Mean if sure else None,
            ),
            self._measure(
                codes.SCT.Diameter if b.min_resolved else _own("LEAST_BOUND", "Upper bound of the least diameter"),
                b.min_diameter_mm,
                mm,
                derivation=codes.SCT.Minimum if b.min_resolved else None,
                at=b.narrowest_lps_mm,
            ),
        ]
        return hd.sr.MeasurementsAndQualitativeEvaluations(
            tracking_identifier=hd.sr.TrackingIdentifier(uid=hd.UID(), identifier=name[:64]),
            finding_type=_type_of(self.segmentation),
            algorithm_id=self._algorithm(),
            measurements=measurements,
        )

    def finding(self, f: Finding, mark: str) -> Any:
        """A candidate stricture or dilatation with its place, calibre and grade."""
        import highdicom as hd
        from pydicom.sr.codedict import codes

        mm = codes.UCUM.Millimeter
        wide = f.kind == "dilatation"
        sure = f.resolved or f.diameter_mm == 0
        if wide:
            change = _own("WIDENING", "Widening against the expected diameter")
        elif sure:
            change = codes.SCT.LumenDiameterStenosis
        else:
            change = _own("LEAST_STENOSIS", "Lower bound of the lumen diameter stenosis")
        calibre = codes.SCT.Diameter if sure else _own("LEAST_BOUND", "Upper bound of the least diameter")
        measurements = [
            self._measure(_own("EXPECTED", "Diameter expected from both sides"), f.reference_diameter_mm, mm),
            self._measure(calibre, f.diameter_mm, mm, at=f.position_lps_mm),
            self._measure(codes.SCT.Length, f.length_mm, mm),
            self._measure(change, 100 * f.change, codes.UCUM.Percent),
        ]
        grade = f.grade.partition(":")[0].partition(",")[0]
        severity = {"mild": codes.SCT.Mild, "moderate": codes.SCT.Moderate, "severe": codes.SCT.Severe}.get(grade)
        evaluations = [
            hd.sr.QualitativeEvaluation(
                _own("CERTAINTY", "Certainty"), _own("CANDIDATE", "Candidate found by software, not judged")
            ),
            hd.sr.QualitativeEvaluation(_own("GRADE", "Grade"), severity or _own("GRADE_TEXT", grade[:64])),
        ]
        return hd.sr.MeasurementsAndQualitativeEvaluations(
            tracking_identifier=hd.sr.TrackingIdentifier(uid=hd.UID(), identifier=f"{mark}: {f.kind}"[:64]),
            finding_type=codes.SCT.Dilatation if wide else codes.SCT.Stenosis,
            algorithm_id=self._algorithm(),
            measurements=measurements,
            qualitative_evaluations=evaluations,
        )

    def _measure(self, name: Any, value: float, unit: Any, derivation: Any = None, at: np.ndarray | None = None) -> Any:
        import highdicom as hd

        places = None
        if at is not None:
            places = [hd.sr.CoordinatesForMeasurement3D("POINT", np.asarray(at)[None], self.frame_of_reference)]
        return hd.sr.Measurement(
            name, round(float(value), 3), unit, derivation=derivation, referenced_coordinates=places
        )

    def _algorithm(self) -> Any:
        import highdicom as hd

        return hd.sr.AlgorithmIdentification(
            name="medseg.ducts", version=__version__, parameters=[f"automatic; {SERIES_NOTE}"]
        )


def _own(value: str, meaning: str) -> Any:
    from pydicom.sr.coding import Code

    return Code(value, _SCHEME, meaning)


def _square_mm() -> Any:
    from pydicom.sr.coding import Code

    return Code("mm2", "UCUM", "square millimeter")


def _type_of(segmentation: Any) -> Any:
    """The coded type of the one segment."""
    from pydicom.sr.coding import Code

    item = segmentation.SegmentSequence[0].SegmentedPropertyTypeCodeSequence[0]
    return Code(item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning)
