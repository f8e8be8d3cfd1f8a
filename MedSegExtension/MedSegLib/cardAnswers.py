"""From a person's answers to a model's card. Knows what can be answered; the window's fields are `cardForm`'s."""

from __future__ import annotations

import copy
from typing import Any

from medseg.orientation import PLANES
from slicer.i18n import tr as _

#: How programs that people train with hand out slices of each plane: (row, column, slice) codes of an array that
#: nibabel reads from a file stored right-anterior-superior or left-anterior-superior, and SimpleITK from any usual one.
READERS = {
    "axial": {"nibabel RAS": "RAS", "nibabel LAS": "LAS"},
    "coronal": {"nibabel RAS": "RSA", "nibabel LAS": "LSA", "SimpleITK": "SLP"},
    "sagittal": {"nibabel RAS": "ASR", "nibabel LAS": "ASL", "SimpleITK": "SPL"},
}

#: What a number is where the file says nothing: sizes in pixels, pixels in mm, a window, a divisor.
DEFAULTS = {"height": 320, "width": 320, "pixel": 1.0, "low": -1000.0, "high": 1000.0, "divisor": 255.0}

#: Answer -> the activation that we apply, and whether channel 0 is the background.
ACTIVATIONS = {
    "softmax": ("softmax", True),
    "sigmoid": ("sigmoid", False),
    "classes": ("none", True),
    "structures": ("none", False),
}


def orientationChoices(plane: str) -> list[tuple[str, str]]:
    """(code, text) of the ways in which slices of a plane are shown to networks; "" is for one that is typed."""
    choices = [(PLANES[plane], _("as radiologists look at them ({code})").format(code=PLANES[plane]))]
    for reader, code in READERS[plane].items():
        choices.append((code, _("as {reader} reads them ({code})").format(reader=reader, code=code)))
    return [*choices, ("", _("in another way:"))]


def sizeChoices(report: dict) -> list[tuple[str, str]]:
    """(mode, text) of the ways in which slices can come to the network's size."""
    fixed = report.get("fixed_size")
    if fixed:
        size = {"height": fixed[0], "width": fixed[1]}
        return [
            ("resize", _("resized to {height} × {width}").format(**size)),
            ("pad_or_crop", _("padded or cropped to {height} × {width}").format(**size)),
            ("resample", _("to a pixel size, then padded or cropped to {height} × {width}").format(**size)),
        ]
    return [
        ("native", _("as they are")),
        ("resize", _("resized")),
        ("pad_or_crop", _("padded or cropped")),
        ("resample", _("to a pixel size")),
    ]


def isImage(tensor: dict) -> bool:
    """Whether an input or output of a report is a batch of slices."""
    shape = tensor.get("shape")
    return shape is not None and len(shape) == 4


def cardData(report: dict, answers: dict[str, Any]) -> dict:
    """A card's JSON data: what the report's draft knows, and the answers.

    :param report: the dictionary of ``medseg inspect``.
    :param answers: plane, orientation, size, height, width, pixel, normalisation, scope, low, high, divisor, channels,
        activation, labels (names), output (name of the output), tensors (names) and constants (name to number); what is
        absent is left to the draft.
    """
    card = copy.deepcopy(report.get("draft") or {})
    card.setdefault("schema_version", 1)
    card.setdefault("name", "model")
    card["plane"] = answers["plane"]
    card["orientation"] = None if card["plane"] == "acquisition" else answers.get("orientation")
    inputs = card.setdefault("input", {})
    inputs["size"] = _size(report, inputs.get("size") or {}, answers)
    inputs["normalisation"] = _normalisation(answers)
    _channels(inputs, int(report.get("in_channels") or 1), answers.get("channels"))
    if answers.get("tensors"):
        inputs["tensors"] = list(answers["tensors"])
    if answers.get("constants"):
        inputs["constants"] = dict(answers["constants"])
    _output(card.setdefault("output", {}), report, answers)
    return card


def _size(report: dict, draft: dict, answers: dict) -> dict:
    mode, fixed = answers.get("size") or draft.get("mode", "native"), report.get("fixed_size")
    size: dict[str, Any] = {"mode": mode}
    if draft.get("multiple_of"):
        size["multiple_of"] = draft["multiple_of"]
    if fixed:
        size["height"], size["width"] = fixed
    elif mode in ("resize", "pad_or_crop"):
        size["height"], size["width"] = int(answers["height"]), int(answers["width"])
    if mode == "resample":
        size["spacing_mm"] = [answers["pixel"], answers["pixel"]]
    return size


def _normalisation(answers: dict) -> dict:
    kind = answers["normalisation"]
    normalisation: dict[str, Any] = {"kind": kind}
    if kind in ("zscore", "minmax", "percentile"):
        normalisation["scope"] = answers.get("scope") or "volume"
    if kind == "window":
        normalisation["window"] = [answers["low"], answers["high"]]
    if kind == "divide":
        normalisation["divisor"] = answers["divisor"]
    return normalisation


def _channels(inputs: dict, count: int, meaning: str | None) -> None:
    if meaning == "neighbours":
        inputs["context"] = count // 2
    elif meaning == "repeated":
        inputs["channels"] = [{"volume": 0, "offset": 0}] * count
    elif meaning == "volumes":
        inputs["volumes"] = [_("volume {number}").format(number=n + 1) for n in range(count)]


def _output(output: dict, report: dict, answers: dict) -> None:
    if answers.get("output"):
        output["tensor"] = answers["output"]
    if answers.get("activation") in ACTIVATIONS:
        output["activation"], output["background_channel"] = ACTIVATIONS[answers["activation"]]
    output.setdefault("activation", "sigmoid")
    output["labels"] = structures(report, answers.get("activation"), answers.get("output"))
    for label, name in zip(output["labels"], answers.get("labels", ()), strict=False):
        label["name"] = name


def structures(report: dict, activation: str | None, output: str | None) -> list[dict]:
    """The labels that a network has with these answers, named as the draft names them or by number."""
    draft = (report.get("draft") or {}).get("output", {}).get("labels") or [{"value": 1, "name": _("structure")}]
    count = outputChannels(report, output)
    if activation not in ACTIVATIONS or count is None:
        return copy.deepcopy(draft)
    first = 1 if ACTIVATIONS[activation][1] else 0
    return [
        {"value": n + 1, "name": f"label {n + 1}", "channel": channel} for n, channel in enumerate(range(first, count))
    ]


def outputChannels(report: dict, output: str | None) -> int | None:
    """How many channels the network (the output of that name, where it has several) gives; None where it is free."""
    if output is None:
        return report.get("out_channels")
    shape = next((t["shape"] for t in report.get("outputs") or () if t["name"] == output and isImage(t)), None)
    return shape[1] if shape is not None and isinstance(shape[1], int) else None
