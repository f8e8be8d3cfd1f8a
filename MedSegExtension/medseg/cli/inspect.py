"""``medseg inspect``: what a model file is, in plain words."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import UnsafeModelError
from ..models import ModelReport, TensorInfo, inspect_model
from .common import JsonOption, output, print_json

_FORMATS = {
    "onnx": "",
    "torchscript": "TorchScript",
    "safetensors": "safetensors checkpoint",
    "state_dict": "",
    "keras": "",
    "pt2": "exported program",
    "bioimageio": "bioimage.io package",
    "monai_bundle": "MONAI bundle",
    "nnunet": "nnU-Net result folder",
}


def inspect(
    model: Annotated[Path, typer.Argument(help="The model file.", show_default=False)],
    json: JsonOption = False,
) -> None:
    """Say what a model file is, what its card says, what was inferred and what is missing. Executes nothing of it."""
    report = inspect_model(model)
    if json:
        print_json(report.as_dict())
    else:
        for line in describe(report):
            output.print(line, markup=False)
    if report.unsafe:
        raise UnsafeModelError(
            f"the model is refused: {report.unsafe[0]}", file=model, mend="export it from its framework without this"
        )


def describe(report: ModelReport) -> list[str]:
    """The report as lines of text."""
    kind = (_FORMATS.get(report.format, report.format), report.framework, report.version)
    lines = [f"{report.path.name}: {', '.join(part for part in kind if part)}"]
    if report.parameters is not None:
        lines.append(f"  parameters   {report.parameters:,}")
    lines += [f"  input        {_tensor(info)}" for info in report.inputs]
    lines += [
        f"  output       {_tensor(info)}" + (f", ends in a {report.ends_in}" if report.ends_in else "")
        for info in report.outputs
    ]
    if report.fixed_size:
        lines.append(f"  slice size   {report.fixed_size[0]} × {report.fixed_size[1]} only")
    elif report.multiple_of:
        lines.append(f"  slice size   any multiple of {report.multiple_of}")
    lines += _card(report)
    lines += [f"  unsafe       {reason}" for reason in report.unsafe]
    lines += [f"  note         {warning}" for warning in report.warnings]
    return lines


def _tensor(info: TensorInfo) -> str:
    if info.shape is None:
        return f"{info.name}: shape not said, {info.dtype}"
    shape = " × ".join(str(dim) if isinstance(dim, int) else "any" for dim in info.shape)
    return f"{info.name}: {shape} (batch × channels × height × width), {info.dtype}"


def _card(report: ModelReport) -> list[str]:
    if report.card_error:
        return [f"  card         WRONG: {report.card_error}"]
    card = report.card
    if card is None:
        lines = ["  card         none"]
        lines += [f"  inferred     {name}: {why}" for name, why in report.inferred.items()]
        return [
            *lines,
            f"  missing      {', '.join(report.missing)}",
            f"               write them into {report.path.name}.card.json beside the file",
        ]
    labels = ", ".join(f"{label.value} {label.name}" for label in card.output.labels)
    trained_on = " ".join(part for part in (card.modality, card.contrast, card.body_region) if part) or "not said"
    normalisation = card.input.normalisation
    lines = [
        f"  card         {card.name}" + (f" {card.version}" if card.version else "") + f" ({report.card_source})",
        f"  trained on   {trained_on}" + (", synthetic cases only" if card.synthetic else ""),
        f"  slices       {card.plane}"
        + (f", orientation {card.orientation}" if card.orientation else "")
        + f", {card.input.size.mode}, intensities {normalisation.kind} over the {normalisation.scope}",
        f"  labels       {labels} ({card.output.activation})",
    ]
    if card.intended_use:
        lines.append(f"  intended use {card.intended_use}")
    if card.licence:
        lines.append(f"  licence      {card.licence}")
    return lines
