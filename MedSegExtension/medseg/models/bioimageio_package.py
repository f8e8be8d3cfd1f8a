"""bioimage.io packages (folder or zip; formats 0.4 and 0.5): one of their weights, and their description as the card.

Nothing of a package is executed: custom architectures (Python files inside it) and dependencies are left alone, and
nothing is fetched; only weights that lie in the package and have a format of this engine count.
"""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..backends import Backend, Choice
from ..errors import InputError, UnsafeModelError
from .bioimageio_steps import NotInCard, activation_of, normalisation_of, steps_of
from .package import Package, UnpackedBackend
from .report import ModelReport
from .yaml_text import MAX_TEXT, number, read_yaml

NAMES = ("rdf.yaml", "bioimageio.yaml", "model.yaml", "rdf.yml", "bioimageio.yml")
#: Weights this engine runs, the most portable first; the description's own names.
WEIGHTS = ("onnx", "torchscript", "pytorch_state_dict", "keras_v3", "keras_hdf5")
#: What output channels are called when nobody named them.
_NAMELESS = ("", "probability", "probabilities", "prediction", "output", "out", "channel", "mask", "foreground", "none")


@dataclass(frozen=True)
class Tensor:
    """An input or output: axes as the words batch, channel, y, x, ...; sizes; and how it may grow."""

    axes: tuple[str, ...]
    size: dict[str, int | None]
    step: dict[str, int]
    channels: tuple[str, ...]
    entry: dict[str, Any]


def description_of(package: Package) -> str | None:
    """The name of the description inside, or None where this is no such package."""
    top = package.top()
    found = [name for name in NAMES if name in top]
    found += [name for name in top if name.endswith((".bioimageio.yaml", ".bioimageio.yml"))]
    return found[0] if found else None


def inspect_bioimageio(path: Path) -> ModelReport:
    """The report of a package, of its folder, or of one of the descriptions in it.

    Raises InputError where nothing in it can be used, UnsafeModelError where the archive or a name in it is hostile.
    """
    package, name = _open(path)
    rdf = read_yaml(package.read(name, MAX_TEXT), path)
    version = str(rdf.get("format_version", "?"))
    if rdf.get("type") != "model" or not version.startswith(("0.4", "0.5")):
        raise InputError(
            f"the description {name} is of type {rdf.get('type')!r}, format {version}; a model of format "
            "0.4 or 0.5 is needed",
            file=path,
            mend="save it with a current bioimageio.spec",
        )
    source, tensor_in, tensor_out = _tensors(path, rdf)
    kind, file, inner = _choose(path, package, rdf)
    _check_axes(path, tensor_in, tensor_out)
    report = replace(inner, path=path, format="bioimageio", version=f"format {version}", card_text=None)
    report.details = {
        **inner.details,
        "weights": kind,
        "weights_file": file,
        "inner_format": inner.format,
        "description": name,
        "test_inputs": _tests(rdf, "inputs"),
        "test_outputs": _tests(rdf, "outputs"),
    }
    # The description says for sure what a TorchScript file only hints at.
    for side, tensor in (("in_channels", tensor_in), ("out_channels", tensor_out)):
        said, found = tensor.size["channel"], getattr(inner, side)
        if said and found and said != found and inner.format != "torchscript":
            raise InputError(f"the description gives {side} {said}, its weights {file} have {found}", file=path,
                             mend="get the package again")  # fmt: skip
        setattr(report, side, said or found)
    try:
        card, notes = _card(rdf, tensor_in, tensor_out, inner, source)
        report.card_text = json.dumps(card)
        report.warnings += notes
    except NotInCard as reason:
        report.warnings.append(f"the package's processing cannot be put into a card: {reason.args[0]}")
    return report


