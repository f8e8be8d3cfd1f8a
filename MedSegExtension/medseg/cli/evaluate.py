"""``medseg evaluate``: how well label maps agree with their references."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from ..errors import InputError
from ..io import atomic_path, case_name, find_cases, read_labels
from ..metrics import FIGURES, Agreement, Spread, Summary, evaluate_labels, summarise
from .common import JsonOption, errors, output, print_json, progress_line
from .evaluate_trees import Trees, compare_as_trees, print_trees, trees_json

POLICY = (
    "a structure in only one of prediction and reference has overlaps of 0 and distances of the image diagonal; "
    "one in neither is not counted"
)

#: What a person reads for each figure. Those of the table of cases come first.
_NAMES = {
    "dice": "Dice",
    "cldice": "clDice",
    "precision": "Prec.",
    "recall": "Recall",
    "nsd_1mm": "NSD 1 mm",
    "hd95_mm": "HD95 mm",
    "assd_mm": "ASSD mm",
    "volume_difference_percent": "Diff. %",
    "iou": "IoU",
    "cldice_precision": "clDice prec.",
    "cldice_sensitivity": "clDice sens.",
    "betti0_error": "Betti-0 error",
    "nsd_1voxel": "NSD 1 voxel",
    "volume_prediction_ml": "Prediction ml",
    "volume_reference_ml": "Reference ml",
    "volume_difference_ml": "Volume diff. ml",
}
_CASE_COLUMNS = tuple(_NAMES)[:8]
#: Labels side by side in the table of a single case.
_LABELS_ABREAST = 6
#: Width of tables that go to a file or a pipe.
_PIPE_WIDTH = 120


@dataclass(frozen=True)
class _Pair:
    case: str
    prediction: Path
    reference: Path


def evaluate(
    prediction: Annotated[Path, typer.Argument(help="Label map, or folder of label maps.", show_default=False)],
    reference: Annotated[Path, typer.Argument(help="Reference label map, or folder of them.", show_default=False)],
    labels: Annotated[
        str | None, typer.Option(help="Which labels, for example 1,3.", show_default="every label that occurs")
    ] = None,
    foreground: Annotated[
        bool, typer.Option("--foreground", help="Compare everything that is not background as one structure, label 1.")
    ] = False,
    tree: Annotated[
        bool,
        typer.Option(
            "--tree",
            help="Measure both as duct trees and compare: branches, length, calibre, strictures (seconds each).",
        ),
    ] = False,
    csv_file: Annotated[
        Path | None, typer.Option("--csv", help="Write a table, one row per case and label.", show_default=False)
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Compare segmentations with their references: Dice, IoU, precision, recall, clDice, NSD, HD95, ASSD, volumes.

    Two files, or two folders whose files are paired by name without its suffix. Definitions: docs/metrics.md.
    """
    wanted = _parse_labels(labels, foreground)
    pairs, unmatched = _pairs(prediction, reference)
    for side, names in unmatched.items():
        if names:
            errors.print(f"medseg: in the folder of {side}s only, left out: {', '.join(names)}")

    results: dict[str, dict[int, Agreement]] = {}
    trees: Trees | None = {} if tree else None
    with progress_line("Comparing") as update:
        for done, pair in enumerate(pairs):
            update(done / len(pairs), pair.case)
            results[pair.case] = _compare_files(pair, wanted, foreground, trees)
    found = sorted({label for agreements in results.values() for label in agreements})
    # A label that other cases have is in neither map of this one: it belongs into the count of cases not counted.
    results = {
        case: {label: agreements.get(label, Agreement.both_empty()) for label in wanted or found}
        for case, agreements in results.items()
    }
    summaries = {label: summarise([agreements[label] for agreements in results.values()]) for label in wanted or found}

    if csv_file is not None:
        _write_csv(csv_file, results)
    if as_json:
        print_json(_json_object(results, summaries, unmatched) | trees_json(trees))
        return
    _print_tables(results, summaries)
    if trees is not None:
        print_trees(trees)


def _parse_labels(text: str | None, foreground: bool) -> list[int] | None:
    if foreground and text is not None:
        raise InputError("--labels and --foreground exclude each other", mend="give one of them")
    if foreground:
        return [1]
    if text is None:
        return None
    try:
        wanted = [int(part) for part in text.split(",")]
    except ValueError:
        wanted = []
    if not wanted or min(wanted) < 1 or len(set(wanted)) != len(wanted):
        raise InputError(f"--labels {text!r} is not a list of label values", mend="give numbers from 1 up, like 1,3")
    return wanted


def _pairs(prediction: Path, reference: Path) -> tuple[list[_Pair], dict[str, list[str]]]:
    """The cases to compare, and the names of those that one side lacks."""
    for path in (prediction, reference):
        if not path.exists():
            raise InputError("there is no such file or folder", file=path, mend="check the path")
    if prediction.is_dir() != reference.is_dir():
        folder, file = (prediction, reference) if prediction.is_dir() else (reference, prediction)
        raise InputError(f"is a folder, but {file} is a file", file=folder, mend="pass two files or two folders")
    if not prediction.is_dir():
        return [_Pair(case_name(reference), prediction, reference)], {"prediction": [], "reference": []}
    predictions, references = _by_case(prediction), _by_case(reference)
    common = [case for case in references if case in predictions]
    if not common:
        raise InputError(
            f"no case has a counterpart in {reference}: {_few(list(predictions))} here, {_few(list(references))} there",
            file=prediction,
            mend="name each prediction like its reference",
        )
    unmatched = {
        "prediction": [case for case in predictions if case not in references],
        "reference": [case for case in references if case not in predictions],
    }
    return [_Pair(case, predictions[case], references[case]) for case in common], unmatched


