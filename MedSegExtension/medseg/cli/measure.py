"""``medseg measure``: volumes, centreline graph, calibre profile, strictures of a segmentation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from ..ducts import DuctMeasurement, bounded
from .common import JsonOption, output, print_json, progress_line


def measure(
    segmentation: Annotated[
        Path, typer.Argument(metavar="SEG", help="A label map or segmentation (.seg.nrrd, .nii.gz, …).")
    ],
    to: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="The folder for the files.")],
    label: Annotated[int, typer.Option("--label", min=1, help="The label value to measure.")] = 1,
    json: JsonOption = False,
) -> None:
    """Measure ducts: volume, centreline graph, calibre along every branch, candidate strictures. Research use only."""
    from ..ducts import measure_ducts, write_measurement
    from ..io import case_name, read_labels

    with progress_line("reading") as update:
        labels = read_labels(segmentation)
        m = measure_ducts(labels, label, progress=update)
        files = write_measurement(m, to, case_name(segmentation))
    if json:
        print_json({**m.as_dict(), "files": files})
    else:
        _print(m, files)


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
                f"{b.mean_diameter_mm:.1f}",
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