def open_bioimageio(report: ModelReport, choice: Choice, threads: int | None, precision: str) -> Backend:
    """The backend with the chosen weights, checked again where they had to be unpacked. Raises InputError."""
    from .opening import _backend

    package, _ = _open(report.path)
    with ExitStack() as stack:
        file = stack.enter_context(package.local(report.details["weights_file"]))
        inner = _static(report.path, report.details["weights_file"], file)
        if inner.unsafe:
            raise UnsafeModelError(
                f"the model is refused: {inner.unsafe[0]}", file=report.path, mend="do not open this package"
            )
        inner.card = report.card
        backend = _backend(inner, choice, threads, precision)
        return backend if package.is_folder else UnpackedBackend(backend, stack.pop_all())


def _open(path: Path) -> tuple[Package, str]:
    if path.is_file() and path.suffix.lower() in (".yaml", ".yml"):
        return Package(path.parent), path.name
    package = Package(path)
    name = description_of(package)
    if name is None:
        raise InputError("the package has no rdf.yaml or bioimageio.yaml", file=path, mend="check that it is complete")
    return package, name


def _tests(rdf: dict[str, Any], side: str) -> list[str]:
    """File names of the test tensors, where the description gives any."""
    names = rdf.get("test_" + side) or []
    for entry in rdf.get(side) or []:
        test = entry.get("test_tensor") if isinstance(entry, dict) else None
        if isinstance(test, dict):
            names = [*names, test.get("source")]
    return [name for name in names if isinstance(name, str)]


# Weights.


def _choose(path: Path, package: Package, rdf: dict[str, Any]) -> tuple[str, str, ModelReport]:
    """The first weights that are inside and of a format of ours; a hostile file condemns the package."""
    weights = rdf.get("weights")
    entries = weights if isinstance(weights, dict) else {}
    reasons = []
    for kind in WEIGHTS:
        entry = entries.get(kind)
        source = entry.get("source") if isinstance(entry, dict) else None
        if not isinstance(entry, dict) or not isinstance(source, str):
            continue
        if "://" in source:
            reasons.append(f"{kind} lies at an address and not in the package")
            continue
        if not package.has(source):
            reasons.append(f"{kind} ({source[:60]}) is not in the package")
            continue
        with package.local(source) as file:
            _check_sum(path, source, file, entry.get("sha256"))
            try:
                return kind, source, _static(path, source, file)
            except UnsafeModelError:
                raise
            except InputError as error:
                reasons.append(f"{kind}: {error.what}")
    others = sorted(str(kind)[:40] for kind in entries if kind not in WEIGHTS)
    if others:
        reasons.append(f"{', '.join(others)} is of no format that opens here")
    raise InputError(
        f"no weights of the package can be used ({'; '.join(reasons) or 'it has none'})",
        file=path,
        mend="add ONNX or TorchScript weights to it",
    )


def _static(path: Path, source: str, file: Path) -> ModelReport:
    """The static report of a file of the package; its errors name the package."""
    from .inspecting import static_report

    try:
        return static_report(file)
    except InputError as error:
        raise type(error)(f"{source}: {error.what}", file=path, mend=error.mend) from None


def _check_sum(path: Path, source: str, file: Path, wanted: Any) -> None:
    import hashlib

    if not isinstance(wanted, str):
        return
    with file.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != wanted.lower():
        raise InputError(
            f"{source} is not the file its description was written for (SHA-256 differs)",
            file=path,
            mend="download the package again",
        )


# Inputs and outputs.


def _tensors(path: Path, rdf: dict[str, Any]) -> tuple[str, Tensor, Tensor]:
    sides = []
    for side in ("inputs", "outputs"):
        entries = rdf.get(side)
        if not isinstance(entries, list) or len(entries) != 1 or not isinstance(entries[0], dict):
            count = len(entries) if isinstance(entries, list) else 0
            raise InputError(
                f"the model has {count} {side}, one is needed",
                file=path,
                mend="open a model with one image in and one segmentation out",
            )
        sides.append(_tensor(path, entries[0]))
    return str(rdf.get("name", "model")), sides[0], sides[1]


