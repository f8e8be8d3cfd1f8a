"""`medseg report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from medseg.cli.common import JsonOption, output, print_json


def report(
    runs: Annotated[list[Path], typer.Argument(help="Runs or cross-validations; others are compared with the first.")],
    out: Annotated[Path, typer.Option("-o", "--output", help="HTML file to write.")] = Path("report.html"),
    predictions: Annotated[
        bool, typer.Option(help="Run the network over the judged cases again, for ROC, calibration and pictures.")
    ] = True,
    pictures: Annotated[int, typer.Option(min=0, help="How many of the worst and best cases to show.")] = 3,
    as_json: JsonOption = False,
) -> None:
    """Write a self-contained HTML report of one training, or of several side by side."""
    from .report import write_report

    result = write_report(
        runs,
        out,
        predictions=predictions,
        pictures=pictures,
        progress=(lambda text: None) if as_json else (lambda text: output.print(text, markup=False)),
    )
    if as_json:
        print_json(result)
    else:
        output.print(f"{result['file']} written", markup=False)
