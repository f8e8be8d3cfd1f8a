"""DICOM SEG and SR of a measurement, read back by pydicom, highdicom, dciodvfy and DCMTK."""

from __future__ import annotations

import shutil
import subprocess

import numpy as np
import pytest
from duct_cases import write_series
from medseg.cli import main
from medseg.dicom_out import write_dicom
from medseg.dicom_out.source import onto_grid
from medseg.ducts import Origin, measure_ducts
from medseg.errors import InputError
from medseg.io import write_labels
from medseg.volume import Volume

hd = pytest.importorskip("highdicom")
pydicom = pytest.importorskip("pydicom")

ORIGIN = Origin("Ducts of phantoms", "1.0", synthetic=True)


@pytest.fixture(scope="module")
def written(labels, measured, series, tmp_path_factory):
    return write_dicom(measured, labels, series, tmp_path_factory.mktemp("dicom"), "case", origin=ORIGIN)


def test_segmentation_lies_where_the_mask_lies(written, labels):
    seg = hd.seg.segread(written[0])
    volume = seg.get_volume(combine_segments=True)
    filled = np.argwhere(np.asarray(volume.array) > 0)
    there = filled @ volume.affine[:3, :3].T + volume.affine[:3, 3]
    expected = np.argwhere(labels.array == 1)[:, ::-1] @ labels.ijk_to_lps[:3, :3].T + labels.ijk_to_lps[:3, 3]
    assert len(there) == len(expected)
    order, other = (np.lexsort(np.round(p, 2).T) for p in (there, expected))
    assert there[order] == pytest.approx(expected[other], abs=0.02)


def test_segmentation_says_what_made_it(written, series):
    seg = hd.seg.segread(written[0])
    (segment,) = seg.SegmentSequence
    assert segment.SegmentAlgorithmType == "AUTOMATIC"
    (algorithm,) = segment.SegmentationAlgorithmIdentificationSequence
    assert algorithm.AlgorithmName == "Ducts of phantoms" and algorithm.AlgorithmVersion == "1.0"
    assert "RESEARCH USE ONLY" in algorithm.AlgorithmParameters and "synthetic" in algorithm.AlgorithmParameters
    assert "RESEARCH USE ONLY" in seg.SeriesDescription and "RESEARCH USE ONLY" in seg.ContentDescription
    source = pydicom.dcmread(next(series.iterdir()))
    assert (seg.PatientID, seg.StudyInstanceUID) == (source.PatientID, source.StudyInstanceUID)
    assert segment.SegmentedPropertyTypeCodeSequence[0].CodeValue == "28273000"


def test_corrected_masks_are_not_called_automatic(labels, measured, series, tmp_path):
    path, _ = write_dicom(measured, labels, series, tmp_path, "case", origin=Origin("m", "2", edited=True))
    assert pydicom.dcmread(path).SegmentSequence[0].SegmentAlgorithmType == "SEMIAUTOMATIC"


def values(group) -> dict[str, float]:
    return {m.name.meaning: m.value for m in group.get_measurements()}


def _places(item) -> list[list[float]]:
    """Every position of a report, LPS mm."""
    here = [list(item.GraphicData)] if item.get("ValueType") == "SCOORD3D" else []
    return here + [place for child in item.get("ContentSequence", []) for place in _places(child)]