def _tensor(path: Path, entry: dict[str, Any]) -> Tensor:
    axes = entry.get("axes")
    try:
        return _letters(entry, axes) if isinstance(axes, str) else _axes(entry, axes)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise InputError(
            f"the axes of a tensor cannot be understood ({error})"[:300],
            file=path,
            mend="check the description with bioimageio.spec",
        ) from None


_WORDS = {"b": "batch", "c": "channel", "i": "index", "t": "time", "z": "z", "y": "y", "x": "x"}


def _letters(entry: dict[str, Any], axes: str) -> Tensor:
    """Format 0.4: letters, with a shape, or min and step, or another tensor's."""
    words = tuple(_WORDS[letter] for letter in axes)
    shape = entry.get("shape")
    size: dict[str, int | None] = dict.fromkeys(words)
    step = dict.fromkeys(words, 1)
    if isinstance(shape, list):
        size |= dict(zip(words, (_whole(n) for n in shape), strict=True))
    elif isinstance(shape, dict) and "min" in shape:
        for word, least, by in zip(words, shape["min"], shape["step"], strict=True):
            size[word] = _whole(least) if not by else None
            step[word] = _whole(by) or 1
            if by and _whole(least) % _whole(by):  # sizes min, min + step, ... that are no multiples
                size[word] = _whole(least)
    elif isinstance(shape, dict) and isinstance(shape.get("offset"), list) and isinstance(shape.get("scale"), list):
        # reference size * scale + 2 * offset; scale 0 stands for a size that offset alone gives
        for word, scale, offset in zip(words, shape["scale"], shape["offset"], strict=True):
            if scale == 0:
                size[word] = _whole(2 * offset)
            elif word in ("x", "y") and (scale != 1 or offset != 0):
                raise ValueError(f"output size along {word} is {scale} times the input's and {2 * offset} more")
    return Tensor(words, {**dict.fromkeys(("channel", "y", "x")), **size}, step, (), entry)


def _axes(entry: dict[str, Any], axes: Any) -> Tensor:
    """Format 0.5: a list of axis objects."""
    words, size, step, channels = [], dict[str, int | None](), dict[str, int](), tuple[str, ...]()
    for axis in axes:
        kind = str(axis["type"])
        word = str(axis.get("id", "x")) if kind == "space" else kind
        words.append(word)
        size[word], step[word] = None, 1
        extent = axis.get("size")
        if kind == "channel":
            names = axis.get("channel_names")
            if isinstance(names, list):
                channels = tuple(str(name) for name in names)
                size[word] = len(channels)
            elif isinstance(extent, int):
                size[word] = extent
        elif isinstance(extent, int):
            size[word] = _whole(extent)
        elif isinstance(extent, dict) and "step" in extent:
            step[word] = _whole(extent["step"])
            if _whole(extent.get("min", 0)) % step[word]:
                size[word] = _whole(extent["min"])
        elif isinstance(extent, dict) and number(extent.get("offset", 0)):
            raise ValueError(f"the output is larger or smaller than the input along {word}")
    return Tensor(tuple(words), {**dict.fromkeys(("channel", "y", "x")), **size}, step, channels, entry)


def _whole(value: Any) -> int:
    found = number(value)
    if found is None or found != int(found) or not 0 <= found <= 1 << 20:
        raise ValueError(f"{str(value)[:40]!r} is no size")
    return int(found)


def _check_axes(path: Path, *tensors: Tensor) -> None:
    for tensor in tensors:
        axes = tensor.axes
        if "z" in axes or "time" in axes:
            raise InputError(
                f"the model's axes are {', '.join(axes)}; slices with batch, channel, y, x are needed",
                file=path,
                mend="open a 2D model",
            )
        # Keras keeps channels last; its converter turns them.
        if axes not in (("batch", "channel", "y", "x"), ("batch", "y", "x", "channel")):
            raise InputError(
                f"the order of axes {', '.join(axes)} cannot be used",
                file=path,
                mend="export the model with axes batch, channel, y, x",
            )


# The card.


