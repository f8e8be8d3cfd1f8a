"""The model card as typed objects; ``data/model-card.schema.json`` says what each field means."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Literal

from ..errors import InputError
from ..orientation import PLANES, plane_of
from .schema import validate

Plane = Literal["axial", "coronal", "sagittal", "acquisition"]

#: Colours for labels whose card gives none (green of Slicer's "bile duct" first), 0..255.
DEFAULT_COLORS = (
    (0, 145, 30),
    (139, 150, 98),
    (255, 200, 60),
    (216, 101, 79),
    (128, 174, 128),
    (111, 184, 210),
    (185, 102, 83),
    (157, 108, 162),
    (144, 238, 144),
    (230, 158, 140),
)


@dataclass(frozen=True)
class Code:
    """A coded concept: DICOM scheme designator, value and meaning."""

    scheme: str
    value: str
    meaning: str


@dataclass(frozen=True)
class Terminology:
    """The coded meaning of a label, as DICOM segmentation objects need it."""

    category: Code
    type: Code
    type_modifier: Code | None = None
    region: Code | None = None
    region_modifier: Code | None = None


@dataclass(frozen=True)
class Label:
    """A structure the model finds. ``channel`` is its output channel; ``color`` is 0..255."""

    value: int
    name: str
    color: tuple[int, int, int]
    channel: int
    terminology: Terminology | None = None

    @property
    def rgb(self) -> tuple[float, float, float]:
        """The colour as floats in [0, 1]."""
        red, green, blue = self.color
        return red / 255, green / 255, blue / 255


@dataclass(frozen=True)
class Channel:
    """One input channel: slice ``offset`` of input volume ``volume``."""

    volume: int
    offset: int


@dataclass(frozen=True)
class Size:
    """How a slice reaches the network's input size."""

    mode: Literal["native", "resize", "resample", "pad_or_crop"]
    height: int | None = None
    width: int | None = None
    spacing_mm: tuple[float, float] | None = None
    multiple_of: int = 1
    interpolation: Literal["linear", "nearest", "cubic"] = "linear"
    antialias: bool = True
    pad_value: float | Literal["minimum"] = "minimum"


@dataclass(frozen=True)
class Normalisation:
    """How intensities are brought to what the network was trained on."""

    kind: Literal["zscore", "minmax", "percentile", "window", "divide", "none"]
    scope: Literal["slice", "volume"] = "volume"
    percentiles: tuple[float, float] = (1.0, 99.0)
    window: tuple[float, float] | None = None
    divisor: float | None = None
    mean: float | None = None
    standard_deviation: float | None = None
    clip: bool = True
    limits: tuple[float, float] | None = None


@dataclass(frozen=True)
class InputSpec:
    """What goes into the network."""

    size: Size
    normalisation: Normalisation
    volumes: tuple[str, ...]
    context: int
    channels: tuple[Channel, ...]
    #: Names of the network's inputs that share the channels, in order, where it has several; and what the others hold.
    tensors: tuple[str, ...] | None = None
    constants: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class OutputSpec:
    """What comes out of the network."""

    activation: Literal["sigmoid", "softmax", "none"]
    labels: tuple[Label, ...]
    background_channel: bool
    threshold: float | None
    overlap: Literal["most_probable", "last"] = "most_probable"
    #: Name of the network's output that is the segmentation, where it has several.
    tensor: str | None = None


@dataclass(frozen=True)
class PostProcessing:
    """What is done to the label map, in this order: hysteresis, hole filling, small parts, keep-N."""

    hysteresis_low: float | None = None
    minimum_part_mm3: float = 0.0
    fill_holes: bool = False
    keep_largest_parts: int | None = None


