"""``medseg inspect``: what a model file is, in plain words."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import InputError
from ..models import ModelReport, TensorInfo
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
_WIDTH = 13


def inspect(
    model: Annotated[Path, typer.Argument(help="The model file, or the folder of a package.", show_default=False)],
    static: Annotated[
        bool, typer.Option("--static", help="Only look at the file; do not load it in a worker process.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Say what a model file is, what its card says, what was inferred and how sure, and what is missing.

    The file is looked through without running anything of it. Then, unless that found something unsafe, a separate
    process with limits on memory and time loads it and runs one slice of noise. Exit status 2 for a file that is
    refused or does not load.
    """
    from ..models.isolated import inspect_isolated, refusal

    report = inspect_isolated(model, load=not static)
    if json:
        print_json(report.as_dict())
    else:
        for line in describe(report):
            output.print(line, markup=False)
    if report.unsafe:
        raise refusal(report)
    if "error" in report.loaded:
        raise InputError(report.loaded["error"], file=model, mend=report.loaded["mend"])


def describe(report: ModelReport) -> list[str]:
    """The report as lines of text."""
    kind = (_FORMATS.get(report.format, report.format), report.framework, report.version)
    lines = [f"{report.path.name}: {', '.join(part for part in kind if part)}"]
    if report.parameters is not None:
        lines.append(_line("parameters", f"{report.parameters:,}"))
    if report.format == "state_dict":
        lines.append(_line("weights", str(report.details["weights"])))
    lines += [_line("input", _tensor(info)) for info in report.inputs]
    lines += [
        _line("output", _tensor(info) + (f", ends in a {report.ends_in}" if report.ends_in else ""))
        for info in report.outputs
    ]
    if report.fixed_size:
        lines.append(_line("slice size", f"{report.fixed_size[0]} × {report.fixed_size[1]} only"))
    elif report.multiple_of:
        lines.append(_line("slice size", f"any multiple of {report.multiple_of}"))
    lines += _card(report)
    lines += _loaded(report)
    lines += [_line("unsafe", reason) for reason in report.unsafe]
    lines += [_line("note", warning) for warning in report.warnings]
    unclear = report.details.get("unclear")
    if unclear:
        lines.append(_line("note", f"{unclear['what']}; {unclear['mend']}"))
    return lines


def _line(word: str, text: str) -> str:
    return f"  {word:<{_WIDTH}}{text}"


def _tensor(info: TensorInfo) -> str:
    if info.shape is None:
        return f"{info.name}: shape not said, {info.dtype}"
    shape = " × ".join(str(dim) if isinstance(dim, int) else "any" for dim in info.shape)
    return f"{info.name}: {shape} (batch × channels × height × width), {info.dtype}"


def _loaded(report: ModelReport) -> list[str]:
    found = report.loaded
    if "error" in found:
        return [_line("loads", f"NO: {found['error']}")]
    if "missing" in found:
        return [_line("loads", f"not tried: {found['missing']} ({found['mend']})")]
    if not found:
        return []
    taken, given = (" × ".join(map(str, found[side])) for side in ("slice", "output"))
    return [_line("loads", f"yes, with {found['backend']} in {found['seconds']:.1f} s; a slice {taken} gives {given}")]


def _card(report: ModelReport) -> list[str]:
    if report.card_error:
        return [_line("card", f"WRONG: {report.card_error}")]
    card = report.card
    if card is None:
        lines = [_line("card", "none")]
        lines += [_line("inferred", f"{name}: {why}") for name, why in report.inferred.items()]
        return [
            *lines,
            _line("missing", ", ".join(report.missing)),
            _line("", f"write them into {report.path.name}.card.json beside the file"),
        ]
    labels = ", ".join(f"{label.value} {label.name}" for label in card.output.labels)
    trained_on = " ".join(part for part in (card.modality, card.contrast, card.body_region) if part) or "not said"
    normalisation = card.input.normalisation
    lines = [
        _line("card", card.name + (f" {card.version}" if card.version else "") + f" ({report.card_source})"),
        _line("trained on", trained_on + (", synthetic cases only" if card.synthetic else "")),
        _line(
            "slices",
            card.plane
            + (f", orientation {card.orientation}" if card.orientation else "")
            + (
                ", prepared by nnU-Net's plans"
                if card.preparation
                else f", {card.input.size.mode}, intensities {normalisation.kind} over the {normalisation.scope}"
            ),
        ),
        _line("labels", f"{labels} ({card.output.activation})"),
    ]
    if card.intended_use:
        lines.append(_line("intended use", card.intended_use))
    if card.licence:
        lines.append(_line("licence", card.licence))
    return lines