def _card(
    rdf: dict[str, Any], tensor_in: Tensor, tensor_out: Tensor, inner: ModelReport, name: str
) -> tuple[dict[str, Any], list[str]]:
    channels = tensor_in.size["channel"] or inner.in_channels
    outputs = tensor_out.size["channel"] or inner.out_channels
    if channels is None or outputs is None:
        raise NotInCard("the numbers of channels are not given")
    normalisation, notes = normalisation_of(
        steps_of(tensor_in.entry.get("preprocessing")), channels, tensor_in.size.get("batch") == 1
    )
    authors = [str(entry.get("name", "")) for entry in rdf.get("authors") or [] if isinstance(entry, dict)]
    card = {
        "schema_version": 1,
        "name": name[:200] or "model",
        "description": str(rdf.get("description") or "")[:10_000],
        "licence": str(rdf.get("license") or "")[:2000],
        "version": str(rdf.get("version") or "")[:100],
        # Nothing says how patients lay in such images: slices as they are stored.
        "plane": "acquisition",
        "orientation": None,
        "input": {"size": _size(tensor_in, inner), "normalisation": normalisation, **_volumes(tensor_in, channels)},
        "output": _output(tensor_out, outputs, inner),
        "training": {"bioimageio": {"id": str(rdf.get("id") or "")[:200], "authors": authors[:50]}},
    }
    return {key: value for key, value in card.items() if value != ""}, notes


def _size(tensor: Tensor, inner: ModelReport) -> dict[str, Any]:
    height, width = tensor.size["y"], tensor.size["x"]
    if height and width:
        # Pixels keep their size, as the consumers of such packages hold it; what lies beyond is named by a warning.
        return {"mode": "pad_or_crop", "height": max(height, 8), "width": max(width, 8)}
    if height or width:
        raise NotInCard("one side of the slices is fixed and the other is free")
    step = max(tensor.step.get("y", 1), tensor.step.get("x", 1), inner.multiple_of or 1)
    return {"mode": "native", "multiple_of": min(step, 512)}


def _volumes(tensor: Tensor, channels: int) -> dict[str, Any]:
    """One volume for each channel, by its name."""
    if channels == 1:
        return {}
    if channels > 16:
        raise NotInCard(f"{channels} input channels, where a card knows 16 volumes")
    names = tensor.channels or tuple(f"channel {number}" for number in range(channels))
    return {"volumes": [name[:100] or "channel" for name in names]}


def _output(tensor: Tensor, channels: int, inner: ModelReport) -> dict[str, Any]:
    activation, threshold = activation_of(steps_of(tensor.entry.get("postprocessing")))
    if activation is None:
        if inner.ends_in in ("sigmoid", "softmax") or _is_probability(tensor.entry):
            activation = "none"
        else:
            raise NotInCard("nothing says whether the output is a probability")
    names = list(tensor.channels) or [""] * channels
    background = activation == "softmax" or inner.ends_in == "softmax" or names[0].lower() in ("background", "bg")
    if background and channels < 2:
        raise NotInCard("a softmax over one channel")
    first = 1 if background else 0
    labels = []
    for channel, given in list(enumerate(names))[first:]:
        plain = given.strip() if given.strip().rstrip("0123456789").lower() not in _NAMELESS else ""
        only = len(names) - first == 1
        labels.append(
            {
                "value": channel - first + 1,
                "channel": channel,
                "name": plain[:200] or ("foreground" if only else f"label {channel - first + 1}"),
            }
        )
    output: dict[str, Any] = {"activation": activation, "labels": labels[:1000], "background_channel": background}
    if threshold is not None:
        output["threshold"] = threshold
    return output


def _is_probability(entry: dict[str, Any]) -> bool:
    """Whether the description gives the output's range as 0 to 1."""
    data = entry.get("data")
    span = data.get("range") if isinstance(data, dict) else entry.get("data_range")
    return isinstance(span, list) and len(span) == 2 and (number(span[0]), number(span[1])) == (0.0, 1.0)