@dataclass(frozen=True)
class Architecture:
    """One of our networks by name, with the arguments to build it again."""

    name: str
    arguments: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ModelCard:
    """A validated model card. Make one with `from_dict` or `from_json`; `to_dict` gives it back."""

    name: str
    plane: Plane
    orientation: str | None
    input: InputSpec
    output: OutputSpec
    description: str = ""
    intended_use: str = ""
    licence: str = ""
    version: str = ""
    task: str = "segmentation"
    modality: str = ""
    contrast: str = ""
    body_region: str = ""
    spacing_range_mm: dict[str, tuple[float, float]] = field(default_factory=dict)
    postprocessing: PostProcessing = field(default_factory=PostProcessing)
    #: What of nnU-Net's plans prepares volumes in place of ``input`` (`medseg.models.nnunet_card`).
    preparation: dict[str, Any] = field(default_factory=dict)
    architecture: Architecture | None = None
    weights_sha256: str | None = None
    training: dict[str, Any] = field(default_factory=dict)
    schema_version: int = 1

    @property
    def synthetic(self) -> bool:
        """Whether the model knows only synthetic cases."""
        return bool(self.training.get("synthetic", False))

    @property
    def in_channels(self) -> int:
        return len(self.input.channels)

    @property
    def out_channels(self) -> int:
        """Output channels that the labels need, the background channel counted."""
        return max(label.channel for label in self.output.labels) + 1

    @property
    def names_tensors(self) -> bool:
        """Whether the card says which of the network's inputs or outputs to use."""
        return bool(self.input.tensors or self.input.constants or self.output.tensor)

    def without_tensors(self) -> ModelCard:
        """The card for the same network with one input and one output."""
        return replace(
            self,
            input=replace(self.input, tensors=None, constants={}),
            output=replace(self.output, tensor=None),
        )

    @classmethod
    def from_json(cls, text: str, source: str | Path | None = None) -> ModelCard:
        """Parse and validate a card. Raises InputError naming ``source``, the field and the mend."""
        try:
            data = json.loads(text, parse_constant=_no_number)
        except (ValueError, RecursionError) as error:
            raise InputError(
                f"the model card is not valid JSON ({error})", file=source, mend="correct the card or remove it"
            ) from None
        return cls.from_dict(data, source)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], source: str | Path | None = None) -> ModelCard:
        """Validate ``data`` against the schema and our own rules and build the card. Raises InputError."""
        validate(data, source)
        data = dict(data)
        plane, orientation = data["plane"], data.get("orientation")
        _check_orientation(plane, orientation, source)
        given = {name: data[name] for name in (f.name for f in fields(cls)) if name in data}
        given.update(
            orientation=orientation,
            input=_input(data["input"], source),
            output=_output(data["output"], source),
            postprocessing=PostProcessing(**data.get("postprocessing", {})),
            architecture=Architecture(**data["architecture"]) if data.get("architecture") else None,
            spacing_range_mm={k: (v[0], v[1]) for k, v in data.get("spacing_range_mm", {}).items()},
        )
        card = cls(**given)
        low, threshold = card.postprocessing.hysteresis_low, card.output.threshold
        if low is not None and (threshold is None or low > threshold):
            _refuse(
                "postprocessing.hysteresis_low",
                "needs a threshold that is not below it",
                "set output.threshold to the upper value",
                source,
            )
        return card

    def to_dict(self) -> dict[str, Any]:
        """The card as JSON-ready data that `from_dict` takes back unchanged."""
        return _plain(self)

    def to_json(self, indent: int | None = None) -> str:
        return json.dumps(self.to_dict(), ensure_ascii=False, indent=indent)


def _no_number(word: str) -> float:
    raise ValueError(f"{word} is no number in JSON")


def _refuse(name: str, what: str, mend: str, source: str | Path | None) -> None:
    raise InputError(f"model card field {name}: {what}", file=source, mend=mend)


def _check_orientation(plane: str, orientation: str | None, source: str | Path | None) -> None:
    if orientation is None:
        if plane != "acquisition":
            _refuse(
                "orientation",
                f"is needed for plane {plane}",
                f"give the (row, column, slice) directions the network was shown, such as {PLANES[plane]}",
                source,
            )
        return
    if plane_of(orientation) is None:
        _refuse(
            "orientation",
            f"{orientation!r} names one axis twice",
            "use one letter of each pair L/R, A/P, S/I, such as PLS",
            source,
        )
    if plane != "acquisition" and plane_of(orientation) != plane:
        _refuse(
            "orientation",
            f"{orientation!r} stacks slices of a {plane_of(orientation)} plane, but plane says {plane}",
            f"use a code whose last letter fits, such as {PLANES[plane]}",
            source,
        )


