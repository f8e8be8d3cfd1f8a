"""The demo's report: agreement with the truth, volumes, ducts measured, pictures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..metrics import Agreement
from ..phantom import Phantom
from ..pictures.report import Report, Table, write_report
from ..pipeline import Result
from ..version import __version__

if TYPE_CHECKING:
    from ..ducts import DuctMeasurement
    from .files import DemoFiles


def demo_report(
    summary: Mapping[str, Any],
    files: DemoFiles,
    phantom: Phantom,
    result: Result,
    agreement: Mapping[int, Agreement],
    measurement: DuctMeasurement,
) -> None:
    """Write the HTML report of a demo to ``files.report``."""
    notices = ["Research use only. Not for diagnosis or for planning a procedure."]
    if result.card.synthetic:
        notices.append(
            "The model was trained on synthetic cases, and this volume is a synthetic phantom: nothing here "
            "says how good the model is on patients."
        )
    notices += [w[0].upper() + w[1:] for w in result.warnings]
    write_report(
        Report(
            title="From MR cholangiography to a measured duct tree",
            notices=notices,
            facts={
                "Volume": _volume_line(phantom),
                "Model": f"{result.card.name} {result.card.version}".strip(),
                "Ran on": f"{result.backend}, {result.device}; network {result.timings.get('network', 0):.1f} s",
                "Software": f"medseg {__version__}",
            },
            pictures={
                "Maximum-intensity projection, the segments over it, and the segments in 3D": files.overview,
                "Coronal slices; filled: found; white line: the truth": files.slices,
            },
            tables=[_agreement_table(summary, agreement), _branch_table(measurement), _narrowing_table(measurement)],
        ),
        files.report,
    )


def _volume_line(phantom: Phantom) -> str:
    voxels = " × ".join(str(n) for n in phantom.volume.array.shape[::-1])
    spacing = " × ".join(f"{s:.2f}" for s in phantom.volume.spacing)
    return f"phantom, seed {phantom.truth['seed']}, {voxels} voxels of {spacing} mm"


def _agreement_table(summary: Mapping[str, Any], agreement: Mapping[int, Agreement]) -> Table:
    rows = []
    for found in summary["segments"]:
        a = agreement[found["value"]]
        rows.append(
            [
                found["name"],
                f"{found['volume_ml']:.2f}",
                f"{a.volume_reference_ml:.2f}",
                f"{a.dice:.3f}",
                f"{a.cldice:.3f}",
                f"{a.hd95_mm:.1f}",
                f"{a.assd_mm:.2f}",
            ]
        )
    return Table(
        "Segments, and their agreement with the truth",
        ("segment", "volume (ml)", "truth (ml)", "Dice", "clDice", "HD95 (mm)", "ASSD (mm)"),
        rows,
    )


def _branch_table(measurement: DuctMeasurement) -> Table:
    from ..ducts.model import bounded

    longest = sorted(measurement.branches, key=lambda b: -b.length_mm)[:20]
    rows = [
        [
            branch.name or f"branch {branch.id}",
            f"{branch.length_mm:.1f}",
            bounded(branch.mean_diameter_mm, branch.mean_resolved),
            bounded(branch.min_diameter_mm, branch.min_resolved),
        ]
        for branch in longest
    ]
    note = (
        f"The {len(rows)} longest of {len(measurement.branches)} branches; all are in ducts-branches.csv. "
        "A calibre that the voxels do not resolve is printed as a bound. Names are proposals."
    )
    columns = ("branch", "length (mm)", "mean calibre (mm)", "narrowest (mm)")
    return Table("Bile ducts, by branch", columns, rows, note)


def _narrowing_table(measurement: DuctMeasurement) -> Table:
    from ..ducts.model import bounded

    rows = [
        [
            f"{finding.kind}, branch {finding.branch}",
            f"{finding.length_mm:.1f}",
            "no lumen" if finding.diameter_mm == 0 else bounded(finding.diameter_mm, finding.resolved),
            f"{finding.reference_diameter_mm:.1f}",
            finding.grade,
            ", ".join(f"{x:.0f}" for x in finding.position_lps_mm),
        ]
        for finding in [*measurement.strictures, *measurement.dilatations]
    ]
    note = "Candidates for a person to look at, not findings." if rows else "None found."
    columns = ("", "length (mm)", "calibre (mm)", "expected there (mm)", "grade", "position (LPS, mm)")
    return Table("Candidate strictures and dilatations", columns, rows, note)
