"""The network that a Keras configuration describes, as a flat graph. Only JSON is read; no code is looked for.

Keras writes the calls of layers in two ways: up to version 2 as ``[[["conv", 0, 0, {}]]]`` (layer, which of its calls,
which of its outputs), from version 3 on as ``{"args": [...], "kwargs": {...}}`` with ``__keras_tensor__`` entries.
Models inside models are laid out flat, their layers named ``outer/inner``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from .keras_errors import ConfigRefused
from .keras_ops import as_operation

MAX_CALLS = 20_000
MAX_NESTING = 16

#: Layer, which of its calls, which of its outputs.
Key = tuple[str, int, int]
#: A call that waits for its inputs: layer, number of the call, inputs.
Waiting = tuple[str, int, list[Key]]

#: Classes that hold other layers.
MODELS = ("Functional", "Model", "Sequential")


@dataclass(frozen=True)
class Layer:
    """One layer: its place (``outer/inner``), class, and configuration as stored."""

    name: str
    kind: str
    config: dict[str, Any]


@dataclass(frozen=True)
class Call:
    """A layer applied to values; ``output`` names the value it gives."""

    output: str
    layer: str
    inputs: tuple[str, ...]


@dataclass
class Graph:
    """Layers and calls in an order in which each value is there before it is used."""

    layers: dict[str, Layer] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    #: Shape of each input as stored, batch included.
    shapes: list[tuple[int | None, ...]] = field(default_factory=list)


def parse_config(text: str) -> dict[str, Any]:
    """The JSON of a model's configuration. Raises ConfigRefused."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigRefused(f"its configuration is not valid JSON ({error})", "save the model again") from None
    if not isinstance(data, dict) or not isinstance(data.get("class_name"), str):
        raise ConfigRefused("its configuration names no model", "save the model again")
    return data


