"""Keras models (``.keras``, whole-model ``.h5`` of Keras 2 and 3) without Keras and without TensorFlow.

The configuration is read as JSON, the weights as arrays; our own layers in PyTorch run them. Nothing that a file holds
is executed, and a layer that is code (Lambda) or needs code (custom classes) is a reason to refuse.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from ..backends import Backend, Choice, require
from ..backends.base import memory_errors
from ..backends.wiring import Ports
from ..card import Architecture, ModelCard
from ..errors import InputError
from .archive import check_archive, read_entry
from .hdf5_file import attribute_text
from .hdf5_reader import read_hdf5
from .hdf5_tree import Group
from .keras_config import Graph as LayerGraph
from .keras_config import entries, parse_config, read_graph
from .keras_errors import ConfigRefused
from .keras_layers import is_code, operation
from .keras_weights import find_in_h5, find_in_v3, to_torch
from .ports import apply_ports, choose
from .report import CARD_KEY, ModelReport, TensorInfo

MAX_CONFIG = 64 * 2**20
_DOWN = {"conv2d", "depthwise_conv2d", "separable_conv2d", "max_pool", "average_pool"}
_NO_CONFIG = "it holds weights but not the network they belong to"


@dataclass
class KerasFile:
    """An open Keras file: its configuration, version and checked weights."""

    path: Path
    data: dict[str, Any]
    version: str
    hdf5: Group
    archive: bool
    card_text: str | None = None


def open_keras(path: Path, values: bool = False) -> KerasFile:
    """Read and check the file, archive or HDF5. Raises InputError, UnsafeModelError, MissingPackageError.

    ``values``: whether the weights are read too.
    """
    with path.open("rb") as stream:
        zipped = stream.read(4) == b"PK\x03\x04"
    if not zipped:
        file = read_hdf5(path, None, values)
        text = attribute_text(path, file, "model_config")
        if text is None and "model_weights" not in file and "layer_names" not in file.attrs:
            raise InputError("this HDF5 file holds no Keras model", file=path, mend="save one with model.save(...)")
        if text is None:
            raise InputError(
                f"this Keras file cannot be used alone: {_NO_CONFIG}",
                file=path,
                mend="save the whole model with model.save(...)",
            )
        version = attribute_text(path, file, "keras_version") or ""
        if not version and "model_weights" in file:
            version = attribute_text(path, file["model_weights"], "keras_version") or ""
        return KerasFile(path, _parsed(path, text), version, file, False, attribute_text(path, file, CARD_KEY))
    with check_archive(path) as archive:
        names = archive.namelist()
        for name in ("config.json", "model.weights.h5"):
            if name not in names:
                raise InputError(f"the .keras archive has no {name}", file=path, mend="save the model again")
        text = read_entry(path, archive, "config.json", MAX_CONFIG).decode("utf-8", "replace")
        version = ""
        if "metadata.json" in names:
            version = _version(read_entry(path, archive, "metadata.json", 1 << 20))
        card = read_entry(path, archive, CARD_KEY, 1 << 22).decode("utf-8", "replace") if CARD_KEY in names else None
        data = _parsed(path, text)
    return KerasFile(path, data, version, read_hdf5(path, "model.weights.h5", values), True, card)


def _version(content: bytes) -> str:
    try:
        return str(json.loads(content)["keras_version"])[:40]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""


def _parsed(path: Path, text: str) -> dict[str, Any]:
    try:
        return parse_config(text)
    except ConfigRefused as error:
        raise _refusal(path, error) from None


def _refusal(path: Path, error: ConfigRefused) -> InputError:
    return InputError(f"this Keras model cannot be opened: {error}", file=path, mend=error.mend)


def inspect_keras(path: Path) -> ModelReport:
    """The report of a Keras file. Static: neither Keras nor PyTorch is needed, only h5py.

    Raises InputError for a layer or a graph that cannot be run here; a layer that holds code is listed in ``unsafe``.
    """
    file = open_keras(path)
    report = ModelReport(path=path, format="keras", framework="Keras", version=file.version)
    report.card_text = file.card_text
    report.details = {"container": ".keras archive" if file.archive else "HDF5"}
    try:
        reasons = {why: None for kind, entry in entries(file.data) if (why := is_code(kind, entry.get("config")))}
        if reasons:
            report.unsafe = tuple(f"it holds {why}" for why in reasons)
            return report
        graph, layout = _network(file)
    except ConfigRefused as error:
        raise _refusal(path, error) from None
    _fill(report, file, graph, layout)
    return report


def keras_network(path: Path, ports: Ports | None = None) -> tuple[Architecture, dict[str, np.ndarray]]:
    """The architecture (``keras-graph`` with its graph) and tensors of a Keras file. Raises as `inspect_keras`.

    ``ports``: the inputs and the output of several to use.
    """
    file = open_keras(path, values=True)
    try:
        whole, layout = _network(file)
    except ConfigRefused as error:
        raise _refusal(path, error) from None
    _wire(path, whole, layout, ports)
    tensors: dict[str, np.ndarray] = {}
    for number, (name, op) in enumerate(layout["layers"].items()):
        found = layout["places"].get(name, {})
        try:
            arrays = to_torch(op, {role: data[()] for role, data in found.items()}, layout["channels_first"])
        except (ValueError, TypeError) as error:
            raise InputError(
                f"the weights of layer {name[:120]!r} do not fit it ({error})",
                file=path,
                mend="save the model again",
            ) from None
        if arrays:
            op["shapes"] = {role: list(array.shape) for role, array in arrays.items()}
        _check_shapes(path, name, op)
        # The module's own name of the layer, see KerasNetwork.
        key = f"{number:03d}_" + "".join(letter if letter.isalnum() else "_" for letter in name)[:80]
        tensors |= {f"layers.{key}.{role}": array for role, array in arrays.items()}
    graph = {name: layout[name] for name in ("inputs", "layers", "calls", "output", "multiple_of")}
    if len(layout["inputs"]) > 1:
        graph["input_channels"] = layout["input_channels"]
    return Architecture("keras-graph", {"graph": graph}), tensors


def open_keras_model(report: ModelReport, choice: Choice, threads: int | None, precision: str) -> Backend:
    """The network of a Keras file on PyTorch. Raises as `inspect_keras`, and MissingPackageError without torch."""
    torch = require("torch")
    from ..backends.torch_backend import TorchBackend
    from ..networks import build_network

    with memory_errors(choice.device):
        architecture, tensors = keras_network(report.path, choose(report, report.card))
        with torch.device("meta"):
            network = build_network(architecture)
        state = {name: torch.from_numpy(array) for name, array in tensors.items()}
        network.load_state_dict(state, strict=True, assign=True)
    network.eval().requires_grad_(False)
    return TorchBackend(network, choice.device, threads=threads, precision=precision)


def with_graph(card: ModelCard, path: Path, ports: Ports, weights_alone: bool) -> ModelCard:
    """The card for a conversion of a Keras file: weights alone need the graph as architecture, others do not."""
    return replace(card, architecture=keras_network(path, ports)[0] if weights_alone else None)


def _wire(path: Path, graph: LayerGraph, layout: dict[str, Any], ports: Ports | None) -> None:
    """Leave in ``layout`` what the inputs and the output in use need. Raises InputError."""
    if ports is None or (len(graph.inputs) == 1 and len(graph.outputs) == 1):
        return
    if ports.constants:
        raise InputError(
            f"the input {ports.constants[0].name} of a Keras model cannot be a constant",
            file=path,
            mend="save a model without it",
        )
    layout["output"] = graph.outputs[_output_names(graph).index(ports.output)]
    layout["inputs"] = [f"input:{name}" for name, _ in ports.inputs]
    layout["input_channels"] = [count for _, count in ports.inputs]
    needed, calls = {layout["output"]}, []
    for output, layer, given in reversed(layout["calls"]):
        if output in needed:
            needed.update(given)
            calls.append([output, layer, given])
    layout["calls"] = calls[::-1]
    used = {layer for _, layer, _ in calls}
    layout["layers"] = {name: op for name, op in layout["layers"].items() if name in used}


def _check_shapes(path: Path, name: str, op: dict[str, Any]) -> None:
    kernel = op.get("shapes", {}).get("depthwise" if op["op"] == "separable_conv2d" else "weight")
    if "kernel" in op and kernel is not None and list(kernel[2:]) != list(op["kernel"]):
        raise InputError(
            f"the weights of layer {name[:120]!r} have a kernel of {kernel[2:]}, its configuration says {op['kernel']}",
            file=path,
            mend="save the model again",
        )


def _network(file: KerasFile) -> tuple[LayerGraph, dict[str, Any]]:
    """The graph in our own words and where its weights lie. Raises ConfigRefused, InputError."""
    graph = read_graph(file.data)
    if not graph.inputs or not {call.output for call in graph.calls}.issuperset(graph.outputs):
        raise ConfigRefused("it computes nothing", "save the model again")
    for shape in graph.shapes:
        if len(shape) not in (0, 4) and len(graph.shapes) == 1:
            raise ConfigRefused(
                f"its input has {len(shape)} axes, a 2D network has four (slices, height, width, channels)",
                "give a 2D segmentation network",
            )
    channels_first = any(
        layer.config.get("data_format") == "channels_first"
        for layer in graph.layers.values()
        if isinstance(layer.config, dict)
    )
    ops = {name: operation(layer, channels_first, file.version) for name, layer in graph.layers.items()}
    places = (
        find_in_v3(file.path, file.hdf5, file.data, ops)
        if file.archive
        else find_in_h5(file.path, file.hdf5, graph.layers, ops)
    )
    return graph, {
        "inputs": graph.inputs,
        "layers": ops,
        "output": graph.outputs[0],
        "places": places,
        "calls": [[call.output, call.layer, list(call.inputs)] for call in graph.calls],
        "multiple_of": _multiple(graph, ops),
        "channels_first": channels_first,
    }


def _multiple(graph: LayerGraph, ops: dict[str, Any]) -> int:
    """By how much the network shrinks a slice where it is smallest."""
    scale, most = dict.fromkeys(graph.inputs, 1.0), 1.0
    for call in graph.calls:
        op = ops[call.layer]
        now = max(scale[name] for name in call.inputs) if call.inputs else 1.0
        if op["op"] in _DOWN:
            now *= max(op["strides"])
        elif op["op"] in ("conv2d_transpose", "upsample"):
            now /= max(op["strides"] if "strides" in op else op["size"])
        scale[call.output] = now
        most = max(most, now)
    return min(512, round(most))


def _fill(report: ModelReport, file: KerasFile, graph: LayerGraph, layout: dict[str, Any]) -> None:
    statistics = ("moving_mean", "moving_variance", "mean", "variance")
    sizes = {True: 0, False: 0}
    for variables in layout["places"].values():
        for role, data in variables.items():
            sizes[role in statistics] += prod(data.shape)
    report.parameters = sizes[False]
    report.details |= {"running_statistics": sizes[True], "layers": len(graph.layers)}
    report.multiple_of = layout["multiple_of"]
    ops = layout["layers"]
    batch: int | None = None
    size: list[int | None] = [None, None]
    inputs = []
    for value, stored in zip(graph.inputs, graph.shapes, strict=True):
        name, shape = value.removeprefix("input:"), stored or (None, None, None, None)
        if len(shape) != 4:
            inputs.append(TensorInfo(name, "float32", shape))
            continue
        batch, *size, channels = shape if not layout["channels_first"] else (shape[0], *shape[2:], shape[1])
        channels = channels or _first_channels(graph, layout, value)
        inputs.append(TensorInfo(name, "float32", (batch, channels, *size)))
    report.inputs = tuple(inputs)
    outputs, told = [], {}
    for value, name in zip(graph.outputs, _output_names(graph), strict=True):
        activation, source = _last_activation(graph, ops, value)
        made_from = _output_names(graph)[graph.outputs.index(source)] if source in graph.outputs else None
        told[name] = {"ends_in": activation, "channels": None, "from": made_from if activation else None}
        outputs.append(TensorInfo(name, "float32", (batch, _last_channels(graph, layout, value), None, None)))
    if len(outputs) == 1 and len(size) == 2:
        outputs = [TensorInfo(outputs[0].name, "float32", (*(outputs[0].shape or ())[:2], *size))]
    report.outputs = tuple(outputs)
    report.details["outputs"] = told
    apply_ports(report)
    _notes(report, file, graph, ops)


def _output_names(graph: LayerGraph) -> list[str]:
    """What each output is called: as the layer that makes it, or ``output`` where there is only one."""
    return ["output"] if len(graph.outputs) == 1 else list(graph.outputs)


def _last_activation(graph: LayerGraph, ops: dict[str, Any], value: str) -> tuple[str, str]:
    """What makes a value probabilities ("sigmoid", "softmax" or ""), seen through layers that change nothing, and the
    value that went into it."""
    makers = {call.output: call for call in graph.calls}
    while value in makers:
        op = ops[makers[value].layer]
        activation = op.get("activation", "linear")
        if op["op"] not in ("identity", "activation") or activation != "linear":
            kinds = {"hard_sigmoid": "sigmoid", "hard_sigmoid_2": "sigmoid", "sigmoid": "sigmoid", "softmax": "softmax"}
            found = kinds.get(activation, "") if isinstance(activation, str) else ""
            return found, makers[value].inputs[0] if op["op"] == "activation" else ""
        value = makers[value].inputs[0]
    return "", ""


def _notes(report: ModelReport, file: KerasFile, graph: LayerGraph, ops: dict[str, Any]) -> None:
    text = json.dumps([layer.config.get("dtype") for layer in graph.layers.values() if isinstance(layer.config, dict)])
    if "16" in text:
        report.warnings.append(
            "the model was trained in half or mixed precision; it runs in float32 here, which its own "
            "framework's numbers follow to about 1e-3"
        )
    early = file.version.split(".")[:2]
    if (
        early
        and early[0] in ("1", "2")
        and early[-1] in ("0", "1", "2")
        and any(op.get("mode") == "bilinear" for op in ops.values())
        and not file.version.endswith("-tf")
    ):
        report.warnings.append(
            f"Keras {file.version} may have interpolated from pixel corners; it is done from pixel "
            "centres here, as TensorFlow 2 does"
        )


def _first_channels(graph: LayerGraph, layout: dict[str, Any], value: str) -> int | None:
    """Channels of an input, from a convolution that takes it."""
    ops, places = layout["layers"], layout["places"]
    for call in graph.calls:
        kernel = places.get(call.layer, {}).get("kernel")
        if value in call.inputs and ops[call.layer]["op"] == "conv2d" and kernel is not None:
            return kernel.shape[2] * ops[call.layer].get("groups", 1)
    return None


def _last_channels(graph: LayerGraph, layout: dict[str, Any], value: str) -> int | None:
    """Channels of an output, from the nearest layer with a kernel on a path without merges."""
    ops, places = layout["layers"], layout["places"]
    makers = {call.output: call for call in graph.calls}
    while value in makers:
        call = makers[value]
        op, found = ops[call.layer], places.get(call.layer, {})
        if op["op"] in ("conv2d", "dense"):
            return found["kernel"].shape[-1]
        if op["op"] in ("conv2d_transpose", "separable_conv2d"):
            return found["kernel"].shape[2] if "kernel" in found else found["pointwise_kernel"].shape[3]
        if op["op"] == "concatenate" or not call.inputs:
            return None
        value = call.inputs[0]
    return None
