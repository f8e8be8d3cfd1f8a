"""``medseg convert``: a model in another format, proved equal."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from .common import JsonOption, output, print_json, progress_line


def convert(
    model: Annotated[Path, typer.Argument(help="The model file, or the folder of a package.", show_default=False)],
    out: Annotated[
        Path,
        typer.Argument(
            help="What to write: .onnx, .pt2 (exported program), .safetensors, .pt (TorchScript), or, without a "
            "suffix, the folder of a MONAI bundle.",
            show_default=False,
        ),
    ],
    card: Annotated[Path | None, typer.Option(help="A model card to use in place of the model's own.")] = None,
    to: Annotated[
        str | None, typer.Option("--to", help="The format: onnx, pt2, torchscript, safetensors, monai_bundle.")
    ] = None,
    precision: Annotated[
        str,
        typer.Option(
            help="float32; float16: weights in half the size, same arithmetic; int8: faster on processors, ONNX only."
        ),
    ] = "float32",
    cases: Annotated[
        Path | None,
        typer.Option(
            help="Folder of images (or of images/ and labels/) that the loss by a lower precision is measured on."
        ),
    ] = None,
    calibration: Annotated[
        Path | None, typer.Option(help="Folder of images that the ranges of int8 are measured on, if not --cases.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Accept a loss above 0.5 points of Dice or clDice; the card will say so.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is already there.")] = False,
    json: JsonOption = False,
) -> None:
    """Write a model in another format with its card inside, run both, and print the largest difference.

    A separate process with limits on memory and time does it. Nothing is written unless both give the same
    probabilities (within 1e-5), or, with a lower precision, unless Dice and clDice lose no more than 0.5 points.
    """
    from ..models.isolated import convert_isolated

    with progress_line("converting") as update:
        done = convert_isolated(
            model,
            out,
            card=card,
            format=to,
            precision=precision,
            cases=None if cases is None else str(cases.absolute()),
            calibration=None if calibration is None else str(calibration.absolute()),
            force=force,
            overwrite=overwrite,
            progress=lambda moment: update(moment.fraction, moment.stage),
        )
    if json:
        print_json(done)
        return
    for line in describe(done):
        output.print(line, markup=False)


def describe(done: dict[str, Any]) -> list[str]:
    """What was written, as lines of text."""
    inside = "card inside" if done["has_card"] else "no card"
    kind = done["format"] + ("" if done["precision"] == "float32" else f" ({done['precision']})")
    slices = done["slices"]
    lines = [
        f"{done['file']}: {kind}, {done['bytes']:,} bytes, {inside}",
        f"  largest difference on {slices[0]} random slices of {slices[2]} × {slices[3]}: "
        f"{done['largest_difference']:.1e} in the raw output"
        + (
            ""
            if done["largest_probability_difference"] is None
            else f", {done['largest_probability_difference']:.1e} in probability"
        ),
    ]
    loss = done["loss"]
    if loss is not None:
        points, seconds = loss["points"], loss["seconds_per_slice"]
        lines.append(
            f"  on {loss['cases']} cases against {loss['against']}: Dice loses {points['dice']:.2f} points, "
            f"clDice {points['cldice']:.2f} (the label that loses most)"
        )
        lines.append(f"  a slice takes {seconds['written']:.3f} s, before {seconds['original']:.3f} s")
    return lines
