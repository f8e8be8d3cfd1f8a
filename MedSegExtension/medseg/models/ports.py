"""Which inputs of a network take the slices and which output is the segmentation, where it has several.

One image in and one segmentation out need no words. Otherwise the card says it (``input.tensors``,
``input.constants``, ``output.tensor``), or the graph itself leaves no doubt: outputs that are whole numbers, that are
no slices, that have another size (deep supervision), or that are another output's probabilities.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..backends.wiring import Constant, Ports
from ..card import ModelCard
from ..errors import InputError
from .report import ModelReport, TensorInfo

FLOATS = ("float32", "float16")
#: Numbers that an input beside the slices may hold: a flag, a probability to keep, an intensity a channel.
MOST_CONSTANTS = 4096


class PortsUnclear(InputError):
    """Inputs or outputs that only the card can tell apart; ``field`` is the card's."""

    def __init__(self, what: str, *, field: str, report: ModelReport, mend: str) -> None:
        super().__init__(what, file=report.path, mend=mend)
        self.field = field


def choose(report: ModelReport, card: ModelCard | None) -> Ports:
    """The inputs and the output to use. Raises PortsUnclear where the card must say it, InputError where none fits."""
    images, constants = _inputs(report, card)
    output = _output(report, card, images[0])
    channels = [info.shape[1] if info.shape and isinstance(info.shape[1], int) else None for info in images]
    if len(images) == 1:
        channels = [None]
    elif None in channels:
        count = 0 if card is None else card.in_channels
        if not count or count % len(images):
            raise InputError(
                f"how many channels each of {_names(images)} takes is not said by the model",
                file=report.path,
                mend="export it with fixed channels",
            )
        channels = [count // len(images)] * len(images)
    return Ports(tuple((info.name, n) for info, n in zip(images, channels, strict=True)), output.name, constants)


def apply_ports(report: ModelReport, card: ModelCard | None = None) -> None:
    """Fill channels and sizes of the report by the inputs and the output in use.

    Without a card what is unclear becomes a note in ``details["unclear"]``, with the card's field that would tell it.
    Raises InputError.
    """
    try:
        ports = choose(report, card)
    except PortsUnclear as error:
        if card is not None:
            raise
        report.details["unclear"] = {"field": error.field, "what": error.what, "mend": error.mend}
        return
    report.details.pop("unclear", None)
    _fill_inputs(report, [info for info in report.inputs if info.name in dict(ports.inputs)], ports)
    _fill_output(report, next(info for info in report.outputs if info.name == ports.output))
    if len(report.inputs) > 1 or len(report.outputs) > 1:
        report.details["ports"] = {
            "inputs": [list(pair) for pair in ports.inputs],
            "constants": {constant.name: constant.value for constant in ports.constants},
            "output": ports.output,
        }
    if len(report.outputs) > 1 and (card is None or card.output.tensor is None):
        report.inferred["output.tensor"] = (
            f"likely: {ports.output}, the only output that is a segmentation and not made from another one"
        )


def check_clear(report: ModelReport) -> None:
    """Raise InputError where a file without a card has inputs or outputs that only a card can tell apart."""
    unclear = report.details.get("unclear")
    if unclear is not None:
        raise InputError(unclear["what"], file=report.path, mend=unclear["mend"])


def _inputs(report: ModelReport, card: ModelCard | None) -> tuple[list[TensorInfo], tuple[Constant, ...]]:
    known = {info.name: info for info in report.inputs}
    named = () if card is None else card.input.tensors or ()
    values = {} if card is None else card.input.constants
    _check_names(report, "input.tensors", named, known)
    _check_names(report, "input.constants", tuple(values), known)
    twice = [name for name in named if name in values]
    if twice or len(set(named)) != len(named):
        raise InputError(
            f"the card gives {', '.join(map(repr, twice or named))} twice",
            file=report.path,
            mend="correct input.tensors and input.constants in the card",
        )
    if named:
        images = [known[name] for name in named]
    else:
        images = [info for info in report.inputs if is_image(info) and info.name not in values]
        if len(images) > 1:
            listed = ", ".join(f'"{info.name}"' for info in images)
            raise PortsUnclear(
                f"the model has {len(images)} inputs for slices ({_described(images)})",
                field="input.tensors",
                report=report,
                mend=f'write into the card, in the order of its channels: "input": {{"tensors": [{listed}], …}}',
            )
    if not images or not all(is_image(info) for info in images):
        raise InputError(
            f"the model needs one input of shape (batch, channels, height, width) in float32 or float16; "
            f"it has: {_described(report.inputs) or 'none'}",
            file=report.path,
            mend="export it with one image input",
        )
    left = [info for info in report.inputs if info not in images and info.name not in values]
    if left:
        raise PortsUnclear(
            f"besides the slices the model takes {_described(left)}",
            field="input.constants",
            report=report,
            mend=f'write into the card what it is: "input": {{"constants": {{"{left[0].name}": 1.0}}, …}}',
        )
    return images, tuple(_constant(report, known[name], value) for name, value in values.items())


def _constant(report: ModelReport, info: TensorInfo, value: float) -> Constant:
    shape = tuple(n if isinstance(n, int) else 1 for n in info.shape or ())
    count = 1
    for side in shape:
        count *= side
    if count > MOST_CONSTANTS or info.dtype in ("string", "not a tensor", "unknown"):
        raise InputError(
            f"the input {info.name} ({shape_text(info)}, {info.dtype}) cannot be a constant",
            file=report.path,
            mend="export the model without it",
        )
    return Constant(info.name, info.dtype, shape, float(value))


def _output(report: ModelReport, card: ModelCard | None, image: TensorInfo) -> TensorInfo:
    named = None if card is None else card.output.tensor
    if named is not None:
        known = {info.name: info for info in report.outputs}
        _check_names(report, "output.tensor", (named,), known)
        return known[named]
    if len(report.outputs) == 1:
        return report.outputs[0]
    found = [info for info in report.outputs if is_image(info) and _may_have_size(info, image)]
    if not found:
        raise InputError(
            f"none of the model's outputs is (batch, classes, height, width): {_described(report.outputs) or 'none'}",
            file=report.path,
            mend="this is no segmentation network, or export its logits",
        )
    makers = {name: entry.get("from") for name, entry in report.details.get("outputs", {}).items()}
    names = {info.name for info in found}
    own = [info for info in found if makers.get(info.name) not in names]
    if len(own) == 1:
        return own[0]
    raise PortsUnclear(
        f"the model has {len(report.outputs)} outputs ({_described(report.outputs)})",
        field="output.tensor",
        report=report,
        mend=f'write into the card which one is the segmentation: "output": {{"tensor": "{found[0].name}", …}}',
    )


def _fill_inputs(report: ModelReport, images: list[TensorInfo], ports: Ports) -> None:
    batches, sizes, counts = set(), set(), []
    for info in images:
        batch, channels, rows, columns = (n if isinstance(n, int) else None for n in info.shape or (None,) * 4)
        batches.add(batch)
        sizes.add((rows, columns))
        counts.append(dict(ports.inputs)[info.name] or channels)
    fixed = [size for size in sizes if size != (None, None)]
    if len(fixed) > 1 or len(batches - {None}) > 1:
        raise InputError(
            f"the model's inputs have different sizes ({_described(images)})",
            file=report.path,
            mend="export it with inputs of one size",
        )
    if fixed and None in fixed[0]:
        raise InputError(
            f"the model fixes only one side of its slices ({shape_text(images[0])})",
            file=report.path,
            mend="export it with both sides fixed or both free",
        )
    report.fixed_batch = next(iter(batches - {None}), None)
    size = fixed[0] if fixed else (None, None)
    report.fixed_size = None if size[0] is None or size[1] is None else (size[0], size[1])
    report.in_channels = None if None in counts else sum(n for n in counts if n is not None)


def _fill_output(report: ModelReport, out: TensorInfo) -> None:
    told: dict[str, Any] = report.details.get("outputs", {}).get(out.name, {})
    report.ends_in = told.get("ends_in")
    report.out_channels = told.get("channels")
    if out.shape is None:
        return
    if len(out.shape) != 4:
        raise InputError(
            f"the output {out.name} has the shape {shape_text(out)}, not (batch, classes, height, width)",
            file=report.path,
            mend="this is no segmentation network, or export its logits instead",
        )
    if isinstance(out.shape[1], int):
        report.out_channels = out.shape[1]


def is_image(info: TensorInfo) -> bool:
    """Whether a tensor may be slices or scores of them."""
    return info.dtype in FLOATS and (info.shape is None or len(info.shape) == 4)


def _may_have_size(info: TensorInfo, image: TensorInfo) -> bool:
    pairs = zip((info.shape or ())[2:], (image.shape or ())[2:], strict=False)
    return not any(isinstance(a, int) and isinstance(b, int) and a != b for a, b in pairs)


def _check_names(report: ModelReport, field: str, names: Sequence[str], known: dict[str, TensorInfo]) -> None:
    for name in names:
        if name not in known:
            raise InputError(
                f"the card's {field} names {name[:80]!r}, the model has {', '.join(map(repr, known)) or 'none'}",
                file=report.path,
                mend=f"correct {field} in the card",
            )


def _names(infos: Sequence[TensorInfo]) -> str:
    return ", ".join(info.name for info in infos)


def _described(infos: Sequence[TensorInfo]) -> str:
    return ", ".join(f"{info.name} {info.dtype} {shape_text(info)}" for info in infos)


def shape_text(info: TensorInfo) -> str:
    """The shape in words."""
    if info.shape is None:
        return "of unknown shape"
    return "(" + ", ".join("?" if dim is None else str(dim) for dim in info.shape) + ")"
