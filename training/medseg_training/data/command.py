"""``medseg train CONFIG --check``: a line for each flaw, and what the data is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from medseg.cli.common import output, print_json, progress_line
from medseg.errors import InputError

from .check import Report, useful_processes
from .fingerprint import dataset_fingerprint

if TYPE_CHECKING:
    from ..config import Config


def run_check(config: Config, as_json: bool) -> None:
    """Read everything and print what is wrong. Raises InputError (status 2) where something keeps a training away."""
    report = Report()
    _print(report.begin(config), as_json)
    with progress_line("reading") as update:
        for number, (case, found) in enumerate(report.read(config, useful_processes(report.cases)), start=1):
            _print(found, as_json)
            update(number / len(report.cases), f"{number} of {len(report.cases)}  {case.name}")
    _print(report.end(config), as_json)
    if as_json:
        print_json(report.as_dict())
    elif report.prints:
        for line in describe(dataset_fingerprint(report.prints), config):
            output.print(line)
    if report.errors:
        raise InputError(
            f"{report.errors} error{'s' * (report.errors > 1)} in {len(report.cases)} cases",
            file=config.data[0],
            mend="mend what the lines above name",
        )
    if not as_json:
        warnings = len(report.problems)
        after = f", {warnings} warning{'s' * (warnings > 1)}" if warnings else ""
        output.print(f"{len(report.cases)} cases, no errors{after}")


def describe(summary: dict[str, Any], config: Config) -> list[str]:
    """The data in a few lines for a person."""
    sizes, spacings = summary["shape_kji"], summary["spacing_mm"]
    lines = [
        f"{summary['cases']} readable cases of {summary['patients']} patients; "
        f"{_range(sizes, slice(None, None, -1), '×')} voxels of {_range(spacings, slice(None), ' × ')} mm (i, j, k)"
    ]
    for label in config.draft.output.labels:
        share, count = (summary[key][str(label.value)] for key in ("foreground_share", "cases_with_label"))
        lines.append(f"label {label.value} {label.name}: in {count} cases, median {share:.2%} of the voxels")
    lines.append(f"data {summary['sha256'][:16]}")
    return lines


def _range(spread: dict[str, list[float]], order: slice, sign: str) -> str:
    low, high = spread["lowest"][order], spread["highest"][order]
    return sign.join(f"{a:g}" if a == b else f"{a:g}–{b:g}" for a, b in zip(low, high, strict=True))


def _print(problems: list, as_json: bool) -> None:
    if not as_json:
        for problem in problems:
            output.print(problem.line())
