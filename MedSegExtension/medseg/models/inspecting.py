"""`inspect_model`: everything a file tells without executing any of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..card import ModelCard
from ..errors import InputError
from .bioimageio_package import inspect_bioimageio
from .card_lookup import check_card, find_card
from .detect import Format, detect_format
from .draft import fill_draft
from .keras_file import inspect_keras
from .monai_bundle import inspect_monai_bundle
from .monai_transforms import add_transforms
from .nnunet_folder import inspect_nnunet
from .onnx_file import inspect_onnx
from .ports import apply_ports
from .pt2_file import inspect_pt2
from .report import ModelReport
from .safetensors_file import inspect_safetensors as inspect_header
from .safetensors_file import read_header
from .safetensors_recognise import recognise_safetensors
from .state_dict_file import add_architecture, complete_card, inspect_state_dict
from .torchscript_file import inspect_torchscript


def inspect_safetensors(path: Path) -> ModelReport:
    """The report of a safetensors file; without a card inside, the tensors tell its network. Raises InputError."""
    report = inspect_header(path)
    if report.card_text is None:
        recognise_safetensors(report, read_header(path))
    return report


#: One file a format; a new format is a new file and a line here.
INSPECTORS: dict[Format, Callable[[Path], ModelReport]] = {
    "onnx": inspect_onnx,
    "torchscript": inspect_torchscript,
    "safetensors": inspect_safetensors,
    "pt2": inspect_pt2,
    "bioimageio": inspect_bioimageio,
    "monai_bundle": inspect_monai_bundle,
    "nnunet": inspect_nnunet,
    "state_dict": inspect_state_dict,
    "keras": inspect_keras,
}


#: Formats whose graph names its inputs and outputs.
WITH_PORTS = ("onnx", "pt2", "keras")


def static_report(path: str | Path) -> ModelReport:
    """The report without its card: format, graph, draft. Raises as `inspect_model`."""
    path = Path(path)
    try:
        report = INSPECTORS[detect_format(path)](path)
    except OSError as error:
        raise InputError(
            f"the file cannot be read ({error.strerror or error})", file=path, mend="check the path and the permissions"
        ) from None
    fill_draft(report)
    add_architecture(report)
    add_transforms(report)
    return report


def inspect_model(path: str | Path) -> ModelReport:
    """Look through a model file: format, inputs and outputs, parameters, card, what was inferred, what is unsafe.

    Static: nothing of the file is executed, and neither torch nor any runtime is needed. What `open_model` would refuse
    as unsafe is listed in ``unsafe``; a card that is wrong or does not fit is described in ``card_error``.

    Raises
    ------
    InputError : no such file, damaged or cut short, no model, or a network of a kind that cannot be used.
    UnsafeModelError : a pickle, or an archive made to do harm: nothing in it can be looked at safely.
    """
    report = static_report(path)
    try:
        report.card, report.card_source = find_card(report)
        if report.card is not None:
            use_card(report, report.card)
    except InputError as error:
        report.card_error = error.what if error.mend is None else f"{error.what}; {error.mend}"
    return report


def use_card(report: ModelReport, card: ModelCard) -> None:
    """Fill from the card what the file itself does not tell, and check that both agree. Raises InputError."""
    if report.format == "safetensors" and (card.architecture is not None or "architecture" not in report.details):
        from .safetensors_network import fill_from_architecture

        fill_from_architecture(report, card)
    if report.format == "state_dict":
        complete_card(report, card)
    if report.details.get("inner_format", report.format) in WITH_PORTS and (
        "unclear" in report.details or card.names_tensors
    ):
        apply_ports(report, card)
    check_card(card, report, certain=report.format != "torchscript")
    report.missing = ()