def _by_case(folder: Path) -> dict[str, Path]:
    cases: dict[str, Path] = {}
    for path in find_cases(folder):
        name = case_name(path)
        if name in cases:
            raise InputError(
                f"two files are the case {name}: {cases[name].name} and {path.name}",
                file=folder,
                mend="keep one of them",
            )
        cases[name] = path
    return cases


def _few(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")


def _compare_files(
    pair: _Pair, wanted: list[int] | None, foreground: bool, trees: Trees | None = None
) -> dict[int, Agreement]:
    prediction, reference = read_labels(pair.prediction), read_labels(pair.reference)
    if not prediction.same_grid(reference):
        raise InputError(
            f"lies on another grid than {pair.reference} (shape, spacing, origin or direction differ)",
            file=pair.prediction,
            mend="resample one of them by nearest neighbour onto the other's grid",
        )
    maps = [prediction.array, reference.array]
    if foreground:
        maps = [(array != 0).astype("uint8") for array in maps]
    k, j, i = reference.spacing[::-1]
    agreements = evaluate_labels(maps[0], maps[1], (k, j, i), wanted)
    if agreements and all(a.note for a in agreements.values()) and maps[0].any() and maps[1].any():
        errors.print(
            f"medseg: {pair.case}: prediction and reference have none of these labels in common; "
            "if their label values differ, --foreground compares all as one structure"
        )
    if trees is not None:
        volumes = [side.with_array(array) for side, array in zip((prediction, reference), maps, strict=True)]
        trees[pair.case] = {label: compare_as_trees(volumes[0], volumes[1], label) for label in agreements}
    return agreements


def _write_csv(file: Path, results: dict[str, dict[int, Agreement]]) -> None:
    with atomic_path(file) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, ["case", "label", *FIGURES, "counted", "note"])
        writer.writeheader()
        for case, agreements in results.items():
            for label, agreement in agreements.items():
                writer.writerow({"case": case, "label": label, **agreement.as_dict()})


def _json_object(
    results: dict[str, dict[int, Agreement]], summaries: dict[int, Summary], unmatched: dict[str, list[str]]
) -> dict[str, Any]:
    return {
        "cases": [
            {"case": case, "labels": {label: agreement.as_dict() for label, agreement in agreements.items()}}
            for case, agreements in results.items()
        ],
        "summary": {label: summary.as_dict() for label, summary in summaries.items()},
        "unmatched": unmatched,
        "empty_mask_policy": POLICY,
    }


def _print_tables(results: dict[str, dict[int, Agreement]], summaries: dict[int, Summary]) -> None:
    console = output if output.is_terminal else Console(width=_PIPE_WIDTH, highlight=False)
    if not summaries:
        console.print("Neither prediction nor reference holds any label.")
        return
    if len(results) == 1:
        (agreements,) = results.values()
        for some in _batches(list(agreements), _LABELS_ABREAST):
            console.print(_figure_table({label: agreements[label] for label in some}))
    else:
        for label, summary in summaries.items():
            console.print(_case_table(label, {case: agreements[label] for case, agreements in results.items()}))
            console.print(_summary_table(label, summary))
    notes = [
        f"{case}, label {label}: {agreement.note}"
        for case, agreements in results.items()
        for label, agreement in agreements.items()
        if agreement.note
    ]
    if notes:
        console.print("\n".join([*notes, f"Empty masks: {POLICY}."]), soft_wrap=True)


def _batches(labels: list[int], size: int) -> list[list[int]]:
    return [labels[start : start + size] for start in range(0, len(labels), size)]


def _table(title: str, first: str, others: Iterable[str]) -> Table:
    table = Table(title=title or None, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column(first, overflow="fold", min_width=6)
    for name in others:
        table.add_column(name, justify="right", no_wrap=True, min_width=max(5, *(len(word) for word in name.split())))
    return table


def _figure_table(agreements: dict[int, Agreement]) -> Table:
    """All figures of a single case, a column for each label."""
    table = _table("", "Figure", (f"Label {label}" for label in agreements))
    for figure in FIGURES:
        table.add_row(_NAMES[figure], *(_number(getattr(a, figure), figure) for a in agreements.values()))
    return table


def _case_table(label: int, agreements: dict[str, Agreement]) -> Table:
    """The main figures of one label, a row for each case."""
    table = _table(f"Label {label}", "Case", (_NAMES[figure] for figure in _CASE_COLUMNS))
    for case, agreement in agreements.items():
        table.add_row(case, *(_number(getattr(agreement, figure), figure) for figure in _CASE_COLUMNS))
    return table


def _summary_table(label: int, summary: Summary) -> Table:
    """All figures of one label over the cases."""
    title = (
        f"Label {label}: {summary.counted} cases counted, {summary.not_counted} not counted (both empty); "
        "bootstrap interval of the mean"
    )
    table = _table(title, "Figure", ("n", "Mean", "SD", "Median", "IQR", "95 % interval"))
    for figure in FIGURES:
        table.add_row(_NAMES[figure], *_spread_cells(summary[figure], figure))
    return table


def _spread_cells(spread: Spread, figure: str) -> list[str]:
    def text(value: float) -> str:
        return _number(value, figure)

    interval = f"{text(spread.low)} to {text(spread.high)}" if spread.n > 1 else "–"
    return [str(spread.n), text(spread.mean), text(spread.sd), text(spread.median), text(spread.iqr), interval]


def _number(value: float, figure: str) -> str:
    if math.isnan(value):
        return "–"
    if figure.endswith("_percent"):
        return f"{value:.1f}"
    return f"{value:.2f}" if figure.endswith(("_mm", "_ml", "error")) else f"{value:.3f}"
