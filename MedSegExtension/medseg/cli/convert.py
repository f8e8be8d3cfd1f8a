"""``medseg convert``: a model in another format, proved equal."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .common import JsonOption, output, print_json


def convert(
    model: Annotated[Path, typer.Argument(help="The model file.", show_default=False)],
    out: Annotated[
        Path, typer.Argument(help="The file to write: .onnx, .safetensors, or .pt for TorchScript.", show_default=False)
    ],
    card: Annotated[Path | None, typer.Option(help="A model card to use in place of the model's own.")] = None,
    json: JsonOption = False,
) -> None:
    """Write a model in another format with its card inside, run both, and print the largest difference.

    From safetensors, PyTorch weights, Keras and TorchScript to any of these; a format to itself carries a new card
    in. ONNX cannot be turned back yet, and .pt2 and MONAI bundles cannot be written yet.
    """
    from ..models.converting import convert_model

    done = convert_model(model, out, card=card)
    if json:
        print_json(done.as_dict())
        return
    inside = "card inside" if done.has_card else "no card"
    output.print(f"{done.file}: {done.format}, {done.bytes:,} bytes, {inside}", markup=False)
    output.print(
        f"  largest difference on {done.slices[0]} random slices of {done.slices[2]} × {done.slices[3]}: "
        f"{done.largest_difference:.1e} in the raw output"
        + (
            ""
            if done.largest_probability_difference is None
            else f", {done.largest_probability_difference:.1e} in probability"
        ),
        markup=False,
    )
