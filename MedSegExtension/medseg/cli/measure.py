"""``medseg measure``: volumes, centreline graph, calibre profile, strictures of a segmentation."""

from __future__ import annotations

import json as json_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from ..ducts import DuctMeasurement, bounded
from ..errors import InputError
from .common import JsonOption, output, print_json, progress_line

if TYPE_CHECKING:
    import numpy as np

    from ..ducts import Origin
    from ..volume import Volume


def measure(
    segmentation: Annotated[
        Path, typer.Argument(metavar="SEG", help="A label map or segmentation (.seg.nrrd, .nii.gz, …).")
    ],
    to: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="The folder for the files.")],
    label: Annotated[int, typer.Option("--label", min=1, help="The label value to measure.")] = 1,
    probabilities: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="The probabilities of this label (medseg segment --probabilities): finer calibres."
        ),
    ] = None,
    names: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help='JSON with names of branches that correct the proposed ones: {"4": "left hepatic duct", "7": null}.',
        ),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(metavar="MODEL", help="The model that made the segmentation: report and DICOM name it."),
    ] = None,
    edited: Annotated[bool, typer.Option("--edited", help="A person corrected the segmentation.")] = False,
    dicom: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="The DICOM series that was segmented: write DICOM SEG and SR as well."),
    ] = None,
    series: Annotated[
        str | None, typer.Option(metavar="UID|NUMBER", help="Which series, where --dicom holds several.")
    ] = None,
    report: Annotated[bool, typer.Option("--report/--no-report", help="The one-page report, HTML and PDF.")] = True,
    json: JsonOption = False,
) -> None:
    """Measure ducts: volume, centreline graph, calibre along every branch, candidate strictures. Research use only.

    Writes JSON, CSV tables, the centreline (VTP), the surface (STL, GLB) and a one-page report (HTML, PDF).
    """
    from ..ducts import measure_ducts, write_measurement
    from ..io import case_name, read_segmentation_file
    from ..pictures import write_duct_report

    given = _names(names)
    origin = _origin(model, edited)
    stem = case_name(segmentation)
    with progress_line("reading") as update:
        labels, segments = read_segmentation_file(segmentation)
        grades = None if probabilities is None else _probabilities(probabilities, labels)
        m = measure_ducts(
            labels, label, probabilities=grades, names=given, progress=lambda f, text: update(0.8 * f, text)
        )
        segment = next((s for s in segments if s.value == label), None)
        if segment is not None and not segment.name.startswith("Segment_"):
            m.label_name = segment.name
        update(0.8, "writing")
        files = write_measurement(m, to, stem)
        if report:
            update(0.85, "drawing the report")
            files += write_duct_report(m, to, stem, origin)
        if dicom is not None:
            from ..dicom_out import write_dicom

            update(0.95, "writing DICOM")
            files += write_dicom(m, labels, dicom, to, stem, origin=origin, series=series, segment=segment)
    if json:
        print_json({**m.as_dict(), "files": files})
    else:
        _print(m, files)


def _names(file: Path | None) -> dict[int, str | None]:
    """The names given in a file, by branch."""
    if file is None:
        return {}
    mend = 'write an object of branch numbers and names, like {"4": "left hepatic duct"}'
    try:
        read = json_module.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError("the file of names cannot be read", file=file, mend="check the path") from error
    except ValueError as error:
        raise InputError("is not JSON", file=file, mend=mend) from error
    if not isinstance(read, dict) or not all(
        str(key).isdecimal() and (name is None or isinstance(name, str)) for key, name in read.items()
    ):
        raise InputError("does not map branch numbers to names", file=file, mend=mend)
    return {int(key): name for key, name in read.items()}


def _origin(model: Path | None, edited: bool) -> Origin:
    """What report and DICOM say about where the segmentation comes from."""
    from ..ducts import Origin

    if model is None:
        return Origin(edited=edited)
    from ..models import open_model

    card = open_model(model).card
    if card is None:
        raise InputError("has no model card to be named by", file=model, mend="leave --model out, or add a card")
    return Origin(card.name, card.version, card.synthetic, edited)


def _probabilities(file: Path, labels: Volume) -> np.ndarray:
    from ..io import read_volume

    volume = read_volume(file)
    if not volume.same_grid(labels):
        raise InputError(
            "lies on another grid than the segmentation", file=file, mend="pass the probabilities of the same run"
        )
    return volume.array


def _print(m: DuctMeasurement, files: list[Path]) -> None:
    output.print(
        f"{m.source}, label {m.label}: {m.volume_ml:.2f} ml, {m.surface_area_mm2:.0f} mm² surface, "
        f"{m.total_length_mm:.0f} mm of centreline, {len(m.branches)} branches in {len(m.components)} parts"
    )
    if m.branches:
        table = Table(
            "branch", "name", "part", "length mm", "mean calibre mm", "narrowest mm", box=None, pad_edge=False
        )
        for b in m.branches:
            table.add_row(
                str(b.id),
                b.name or "",
                str(b.component),
                f"{b.length_mm:.1f}",
                bounded(b.mean_diameter_mm, b.mean_resolved),
                bounded(b.min_diameter_mm, b.min_resolved),
            )
        output.print(table)
    for f in m.strictures + m.dilatations:
        where = ", ".join(f"{x:.0f}" for x in f.position_lps_mm)
        calibre = "no lumen" if f.kind.startswith("possible") else f"{bounded(f.diameter_mm, f.resolved)} mm"
        output.print(
            f"candidate {f.kind}: branch {f.branch}{f' ({f.name})' if f.name else ''} at LPS ({where}) mm, {calibre} "
            f"against {f.reference_diameter_mm:.1f} mm over {f.length_mm:.0f} mm, {f.grade}"
        )
    for gap in m.bridges:
        between = f"branches {gap.from_branch} and {gap.to_branch}"
        output.print(f"gap of {gap.gap_mm:.1f} mm between {between}: joining is proposed, not made")
    for warning in m.warnings:
        output.print(f"note: {warning}")
    output.print(f"written to {files[0].parent}: {', '.join(f.name for f in files)}")
    output.print("Research use only.")
