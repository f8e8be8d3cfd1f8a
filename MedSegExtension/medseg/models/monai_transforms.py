"""What a MONAI bundle's transforms say of a card: orientation, spacing, size, intensities, activation, labels.

Read from the configuration as data; nothing is built or run. What is not understood is named, and then no card is
made, only a draft. Meanings: docs.monai.io/en/stable/transforms.html.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..orientation import plane_of
from .yaml_text import number

#: Transforms that load, convert or write, and change no value that a network sees.
_INERT = frozenset({
    "LoadImage", "EnsureChannelFirst", "EnsureType", "ToTensor", "AsDiscrete", "SaveImage", "Invert", "CastToType",
    "AddChannel", "AsChannelFirst", "ToDevice", "SelectItems", "DeleteItems",
})  # fmt: skip


@dataclass
class Said:
    """Parts of a card, and the transforms that could not be put into it."""

    parts: dict[str, Any] = field(default_factory=dict)
    axcodes: str | None = None
    spacing: list[float] | None = None
    size: list[int] | None = None
    unknown: list[str] = field(default_factory=list)


def read_transforms(config: dict[str, Any], metadata: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Fields of a card (``plane``, ``orientation``, ``input``, ``output``) and what was not understood.

    ``config`` has its references resolved. Never raises for odd values: what cannot be read is not understood.
    """
    said = Said()
    before, after = (_list(config.get(key)) for key in ("preprocessing", "postprocessing"))
    if before is None:
        said.unknown.append("there is no list of transforms under preprocessing")
    for entry in (*(before or []), *(after or [])):
        word = str(entry.get("_target_", "")).rpartition(".")[2]
        plain = word.removesuffix("d").removesuffix("Dict") if word[-1:] == "d" else word
        try:
            understood = _take(said, plain, entry)
        except (TypeError, ValueError, KeyError, IndexError):
            understood = False
        if not understood:
            said.unknown.append(word[:60] or "an entry without a name")
    card = dict(said.parts)
    _geometry(said, card, _slice_axis(config))
    labels = _labels(metadata)
    if labels:
        card.setdefault("output", {})["labels"] = labels
    return card, said.unknown


def _list(value: Any) -> list[dict[str, Any]] | None:
    if isinstance(value, dict) and str(value.get("_target_", "")).endswith("Compose"):
        value = value.get("transforms")
    if isinstance(value, list) and all(isinstance(entry, dict) for entry in value):
        return [entry for entry in value if entry.get("_disabled_") is not True]
    return None


def _take(said: Said, word: str, entry: dict[str, Any]) -> bool:
    if word == "AsDiscrete":
        return _decision(said, entry)
    if word in _INERT:
        return True
    if word == "Orientation":
        said.axcodes = str(entry["axcodes"]).upper()
        return plane_of(said.axcodes) is not None
    if word == "Spacing":
        said.spacing = [_number(step) for step in entry["pixdim"]]
        return len(said.spacing) in (2, 3)
    if word == "Resize":
        said.size = [int(side) for side in entry["spatial_size"]]
        return len(said.size) in (2, 3) and entry.get("size_mode", "all") == "all"
    if word == "Activations":
        kinds = [name for name in ("sigmoid", "softmax") if entry.get(name) is True]
        if len(kinds) == 1:
            said.parts.setdefault("output", {}).update(activation=kinds[0], background_channel=kinds == ["softmax"])
        return len(kinds) == 1
    found = _intensity(word, entry)
    if found is None or "input" in said.parts:
        return False  # two steps of intensities are more than a card can say
    said.parts["input"] = {"normalisation": found}
    return True


def _decision(said: Said, entry: dict[str, Any]) -> bool:
    threshold = entry.get("threshold")
    if threshold is not None:
        said.parts.setdefault("output", {})["threshold"] = _number(threshold)
    elif entry.get("argmax"):
        said.parts.setdefault("output", {})["threshold"] = None
    return True