def _input(data: Mapping[str, Any], source: str | Path | None) -> InputSpec:
    volumes = tuple(data.get("volumes", ("volume",)))
    channels = tuple(Channel(**c) for c in data.get("channels", ()))
    context = data.get("context", max((abs(c.offset) for c in channels), default=0))
    if not channels:
        channels = tuple(Channel(v, o) for v in range(len(volumes)) for o in range(-context, context + 1))
    for number, channel in enumerate(channels):
        if channel.volume >= len(volumes):
            _refuse(
                f"input.channels[{number}].volume",
                f"is {channel.volume}, but there are {len(volumes)} input volumes",
                "number volumes from 0, and name each in input.volumes",
                source,
            )
        if abs(channel.offset) > context:
            _refuse(
                f"input.channels[{number}].offset",
                f"is {channel.offset}, beyond the context of {context}",
                "raise input.context",
                source,
            )
    size = dict(data["size"])
    if "spacing_mm" in size:
        size["spacing_mm"] = tuple(size["spacing_mm"])
    fixed = "height" in size and "width" in size
    if size["mode"] in ("resize", "pad_or_crop") and not fixed:
        _refuse("input.size", f"mode {size['mode']} needs height and width", "give both", source)
    if ("height" in size) != ("width" in size):
        _refuse("input.size", "has only one of height and width", "give both", source)
    if size["mode"] == "resample" and "spacing_mm" not in size:
        _refuse("input.size.spacing_mm", "is needed for mode resample", "give the mm along rows and columns", source)
    tensors = tuple(data["tensors"]) if "tensors" in data else None
    constants = {name: float(value) for name, value in data.get("constants", {}).items()}
    normalisation = _normalisation(data["normalisation"], source)
    return InputSpec(Size(**size), normalisation, volumes, context, channels, tensors, constants)


def _normalisation(data: Mapping[str, Any], source: str | Path | None) -> Normalisation:
    data = dict(data)
    for name in ("percentiles", "window", "limits"):
        if name in data:
            low, high = data[name]
            if not low < high:
                _refuse(
                    f"input.normalisation.{name}", f"{low} is not below {high}", "give the lower value first", source
                )
            data[name] = (low, high)
    kind = data["kind"]
    if kind == "window" and "window" not in data:
        _refuse("input.normalisation.window", "is needed for kind window", "give the lower and upper value", source)
    if kind == "divide" and not data.get("divisor"):
        _refuse(
            "input.normalisation.divisor", "is needed for kind divide, and not zero", "give it, such as 255", source
        )
    if ("mean" in data) != ("standard_deviation" in data):
        _refuse("input.normalisation", "has only one of mean and standard_deviation", "give both or neither", source)
    return Normalisation(**data)


def _output(data: Mapping[str, Any], source: str | Path | None) -> OutputSpec:
    activation = data["activation"]
    background = data.get("background_channel", activation == "softmax")
    labels = []
    for number, entry in enumerate(data["labels"]):
        labels.append(
            Label(
                value=entry["value"],
                name=entry["name"],
                color=tuple(entry.get("color", DEFAULT_COLORS[number % len(DEFAULT_COLORS)])),
                channel=entry.get("channel", number + (1 if background else 0)),
                terminology=_terminology(entry.get("terminology")),
            )
        )
    for what in ("value", "channel", "name"):
        seen = [getattr(label, what) for label in labels]
        if len(set(seen)) != len(seen):
            _refuse(f"output.labels[].{what}", "is used twice", f"give each label its own {what}", source)
    if background and any(label.channel == 0 for label in labels):
        _refuse("output.labels[].channel", "0 is the background channel", "number the labels' channels from 1", source)
    threshold = data.get("threshold", None if activation == "softmax" else 0.5)
    if threshold is None and not background:
        _refuse(
            "output.threshold", "null needs a background channel to compare with", "give a number such as 0.5", source
        )
    overlap = data.get("overlap", "most_probable")
    if overlap == "last" and threshold is None:
        _refuse("output.overlap", "last needs a threshold to reach", "set output.threshold, such as 0.5", source)
    return OutputSpec(activation, tuple(labels), background, threshold, overlap, data.get("tensor"))


def _terminology(data: Mapping[str, Any] | None) -> Terminology | None:
    return None if data is None else Terminology(**{name: Code(**code) for name, code in data.items()})


def _plain(value: Any) -> Any:
    """Dataclasses to JSON data; fields that are None or empty are left out, so that a round trip is exact."""
    if is_dataclass(value) and not isinstance(value, type):
        pairs = ((f.name, getattr(value, f.name)) for f in fields(value))
        kept = {n: _plain(v) for n, v in pairs if v is not None and v != {} and v != ""}
        # These two say something when they are null.
        if isinstance(value, OutputSpec) and value.threshold is None:
            kept["threshold"] = None
        if isinstance(value, ModelCard) and value.orientation is None:
            kept["orientation"] = None
        return kept
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return value
