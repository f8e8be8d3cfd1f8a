"""Where Keras keeps the weights of each layer, and how they lie in PyTorch's order.

Three layouts: ``.h5`` of Keras 2 and 3 (a group a layer, attribute ``weight_names``), ``model.weights.h5`` inside
``.keras`` (numbered variables in groups named after the classes), and the same as TensorFlow's Keras 2.12 wrote it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from .hdf5_file import attribute_names, attribute_text
from .keras_config import MODELS, Layer, layer_name

#: The variables of each operation in the order in which Keras makes them; those an option leaves out are marked.
ROLES: dict[str, tuple[tuple[str, str | None], ...]] = {
    "conv2d": (("kernel", None), ("bias", "bias")),
    "conv2d_transpose": (("kernel", None), ("bias", "bias")),
    "depthwise_conv2d": (("depthwise_kernel", None), ("bias", "bias")),
    "separable_conv2d": (("depthwise_kernel", None), ("pointwise_kernel", None), ("bias", "bias")),
    "dense": (("kernel", None), ("bias", "bias")),
    "batch_norm": (("gamma", "scale"), ("beta", "center"), ("moving_mean", None), ("moving_variance", None)),
    "layer_norm": (("gamma", "scale"), ("beta", "center")),
    "group_norm": (("gamma", "scale"), ("beta", "center")),
    "instance_norm": (("gamma", "scale"), ("beta", "center")),
    "normalise": (("mean", None), ("variance", None)),
    "prelu": (("alpha", None),),
}
_CONTAINERS = ("layers", "_layer_checkpoint_dependencies")

Place = dict[str, dict[str, Any]]


def roles(op: dict[str, Any]) -> list[str]:
    """The names of the variables that an operation has, in Keras's order."""
    return [role for role, option in ROLES.get(op["op"], ()) if option is None or op.get(option, True)]


def find_in_h5(path: Path, file: Any, layers: dict[str, Layer], ops: dict[str, dict[str, Any]]) -> Place:
    """For each layer its data sets by role, in a whole-model ``.h5`` file. Raises InputError."""
    root = file.get("model_weights", file)
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for outer in attribute_names(root, "layer_names"):
        if outer not in root:
            continue
        group = root[outer]
        table: dict[str, dict[str, Any]] = {}
        for name in attribute_names(group, "weight_names"):
            if name not in group:
                raise InputError(f"the weights {name[:120]!r} are missing", file=path, mend="save the model again")
            parts = re.sub(r":\d+$", "", name).split("/")
            # "conv/kernel" in a plain layer, "inner/conv/kernel" or "conv/kernel" in a model inside the model.
            table.setdefault("/".join(parts[:-1]), {})[parts[-1]] = group[name]
        found[outer] = table
    return {
        name: _match(path, name, found.get(name.partition("/")[0], {}), ops[name])
        for name in layers
        if roles(ops[name])
    }


def _match(path: Path, name: str, table: dict[str, dict[str, Any]], op: dict[str, Any]) -> dict[str, Any]:
    """The variables of layer ``name`` among those stored below the outermost layer it belongs to."""
    needed = roles(op)
    parts = name.split("/")
    if len(parts) == 1:
        candidates = list(table.values()) if len(table) == 1 else [table[key] for key in table if key.endswith(name)]
    else:
        candidates = [table[key] for key in table if key.split("/")[-1] == parts[-1]]
        exact = [table[key] for key in table if f"/{key}".endswith("/" + "/".join(parts[1:]))]
        candidates = exact if len(exact) == 1 else candidates
    if op["op"] == "depthwise_conv2d":  # Keras 3 calls its kernel as any other
        candidates = [{"depthwise_kernel": c["kernel"], **c} if "kernel" in c else c for c in candidates]
    fitting = [variables for variables in candidates if set(needed) <= variables.keys()]
    if len(fitting) != 1:
        raise InputError(
            f"the weights of layer {name[:120]!r} ({', '.join(needed)}) "
            + ("occur more than once" if fitting else "are missing"),
            file=path,
            mend="save the model again with a current Keras, as .keras",
        )
    return {role: fitting[0][role] for role in needed}