def _intensity(word: str, entry: dict[str, Any]) -> dict[str, Any] | None:
    unit = (_number(entry.get("b_min", 0)), _number(entry.get("b_max", 1))) == (0, 1)
    if word == "ScaleIntensityRange" and unit:
        window = [_number(entry["a_min"]), _number(entry["a_max"])]
        return {"kind": "window", "window": window, "clip": entry.get("clip") is True}
    if word == "ScaleIntensityRangePercentiles" and unit and not entry.get("relative"):
        limits = [_number(entry["lower"]), _number(entry["upper"])]
        return {"kind": "percentile", "percentiles": limits, "clip": entry.get("clip") is True, "scope": "volume"}
    whole = (_number(entry.get("minv", 0)), _number(entry.get("maxv", 1))) == (0, 1)
    if word == "ScaleIntensity" and entry.get("factor") is None and whole:
        return {"kind": "minmax", "scope": "volume"}
    if word == "NormalizeIntensity" and not entry.get("nonzero"):
        mean, deviation = entry.get("subtrahend"), entry.get("divisor")
        if mean is None and deviation is None:
            return {"kind": "zscore", "scope": "volume"}
        return {"kind": "zscore", "mean": _number(mean), "standard_deviation": _number(deviation)}
    return None


def _number(value: Any) -> float:
    found = number(value)
    if found is None:
        raise ValueError(value)
    return found


def _slice_axis(config: dict[str, Any]) -> int | None:
    """The axis a `SliceInferer` runs along; None where slices are not said."""
    inferer = config.get("inferer")
    if isinstance(inferer, dict) and str(inferer.get("_target_", "")).endswith("SliceInferer"):
        axis = inferer.get("spatial_dim", 0)
        return axis if axis in (0, 1, 2) and not isinstance(axis, bool) else None
    return None


def _geometry(said: Said, card: dict[str, Any], axis: int | None) -> None:
    """Orientation, spacing and size of slices, which are rows and columns of what is left beside ``axis``."""
    if axis is None:
        if said.axcodes or said.spacing or said.size:
            said.unknown.append("which axis the slices lie along (no SliceInferer)")
        return
    rows, columns = (other for other in range(3) if other != axis)
    if said.axcodes is not None:
        code = said.axcodes[rows] + said.axcodes[columns] + said.axcodes[axis]
        card["plane"], card["orientation"] = plane_of(code), code
    entry = card.setdefault("input", {})
    if said.size is not None and len(said.size) == 3 and said.size[axis] == -1:
        entry["size"] = {"mode": "resize", "height": said.size[rows], "width": said.size[columns], "antialias": False}
        return
    if said.size is not None:
        said.unknown.append("Resize along the slices")
    if said.spacing is None:
        return
    if len(said.spacing) == 3 and said.spacing[axis] > 0:
        said.unknown.append("Spacing between the slices")
    steps = [said.spacing[rows], said.spacing[columns]] if len(said.spacing) == 3 else said.spacing
    entry["size"] = {"mode": "resample", "spacing_mm": steps, "antialias": False}


def _labels(metadata: dict[str, Any]) -> list[dict[str, Any]]:
    """Labels from ``network_data_format.outputs.pred.channel_def``."""
    found: Any = metadata
    for key in ("network_data_format", "outputs", "pred", "channel_def"):
        found = found.get(key) if isinstance(found, dict) else None
    if not isinstance(found, dict) or not 1 <= len(found) <= 1000:
        return []
    named = sorted((int(key), str(name)[:200]) for key, name in found.items() if str(key).isdecimal() and name)
    kept = [(channel, name) for channel, name in named if name.lower() != "background"]
    first = 0 if len(kept) < len(named) else 1  # without a background channel the values are one above the channels
    return [{"value": channel + first, "name": name, "channel": channel} for channel, name in kept]


def add_transforms(report: Any) -> None:
    """Put what the transforms say into the draft of a report's card; `monai_bundle` read it."""
    said = report.details.get("transforms")
    if not said or report.card_text is not None:
        return
    card = said["say"]
    for key, value in card.items():
        report.draft[key] = {**report.draft.get(key, {}), **value} if isinstance(value, dict) else value
    told = {key for key in ("plane", "orientation") if key in card}
    told |= {f"{side}.{key}" for side in ("input", "output") for key in card.get(side, {})}
    report.inferred.update(dict.fromkeys(told, "likely: by the bundle's transforms"))
    report.missing = tuple(name for name in report.missing if name not in told)
