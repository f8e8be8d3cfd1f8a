"""A measurement as CSV tables: branches, calibre along them, findings, proposed bridges. LPS mm."""

from __future__ import annotations

import csv
import io

import numpy as np

from .model import DuctMeasurement, bounded

BRANCH_COLUMNS = (
    "branch",
    "name",
    "name_source",
    "component",
    "start_node",
    "end_node",
    "length_mm",
    "tortuosity",
    "mean_diameter_mm",
    "mean_is_bound",
    "narrowest_diameter_mm",
    "narrowest_is_bound",
    "narrowest_l_mm",
    "narrowest_p_mm",
    "narrowest_s_mm",
    "strictures",
    "dilatations",
)
PROFILE_COLUMNS = (
    "branch",
    "name",
    "distance_mm",
    "l_mm",
    "p_mm",
    "s_mm",
    "diameter_mm",
    "diameter_is_bound",
    "own_section",
)
FINDING_COLUMNS = (
    "mark",
    "kind",
    "branch",
    "other_branch",
    "name",
    "l_mm",
    "p_mm",
    "s_mm",
    "from_mm",
    "to_mm",
    "length_mm",
    "diameter_mm",
    "diameter_is_bound",
    "reference_diameter_mm",
    "change_percent",
    "grade",
)


def branches_csv(m: DuctMeasurement) -> bytes:
    """One row a branch."""
    rows: list[list[object]] = []
    for b in m.branches:
        narrow = [f for f in m.strictures if b.id in (f.branch, f.other_branch)]
        wide = [f for f in m.dilatations if f.branch == b.id]
        rows.append(
            [
                b.id,
                _cell(b.name),
                b.name_source or "",
                b.component,
                b.start_node,
                b.end_node,
                f"{b.length_mm:.2f}",
                "" if np.isnan(b.tortuosity) else f"{b.tortuosity:.3f}",
                bounded(b.mean_diameter_mm, b.mean_resolved, 2),
                int(not b.mean_resolved),
                bounded(b.min_diameter_mm, b.min_resolved, 2),
                int(not b.min_resolved),
                *(f"{x:.2f}" for x in b.narrowest_lps_mm),
                len(narrow),
                len(wide),
            ]
        )
    return _csv(BRANCH_COLUMNS, rows)


def profile_csv(m: DuctMeasurement) -> bytes:
    """One row a centreline point."""
    rows: list[list[object]] = []
    for b in m.branches:
        for s, p, d, r, own in zip(b.distance_mm, b.points_lps_mm, b.diameter_mm, b.resolved, b.own, strict=True):
            rows.append(
                [b.id, _cell(b.name), f"{s:.2f}", *(f"{x:.2f}" for x in p), bounded(d, r, 2), int(not r), int(own)]
            )
    return _csv(PROFILE_COLUMNS, rows)


def findings_csv(m: DuctMeasurement) -> bytes:
    """One row a candidate stricture (S1, S2, …) or dilatation (D1, …), numbered as in the report."""
    rows: list[list[object]] = []
    for letter, findings in (("S", m.strictures), ("D", m.dilatations)):
        for n, f in enumerate(findings, start=1):
            rows.append(
                [
                    f"{letter}{n}",
                    f.kind,
                    f.branch,
                    "" if f.other_branch is None else f.other_branch,
                    _cell(f.name),
                    *(f"{x:.2f}" for x in f.position_lps_mm),
                    *("" if x is None else f"{x:.2f}" for x in (f.from_mm, f.to_mm)),
                    f"{f.length_mm:.2f}",
                    "0" if f.diameter_mm == 0 else bounded(f.diameter_mm, f.resolved, 2),
                    int(not f.resolved),
                    f"{f.reference_diameter_mm:.2f}",
                    f"{100 * f.change:.0f}",
                    f.grade,
                ]
            )
    return _csv(FINDING_COLUMNS, rows)


def _csv(columns: tuple[str, ...], rows: list[list[object]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue().encode()


def _cell(text: str | None) -> str:
    """A name as a cell that no spreadsheet takes for a formula."""
    text = text or ""
    return f"'{text}" if text[:1] in "=+-@\t\r" and text else text