def find_in_v3(path: Path, file: Any, data: dict[str, Any], ops: dict[str, dict[str, Any]]) -> Place:
    """For each layer its data sets by role, in the ``model.weights.h5`` of a ``.keras`` archive. Raises InputError."""
    found: Place = {}
    _container(path, file, data, "", ops, found)
    return found


def _container(
    path: Path, group: Any, data: dict[str, Any], prefix: str, ops: dict[str, dict[str, Any]], found: Place
) -> None:
    container = next((group[name] for name in _CONTAINERS if name in group), None)
    if container is None:
        raise InputError("its weights are not stored as Keras stores them", file=path, mend="save the model again")
    used: dict[str, int] = {}
    by_name = {
        attribute_text(path, item["vars"], "name"): item
        for item in container.values()
        if "vars" in item and "name" in item["vars"].attrs
    }
    config = data["config"]
    for entry in config["layers"] if isinstance(config, dict) else config:
        # Groups are named after classes and counted: the layers' own names differ from run to run.
        snake = _snake(entry["class_name"].rpartition(">")[2])
        count = used.get(snake, 0)
        used[snake] = count + 1
        key = f"{snake}_{count}" if count else snake
        name = layer_name(entry)
        place = by_name.get(name) or (container[key] if key in container else container.get(name))
        full = prefix + name
        if entry["class_name"] in MODELS:
            if place is None:
                raise InputError(f"the weights of {full[:120]!r} are missing", file=path, mend="save the model again")
            _container(path, place, entry, f"{full}/", ops, found)
            continue
        needed = roles(ops.get(full, {"op": "identity"}))
        if not needed:
            continue
        variables = place.get("vars") if place is not None else None
        if variables is None or any(str(number) not in variables for number in range(len(needed))):
            raise InputError(
                f"the weights of layer {full[:120]!r} ({', '.join(needed)}) are missing",
                file=path,
                mend="save the model again",
            )
        found[full] = {role: variables[str(number)] for number, role in enumerate(needed)}


def _snake(name: str) -> str:
    """A class name as Keras spells it in paths: Conv2DTranspose → conv2d_transpose, ReLU → re_lu."""
    name = re.sub(r"\W+", "", name)
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def to_torch(
    op: dict[str, Any], variables: dict[str, np.ndarray], channels_first: bool = False
) -> dict[str, np.ndarray]:
    """The tensors of one layer under PyTorch's names and in its order of axes, float32.

    Kernels: (h, w, in, out) → (out, in, h, w); transposed (h, w, out, in) → (in, out, h, w); depthwise
    (h, w, in, multiplier) → (in · multiplier, 1, h, w); dense (in, out) → (out, in). Raises ValueError where a shape
    cannot be that.
    """
    kind = op["op"]
    arrays = {role: np.asarray(array, np.float32) for role, array in variables.items()}
    result: dict[str, np.ndarray] = {}
    for role, array in arrays.items():
        if role == "kernel" and kind in ("conv2d", "conv2d_transpose"):
            result["weight"] = array.transpose(3, 2, 0, 1)
        elif role == "kernel":
            result["weight"] = array.transpose(1, 0)
        elif role == "depthwise_kernel":
            height, width, channels, multiplier = array.shape
            name = "weight" if kind == "depthwise_conv2d" else "depthwise"
            result[name] = array.transpose(2, 3, 0, 1).reshape(channels * multiplier, 1, height, width)
        elif role == "pointwise_kernel":
            result["pointwise"] = array.transpose(3, 2, 0, 1)
        elif role in ("mean", "variance"):
            result["running_mean" if role == "mean" else "running_var"] = array.reshape(-1)
        elif role == "alpha":
            result["weight"] = array if channels_first else np.moveaxis(array, -1, 0)
        else:
            name = {
                "gamma": "weight",
                "beta": "bias",
                "moving_mean": "running_mean",
                "moving_variance": "running_var",
            }.get(role, role)
            if array.ndim != 1:
                raise ValueError(f"{role} has the shape {list(array.shape)}")
            result[name] = array
    return {name: np.ascontiguousarray(array) for name, array in result.items()}
