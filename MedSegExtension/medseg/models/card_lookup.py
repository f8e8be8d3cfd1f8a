"""Where a model's card comes from, and whether it fits the file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..card import ModelCard, card_path_beside, read_card
from ..errors import InputError
from .report import ModelReport

CardSource = ModelCard | Mapping[str, Any] | str | Path | None


def find_card(report: ModelReport, card: CardSource = None) -> tuple[ModelCard | None, str]:
    """The card and where it came from: the argument, else inside the file, else beside it. Raises InputError."""
    if isinstance(card, ModelCard):
        return card, "argument"
    if isinstance(card, Mapping):
        return ModelCard.from_dict(card, "the card given"), "argument"
    if card is not None:
        return read_card(card), str(card)
    if report.card_text is not None:
        return ModelCard.from_json(report.card_text, report.path), "inside the file"
    beside = card_path_beside(report.path)
    if beside.is_file():
        return read_card(beside), beside.name
    return None, ""


def check_card(card: ModelCard, report: ModelReport, *, certain: bool = True) -> None:
    """Raise InputError, naming both numbers and the mend, where the card contradicts the file.

    ``certain`` says whether the report's channel numbers are facts (ONNX, safetensors) or guesses (TorchScript).
    """
    path = report.path
    if certain and report.in_channels is not None and card.in_channels != report.in_channels:
        raise InputError(
            f"the card gives {card.in_channels} input channels, the model takes {report.in_channels}",
            file=path,
            mend="correct input.context, input.volumes or input.channels in the card",
        )
    if certain and report.out_channels is not None and card.out_channels > report.out_channels:
        raise InputError(
            f"the card's labels need {card.out_channels} output channels, the model gives {report.out_channels}",
            file=path,
            mend="correct output.labels or output.background_channel in the card",
        )
    size = card.input.size
    if report.fixed_size is None:
        return
    fixed_height, fixed_width = report.fixed_size
    if size.height is not None and size.width is not None:
        if (size.height, size.width) != report.fixed_size:
            raise InputError(
                f"the card's input size is {size.height} × {size.width}, the model takes only "
                f"{fixed_height} × {fixed_width}",
                file=path,
                mend="correct input.size in the card",
            )
    elif fixed_height % size.multiple_of or fixed_width % size.multiple_of:
        raise InputError(
            f"the card pads slices to a multiple of {size.multiple_of}, the model takes only "
            f"{fixed_height} × {fixed_width}",
            file=path,
            mend=f"set input.size to mode resize or pad_or_crop, height {fixed_height}, width {fixed_width}",
        )