def entries(data: Any, depth: int = 0) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each layer of a configuration with its class, the layers of models inside it included."""
    if depth > MAX_NESTING:
        raise ConfigRefused(f"its models are nested deeper than {MAX_NESTING}")
    for entry in _layer_list(data):
        yield str(entry.get("class_name")), entry
        if entry.get("class_name") in MODELS:
            yield from entries(entry, depth + 1)


def read_graph(data: dict[str, Any]) -> Graph:
    """The graph of a parsed configuration. Raises ConfigRefused where it is not a graph of layers."""
    graph = Graph()
    kind = data["class_name"]
    if kind not in MODELS:
        raise ConfigRefused(
            f"the model is of the class {kind[:80]!r}, which is defined by code that the file does not "
            "hold and that would not be run",
            "build it with the functional API, or export it to ONNX",
        )
    _check_size(data)
    graph.outputs = _expand(graph, data, "", None, 0)
    return graph


def _check_size(data: dict[str, Any]) -> None:
    for count, _ in enumerate(entries(data)):
        if count > MAX_CALLS:
            raise ConfigRefused(f"it has more than {MAX_CALLS} layers")


def _layer_list(data: Any) -> list[dict[str, Any]]:
    config = data.get("config") if isinstance(data, dict) else None
    # Keras before 2.2.3 stored a Sequential's layers without a dictionary around them.
    layers = config if isinstance(config, list) else config.get("layers") if isinstance(config, dict) else None
    if not isinstance(layers, list) or not all(isinstance(entry, dict) for entry in layers):
        raise ConfigRefused("a model in it has no list of layers", "save the model again")
    return layers


def layer_name(entry: dict[str, Any]) -> str:
    """The name of a stored layer. Raises ConfigRefused."""
    config = entry.get("config")
    inner = config.get("name") if isinstance(config, dict) else None
    name = entry.get("name") or inner
    if not isinstance(name, str) or not isinstance(config, (dict, list)):
        raise ConfigRefused("a layer in it has no name or no configuration", "save the model again")
    return name


def _expand(
    graph: Graph, data: dict[str, Any], prefix: str, feeds: list[str] | None, depth: int, suffix: str = ""
) -> list[str]:
    """Add the layers and calls of the model ``data``, whose inputs are the values ``feeds``; None for the outermost."""
    if depth > MAX_NESTING:
        raise ConfigRefused(f"its models are nested deeper than {MAX_NESTING}")
    if data["class_name"] == "Sequential":
        return _sequential(graph, data, prefix, feeds, depth, suffix)
    return _functional(graph, data, prefix, feeds, depth, suffix)


def _sequential(
    graph: Graph, data: dict[str, Any], prefix: str, feeds: list[str] | None, depth: int, suffix: str
) -> list[str]:
    layers = _layer_list(data)
    if any(not isinstance(entry.get("class_name"), str) for entry in layers):
        raise ConfigRefused("a layer of its configuration has no class", "save the model again")
    if feeds is None:
        if not layers:
            raise ConfigRefused("the model has no layers")
        shape = _shape(layers[0]) or _shape(data) or _shape({"config": layers[0].get("build_config")})
        feeds = [
            _add_input(graph, "input" if layers[0]["class_name"] != "InputLayer" else layer_name(layers[0]), shape)
        ]
    if len(feeds) != 1:
        raise ConfigRefused("a sequential model in it has several inputs")
    for entry in layers:
        if entry["class_name"] != "InputLayer":
            feeds = _call(graph, entry, prefix, feeds, depth, 0, suffix)
    return feeds


def _functional(
    graph: Graph, data: dict[str, Any], prefix: str, feeds: list[str] | None, depth: int, suffix: str
) -> list[str]:
    config = data["config"]
    layers = {layer_name(entry): as_operation(entry) for entry in _layer_list(data)}
    values: dict[tuple[str, int], list[str]] = {}
    inputs = _keys(config.get("input_layers"))
    if feeds is None:
        feeds = [_add_input(graph, name, _shape(layers.get(name, {}))) for name, _, _ in inputs]
    if len(feeds) != len(inputs):
        raise ConfigRefused("a model in it is called with another number of inputs than it has", "save the model again")
    for (name, _, _), feed in zip(inputs, feeds, strict=True):
        values[name, 0] = [feed]
    waiting = [
        (name, number, node_inputs(node))
        for name, entry in layers.items()
        if (name, 0) not in values
        for number, node in enumerate(entry.get("inbound_nodes") or [])
    ]
    waiting = _counted_from_one(waiting, layers, _keys(config.get("output_layers")))
    if len(waiting) > MAX_CALLS:
        raise ConfigRefused(f"it has more than {MAX_CALLS} calls of layers")
    users: dict[tuple[str, int], list[int]] = {}
    missing = []
    for position, (_, _, needed) in enumerate(waiting):
        keys = {(name, number) for name, number, _ in needed} - values.keys()
        missing.append(len(keys))
        for key in keys:
            users.setdefault(key, []).append(position)
    ready = [position for position, count in enumerate(missing) if count == 0][::-1]
    while ready:
        name, number, needed = waiting[ready.pop()]
        given = [_pick(values, key) for key in needed]
        values[name, number] = _call(graph, layers[name], prefix, given, depth, number, suffix)
        for position in users.get((name, number), ()):
            missing[position] -= 1
            if missing[position] == 0:
                ready.append(position)
    return [_pick(values, key) for key in _keys(config.get("output_layers"))]


def _counted_from_one(waiting: list[Waiting], layers: dict[str, Any], outputs: list[Key]) -> list[Waiting]:
    """Keras 2 counts the making of a model that has inputs of its own as its first call, and stores no such call."""
    used = {(name, number) for _, _, needed in waiting for name, number, _ in needed}
    used |= {(name, number) for name, number, _ in outputs}
    models = {name for name, entry in layers.items() if entry.get("class_name") in MODELS}
    shifted = {name for name in models if (name, len(layers[name].get("inbound_nodes") or [])) in used}
    return [(name, number + (name in shifted), needed) for name, number, needed in waiting]


def _pick(values: dict[tuple[str, int], list[str]], key: tuple[str, int, int]) -> str:
    name, number, output = key
    found = values.get((name, number))
    if found is None or not 0 <= output < len(found):
        raise ConfigRefused(
            f"the output of layer {name[:80]!r} is used but never made (a circle, or a missing layer)",
            "save the model again",
        )
    return found[output]


def _call(
    graph: Graph, entry: dict[str, Any], prefix: str, feeds: list[str], depth: int, number: int, suffix: str
) -> list[str]:
    name = prefix + layer_name(entry)
    # Each call of a shared layer, in each call of the model around it, gives a value of its own.
    suffix += f"#{number}" if number or suffix else ""
    if entry.get("class_name") in MODELS:
        return _expand(graph, entry, f"{name}/", feeds, depth + 1, suffix)
    if len(graph.calls) >= MAX_CALLS:
        raise ConfigRefused(f"it has more than {MAX_CALLS} calls of layers")
    graph.layers.setdefault(name, Layer(name, str(entry.get("class_name")), entry["config"]))
    output = name + suffix
    graph.calls.append(Call(output, name, tuple(feeds)))
    return [output]


def _add_input(graph: Graph, name: str, shape: tuple[int | None, ...] | None) -> str:
    value = f"input:{name}"
    graph.inputs.append(value)
    graph.shapes.append(shape or ())
    return value


def _shape(entry: dict[str, Any]) -> tuple[int | None, ...] | None:
    """The input shape that a stored layer or model tells; the key has had several names."""
    config = entry.get("config")
    for key in ("batch_shape", "batch_input_shape", "build_input_shape", "input_shape"):
        shape = config.get(key) if isinstance(config, dict) else None
        if isinstance(shape, list) and all(n is None or (isinstance(n, int) and n > 0) for n in shape):
            return tuple(shape)
    return None


def _keys(stored: Any) -> list[tuple[str, int, int]]:
    """``input_layers`` or ``output_layers``: one ``[name, call, output]``, or a list or dictionary of them."""
    if isinstance(stored, dict):
        stored = list(stored.values())
    if isinstance(stored, list) and len(stored) == 3 and isinstance(stored[0], str):
        stored = [stored]
    if not isinstance(stored, list) or not stored:
        raise ConfigRefused("a model in it names no inputs or outputs", "save the model again")
    return [_key(item) for item in stored]


def _key(item: Any) -> tuple[str, int, int]:
    if (
        isinstance(item, list)
        and len(item) >= 3
        and isinstance(item[0], str)
        and all(isinstance(n, int) and not isinstance(n, bool) for n in item[1:3])
    ):
        return item[0], item[1], item[2]
    raise ConfigRefused("the inputs of a layer cannot be read", "save the model again with a current Keras")


def node_inputs(node: Any) -> list[tuple[str, int, int]]:
    """The values that one call of a layer takes, in order. Raises ConfigRefused."""
    if isinstance(node, dict):  # Keras 3
        if any(_history(node.get("kwargs"), 0)):
            kwargs = node["kwargs"]
            if set(kwargs) - {"inputs", "training", "mask"} or node.get("args"):
                raise ConfigRefused("a layer takes values by name, which is not supported")
            return _history(kwargs.get("inputs"), 0)
        given = node.get("args")
        if isinstance(given, list) and any(isinstance(n, (int, float)) and not isinstance(n, bool) for n in given):
            raise ConfigRefused("a layer is called with a number, which is not known here")
        return _history(given, 0)
    if isinstance(node, list) and node and isinstance(node[0], str):
        node = [node]
    if not isinstance(node, list):
        raise ConfigRefused("the inputs of a layer cannot be read", "save the model again with a current Keras")
    return [_key(item) for item in node]


def _history(value: Any, depth: int) -> list[tuple[str, int, int]]:
    if depth > MAX_NESTING:
        raise ConfigRefused("the inputs of a layer are nested too deeply")
    if isinstance(value, dict):
        if value.get("class_name") == "__keras_tensor__":
            config = value.get("config")
            return [_key(config.get("keras_history") if isinstance(config, dict) else None)]
        value = list(value.values())
    if isinstance(value, list):
        return [key for item in value for key in _history(item, depth + 1)]
    return []
