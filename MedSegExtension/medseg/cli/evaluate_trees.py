"""The part of ``medseg evaluate`` that compares duct trees."""

from __future__ import annotations

from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from ..metrics import TreeAgreement, add_up, compare_trees
from ..volume import Volume
from .common import output

#: Of each case, of each label.
Trees = dict[str, dict[int, TreeAgreement]]


def compare_as_trees(prediction: Volume, reference: Volume, label: int) -> TreeAgreement:
    """Measure one label of both label maps and compare the trees."""
    from ..ducts import measure_ducts

    return compare_trees(measure_ducts(prediction, label), measure_ducts(reference, label))


def trees_json(trees: Trees | None) -> dict[str, Any]:
    """What goes into the JSON object beside the other figures."""
    if trees is None:
        return {}
    return {
        "trees": {
            "cases": [
                {"case": case, "labels": {label: agreement.as_dict() for label, agreement in by_label.items()}}
                for case, by_label in trees.items()
            ],
            "total": {label: total.as_dict() for label, total in _totals(trees).items()},
        }
    }


def print_trees(trees: Trees) -> None:
    """A table of classes of calibre for each label, all cases together, and a line on what is false."""
    console = output if output.is_terminal else Console(width=120, highlight=False)
    for label, total in _totals(trees).items():
        plural = "" if total.cases == 1 else "s"
        table = Table(
            title=f"Duct tree of label {label}, {total.cases} case{plural}, by calibre of the reference",
            title_justify="left",
            box=SIMPLE_HEAD,
            padding=(0, 1, 0, 0),
            pad_edge=False,
        )
        table.add_column("Calibre")
        for name in ("Branches found", "Length found", "Calibre error mm", "Bias mm", "Branches compared"):
            table.add_column(name, justify="right")
        for c in total.classes:
            record = c.as_dict()
            share = f"{100 * c.length_found_mm / c.length_mm:.0f} % of {c.length_mm:.0f} mm" if c.length_mm else "–"
            table.add_row(
                c.name,
                f"{c.branches_found} of {c.branches}" if c.branches else "–",
                share,
                _number(record["calibre_error_mm"]),
                _number(record["calibre_bias_mm"], sign=True),
                str(len(c.errors_mm)),
            )
        console.print(table)
        error = total.as_dict()["stricture_calibre_error_mm"]
        console.print(
            f"Prediction: {total.length_mm:.0f} mm of centreline, {total.length_false_mm:.0f} mm of it beside the "
            f"reference. Strictures: {total.strictures_found} of {total.strictures} found, {total.strictures_false} "
            f"false{'' if error is None else f', narrowest calibre off by {error:.2f} mm on average'}.",
            soft_wrap=True,
        )


def _totals(trees: Trees) -> dict[int, TreeAgreement]:
    labels = sorted({label for by_label in trees.values() for label in by_label})
    return {label: add_up([t[label] for t in trees.values() if label in t]) for label in labels}


def _number(value: float | None, sign: bool = False) -> str:
    return "–" if value is None else f"{value:{'+' if sign else ''}.2f}"
