"""What the one-page report of a measurement says, in words and rows; the page and the HTML lay it out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..ducts.model import bounded
from ..ducts.origin import RESEARCH_ONLY, SYNTHETIC, Origin
from ..version import __version__
from .report import Table

if TYPE_CHECKING:
    from ..ducts import Branch, DuctMeasurement, Finding

#: Rows of the tables on the page; the CSV files have them all.
MOST_BRANCHES, MOST_FINDINGS = 10, 10


@dataclass(frozen=True)
class DuctPage:
    """The words of the report. ``marks`` : what the numbers on the pictures stand for."""

    title: str
    notices: Sequence[str]
    facts: dict[str, str]
    tables: Sequence[Table]
    marks: dict[str, Finding] = field(default_factory=dict)


def duct_page(m: DuctMeasurement, origin: Origin | None = None) -> DuctPage:
    """Put a measurement into words."""
    origin = origin or Origin()
    marks = {f"S{n + 1}": f for n, f in enumerate(m.strictures)}
    marks |= {f"D{n + 1}": f for n, f in enumerate(m.dilatations)}
    notices = [RESEARCH_ONLY + " Strictures and dilatations are candidates, names are proposals: a radiologist judges."]
    if origin.synthetic:
        notices.append(SYNTHETIC)
    return DuctPage(
        title=f"Bile ducts measured: {m.label_name or m.source}",
        notices=notices,
        facts=_facts(m, origin),
        tables=(_findings(marks), _branches(m)),
        marks=marks,
    )


def _facts(m: DuctMeasurement, origin: Origin) -> dict[str, str]:
    parts = len(m.components)
    voxels = " × ".join(f"{s:.2f}" for s in m.spacing_mm)
    facts = {
        "Volume": f"{m.volume_ml:.2f} ml",
        "Surface": f"{m.surface_area_mm2 / 100:.1f} cm²",
        "Ducts": f"{m.total_length_mm:.0f} mm in {len(m.branches)} branches, {parts} part{'s' if parts != 1 else ''}",
        "Gaps": f"{len(m.bridges)} where joining is proposed; none was joined",
        "Voxels": f"{voxels} mm; calibres below {m.resolution_mm:.1f} mm are bounds (<)",
        "Segmentation": origin.line(),
        "Measured by": f"medseg {__version__}, label {m.label}",
    }
    if m.warnings:
        facts["Notes"] = "; ".join(m.warnings)
    return facts


def _branches(m: DuctMeasurement) -> Table:
    order = sorted(m.branches, key=lambda b: (b.name is None, -b.length_mm * b.mean_diameter_mm))
    rows = [
        [
            _called(b),
            f"{b.length_mm:.0f}",
            bounded(b.mean_diameter_mm, b.mean_resolved),
            bounded(b.min_diameter_mm, b.min_resolved),
            "–" if b.tortuosity != b.tortuosity else f"{b.tortuosity:.2f}",
        ]
        for b in order[:MOST_BRANCHES]
    ]
    more = len(m.branches) - len(rows)
    note = (f"{more} more in the CSV file. " if more > 0 else "") + "Names are proposals from shape and position."
    columns = ("branch", "length (mm)", "mean calibre (mm)", "narrowest (mm)", "tortuosity")
    return Table("Branches", columns, rows, note)


def _called(b: Branch) -> str:
    if b.name is None:
        return f"branch {b.id}"
    return f"{b.name} ({b.id})" + ("" if b.name_source == "given" else "?")


def _findings(marks: dict[str, Finding]) -> Table:
    rows = []
    for mark, f in list(marks.items())[:MOST_FINDINGS]:
        wider = f.kind == "dilatation"
        sign = "+" if wider else "≥ " if f.kind == "stricture" and not f.resolved else ""
        rows.append(
            [
                mark,
                f"{f.kind}, {f.name or f'branch {f.branch}'}",
                "no lumen" if f.diameter_mm == 0 else bounded(f.diameter_mm, f.resolved),
                f"{f.reference_diameter_mm:.1f}",
                f"{sign}{100 * f.change:.0f} %",
                f"{f.length_mm:.0f}",
                f.grade.partition(":")[0].partition(",")[0],
                ", ".join(f"{x:.0f}" for x in f.position_lps_mm),
            ]
        )
    more = len(marks) - len(rows)
    note = (
        (f"{more} more in the CSV file. " if more > 0 else "")
        + "All in mm. Expected: the calibre of the duct on both sides. Position: LPS patient coordinates (left, "
        "posterior, superior) of the image."
        if rows
        else "None found. A narrowing shorter than about three voxels, or in a duct below two, is often not seen."
    )
    columns = ("", "candidate", "calibre", "expected", "change", "length", "grade", "position")
    return Table("Candidate strictures and dilatations", columns, rows, note)
