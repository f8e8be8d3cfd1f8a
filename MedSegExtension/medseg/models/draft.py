"""What of a card can be inferred from a file that has none, how sure that is, and what a person must be asked."""

from __future__ import annotations

from typing import Any

from .report import ModelReport

#: What no graph tells: how the network was shown its slices, and what its classes are.
ALWAYS_ASKED = ("plane", "orientation", "input.normalisation", "output.labels")


def fill_draft(report: ModelReport) -> None:
    """Fill ``draft``, ``inferred`` and ``missing`` of a report from its other fields."""
    draft: dict[str, Any] = {"schema_version": 1, "name": report.path.name.partition(".")[0] or report.path.name}
    inferred = report.inferred
    missing = list(ALWAYS_ASKED)
    if "unclear" in report.details:
        missing.append(report.details["unclear"]["field"])
    size: dict[str, Any] = {"mode": "native"}
    if report.fixed_size:
        height, width = report.fixed_size
        size = {"mode": "resize", "height": height, "width": width}
        inferred["input.size"] = (
            f"certain: the graph takes {height} × {width} only; whether slices are resized, or "
            "padded and cropped to it, is not known"
        )
    elif report.multiple_of:
        size["multiple_of"] = report.multiple_of
        inferred["input.size"] = f"likely: any size that is a multiple of {report.multiple_of}, by the strides"
    else:
        size["multiple_of"] = 32
        missing.append("input.size")
    draft["input"] = {"size": size}
    if report.in_channels is not None and report.in_channels > 1:
        # Several channels may be neighbours, several volumes or one grey slice repeated.
        missing.append("input.channels")
    elif report.in_channels is None:
        missing.append("input.channels")
    output: dict[str, Any] = {}
    if report.out_channels is not None:
        background = report.out_channels > 1 and report.ends_in != "sigmoid"
        first = 1 if background else 0
        output["labels"] = [
            {"value": number + 1, "name": f"label {number + 1}", "channel": channel}
            for number, channel in enumerate(range(first, report.out_channels))
        ][:1000]
        sure = "likely" if report.out_channels > 1 or report.format == "torchscript" else "certain"
        count = len(output["labels"])
        inferred["output.labels"] = (
            f"{sure}: {count} label{'s' if count > 1 else ''}"
            + (" after background" if background else "")
            + "; names are not known"
        )
    if report.ends_in in ("sigmoid", "softmax"):
        output["activation"] = "none"
        inferred["output.activation"] = f"certain: the graph ends in a {report.ends_in}"
        output["background_channel"] = report.ends_in == "softmax"
    elif report.out_channels == 1:
        output["activation"] = "sigmoid"
        inferred["output.activation"] = "likely: one channel without a sigmoid at its end"
    elif report.out_channels is not None:
        output["activation"] = "softmax"
        inferred["output.activation"] = "a guess: several channels; they may also be independent (sigmoid)"
        missing.append("output.activation")
    else:
        missing.append("output.activation")
    draft["output"] = output
    report.draft, report.missing = draft, tuple(missing)
