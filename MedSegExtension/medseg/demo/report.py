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
    from .run import DemoFiles


def demo_report(summary: Mapping[str, Any], files: DemoFiles, phantom: Phantom, result: Result,
                agreement: Mapping[int, Agreement], measurement: DuctMeasurement) -> None:
    """Write the HTML report of a demo to ``files.report``."""
    notices = ["Research use only. Not for diagnosis or for planning a procedure."]
    if result.card.synthetic:
        notices.append("The model was trained on synthetic cases, and this volume is a synthetic phantom: nothing here "
                       "says how good the model is on patients.")
    notices += [w[0].upper() + w[1:] for w in result.warnings]
    write_report(Report(
        title="From MR cholangiography to a measured duct tree",
        notices=notices,
        facts={
            "Volume": f"phantom, seed {phantom.truth['seed']}, {' × '.join(str(n) for n in phantom.volume.array.shape[::-1])} "
                      f"voxels of {' × '.join(f'{s:.2f}' for s in phantom.volume.spacing)} mm",
            "Model": f"{result.card.name} {result.card.version}".strip(),
            "Ran on": f"{result.backend}, {result.device}; network {result.timings.get('network', 0):.1f} s",
            "Software": f"medseg {__version__}",
        },
        pictures={"The volume as a maximum-intensity projection, the segments over it, and the segments in 3D": files.overview,
                  "Coronal slices; filled: found; white line: the truth": files.slices},
        tables=[_agreement_table(summary, agreement), _branch_table(measurement), _narrowing_table(measurement)],
    ), files.report)


def _agreement_table(summary: Mapping[str, Any], agreement: Mapping[int, Agreement]) -> Table:
    rows = []
    for found in summary["segments"]:
        a = agreement[found["value"]]
        rows.append([found["name"], f"{found['volume_ml']:.2f}", f"{a.volume_reference_ml:.2f}", f"{a.dice:.3f}",
                     f"{a.cldice:.3f}", f"{a.hd95_mm:.1f}", f"{a.assd_mm:.2f}"])
    return Table("Segments, and their agreement with the truth",
                 ("segment", "volume (ml)", "truth (ml)", "Dice", "clDice", "HD95 (mm)", "ASSD (mm)"), rows)


def _branch_table(measurement: DuctMeasurement) -> Table:
    rows = []
    for branch in sorted(measurement.branches, key=lambda b: -b.length_mm)[:20]:
        rows.append([branch.name or f"branch {branch.id}", f"{branch.length_mm:.1f}", _calibre(branch, branch.mean_diameter_mm),
                     _calibre(branch, branch.min_diameter_mm)])
    note = (f"The {len(rows)} longest of {len(measurement.branches)} branches; all are in ducts-branches.csv. "
            "A calibre that the voxels do not resolve is printed as a bound.")
    return Table("Bile ducts, by branch", ("branch", "length (mm)", "mean calibre (mm)", "narrowest (mm)"), rows, note)


def _calibre(branch: Any, value: float) -> str:
    return f"{value:.1f}" if bool(branch.resolved.all()) or value > float(branch.diameter_mm[~branch.resolved].max()) else f"< {value:.1f}"


def _narrowing_table(measurement: DuctMeasurement) -> Table:
    rows = [[str(n), f"{s.length_mm:.1f}", s.narrowest_text, f"{s.reference_diameter_mm:.1f}", s.grade,
             ", ".join(f"{x:.0f}" for x in s.position_lps_mm)]
            for n, s in enumerate(measurement.strictures, start=1)]
    note = "None found." if not rows else "Candidates for a person to look at, not findings."
    return Table("Candidate strictures", ("", "length (mm)", "narrowest (mm)", "neighbouring calibre (mm)", "grade",
                                          "position (LPS, mm)"), rows, note)