def test_report_holds_every_figure(written, measured):
    report = hd.sr.srread(written[1])
    assert report.VerificationFlag != "VERIFIED" and "RESEARCH USE ONLY" in report.SeriesDescription
    (whole,) = report.content.get_volumetric_roi_measurement_groups()
    assert values(whole)["Volume"] == pytest.approx(measured.volume_ml, abs=1e-3)
    assert values(whole)["Length of all centrelines"] == pytest.approx(measured.total_length_mm, abs=1e-3)
    evaluations = {e.name.meaning: e.value.meaning for e in whole.get_qualitative_evaluations()}
    assert evaluations["Intended use"].lower().startswith("for research")
    assert evaluations["Training data of the model"] == "Synthetic cases only"
    groups = {g.tracking_identifier: g for g in report.content.get_image_measurement_groups()}
    assert len(groups) == len(measured.branches) + len(measured.strictures) + len(measured.dilatations)
    for b in measured.branches:
        (group,) = (g for name, g in groups.items() if name.startswith(f"branch {b.id}:") or name == f"branch {b.id}")
        assert values(group)["Length"] == pytest.approx(b.length_mm, abs=1e-3)
    (f,) = measured.strictures
    (group,) = (g for name, g in groups.items() if name.startswith("S1"))
    assert group.finding_type.meaning.lower() == "stenosis"
    assert values(group)["Diameter expected from both sides"] == pytest.approx(f.reference_diameter_mm, abs=1e-3)
    # a bound is never written as a diameter
    assert ("Diameter" in values(group)) == f.resolved
    apart = np.linalg.norm(np.array(_places(pydicom.dcmread(written[1]))) - f.position_lps_mm, axis=1)
    assert apart.min() < 0.01


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy (Debian: dicom3tools) is not installed")
def test_an_independent_validator_finds_no_error(written):
    for path in written:
        said = subprocess.run(["dciodvfy", "-new", str(path)], capture_output=True, text=True, check=False)
        wrong = [line for line in (said.stdout + said.stderr).splitlines() if line.startswith("Error")]
        assert wrong == [], f"{path.name}: {wrong}"


@pytest.mark.skipif(shutil.which("dsrdump") is None, reason="DCMTK is not installed")
def test_dcmtk_reads_the_report(written):
    said = subprocess.run(["dsrdump", str(written[1])], capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    assert "Imaging Measurement Report" in said.stdout and "RESEARCH USE ONLY" in said.stdout


def test_turned_and_cropped_masks_come_back_onto_the_series(labels):
    cut = labels.array[:, 4:, 2:]
    origin = labels.ijk_to_lps @ np.array([2, 4, 0, 1.0])
    turned = Volume(
        np.ascontiguousarray(cut[:, ::-1].transpose(2, 1, 0)),
        labels.spacing[::-1],
        tuple((origin + labels.ijk_to_lps @ np.array([0, cut.shape[1] - 1, 0, 0]))[:3]),
        np.stack([labels.direction[:, 2], -labels.direction[:, 1], labels.direction[:, 0]], axis=1),
    )
    expected = labels.array.copy()
    expected[:, :4], expected[:, :, :2] = 0, 0
    assert np.array_equal(onto_grid(turned, labels), expected)


def test_a_mask_beside_the_series_is_refused(labels, measured, series, tmp_path):
    aside = Volume(labels.array, labels.spacing, (labels.origin[0] + 0.5, *labels.origin[1:]), labels.direction)
    with pytest.raises(InputError, match="does not lie on the voxels"):
        write_dicom(measured, aside, series, tmp_path, "case")


def test_one_of_two_series_is_chosen(labels, measured, series, tmp_path):
    folder = tmp_path / "both"
    shutil.copytree(series, folder)
    write_series(labels, folder, number=11)
    with pytest.raises(InputError, match="2 series"):
        write_dicom(measured, labels, folder, tmp_path, "case")
    path, _ = write_dicom(measured, labels, folder, tmp_path, "case", series="11")
    assert pydicom.dcmread(path).SeriesNumber == 1101


def test_the_command_writes_both(labels, series, tmp_path, capsys):
    mask = tmp_path / "ducts.nii.gz"
    write_labels(labels, mask)
    with pytest.raises(SystemExit) as end:
        main(["measure", str(mask), "-o", str(tmp_path / "out"), "--dicom", str(series), "--no-report", "--json"])
    assert not end.value.code
    assert hd.sr.srread(tmp_path / "out" / "ducts-sr.dcm").content is not None
    assert hd.seg.segread(tmp_path / "out" / "ducts-seg.dcm").number_of_segments == 1


def test_an_empty_label_makes_no_segmentation(labels, series, tmp_path):
    with pytest.raises(InputError, match="is empty"):
        write_dicom(measure_ducts(labels, 3), labels, series, tmp_path, "case")
