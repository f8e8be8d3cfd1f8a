"""Keras models for tests: made by real Keras 3 on its torch backend, and saved in each layout."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "torch")
keras = pytest.importorskip("keras", reason="keras is not installed")
h5py = pytest.importorskip("h5py", reason="h5py is not installed")


def randomise(model: Any, seed: int = 0) -> Any:
    """Weights as after training: running statistics that are not the identity, biases that are not zero."""
    rng = np.random.default_rng(seed)
    for variable in model.variables:
        if "seed" in variable.path:
            continue
        shape = tuple(variable.shape)
        if variable.path.endswith(("moving_variance", "gamma")):
            value = rng.uniform(0.5, 1.5, shape)
        elif len(shape) >= 2:
            value = rng.normal(size=shape) * np.sqrt(2 / max(1, np.prod(shape[:-1])))
        else:
            value = rng.normal(size=shape) * 0.2
        variable.assign(value.astype(np.float32))
    return model


def save(model: Any, path: Path) -> Path:
    model.save(path)
    return path


def h5_as_keras_2(model: Any, path: Path, version: str = "2.15.0") -> Path:
    """``model`` as Keras 2 wrote ``.h5``: nested lists of calls, ``groups: 1`` everywhere, weights ``name:0``.

    Emulated from the documented layout; files made by TensorFlow's own Keras are tested apart.
    """
    model.save(path)
    with h5py.File(path, "r+") as file:
        data = _as_keras_2(json.loads(file.attrs["model_config"]))
        file.attrs["model_config"] = json.dumps(data)
        file.attrs["keras_version"], file.attrs["backend"] = version, "tensorflow"
        for group in file["model_weights"].values():
            names = [str(name) for name in group.attrs["weight_names"]]
            for name in names:
                group.move(name, f"{name}:0")
            group.attrs["weight_names"] = np.array([f"{name}:0".encode() for name in names] or [], dtype="S")
    return path


def _as_keras_2(entry: Any) -> Any:
    """One stored layer or model, in the shape of Keras 2's configuration."""
    config = dict(entry["config"])
    kind = entry["class_name"]
    if isinstance(config.get("dtype"), dict):
        config["dtype"] = config["dtype"]["config"]["name"]
    if "batch_shape" in config:
        config["batch_input_shape"] = config.pop("batch_shape")
    if kind == "Conv2DTranspose":
        config["groups"], config["output_padding"] = 1, None
    if kind == "LeakyReLU":
        config["alpha"] = config.pop("negative_slope")
    if kind == "BatchNormalization" and isinstance(config["axis"], int):
        config["axis"] = [config["axis"] % 4]
    if "layers" in config:
        config["layers"] = [_as_keras_2(layer) for layer in config["layers"]]
        for name in ("input_layers", "output_layers"):
            if name in config and isinstance(config[name][0], str):
                config[name] = [config[name]]
    new = {"class_name": kind, "config": config}
    if "inbound_nodes" in entry:
        new["name"] = entry["name"]
        new["inbound_nodes"] = [[[*key, {}] for key in _histories(node["args"])] for node in entry["inbound_nodes"]]
    return new


def _histories(value: Any) -> list[list[Any]]:
    if isinstance(value, dict):
        return [value["config"]["keras_history"]]
    return [key for item in value for key in _histories(item)]


def unet_b(size: tuple[int, int] = (320, 320)) -> Any:
    """System B's network as its report lists it: 7,765,281 parameters, 2,880 of them statistics."""
    layers = keras.layers
    x = start = keras.Input((*size, 1))
    skips = []
    for width in (32, 64, 128, 256):
        for _ in range(2):
            x = layers.Conv2D(width, 3, activation="relu", padding="same")(x)
        x = layers.BatchNormalization()(x)
        skips.append(x)
        x = layers.Dropout(0.1)(layers.MaxPooling2D()(x))
    for _ in range(2):
        x = layers.Conv2D(512, 3, activation="relu", padding="same")(x)
    for width in (256, 128, 64, 32):
        x = layers.Conv2DTranspose(width, 2, strides=2, padding="same")(x)
        x = layers.Concatenate()([layers.BatchNormalization()(x), skips.pop()])
        for _ in range(2):
            x = layers.Conv2D(width, 3, activation="relu", padding="same")(x)
        x = layers.BatchNormalization()(x)
    return keras.Model(start, layers.Conv2D(1, 1, activation="sigmoid")(x))


def unet_e(policy: str = "float32") -> Any:
    """System E's lung-field network: 128×128×3, widths 32-64-128 (466,529 parameters)."""
    layers = keras.layers
    x = start = keras.Input((128, 128, 3))
    skips = []
    for width in (32, 64):
        for _ in range(2):
            x = layers.Conv2D(width, 3, activation="relu", padding="same", dtype=policy)(x)
        skips.append(x)
        x = layers.MaxPooling2D(dtype=policy)(x)
    for _ in range(2):
        x = layers.Conv2D(128, 3, activation="relu", padding="same", dtype=policy)(x)
    for width in (64, 32):
        x = layers.Conv2DTranspose(width, 2, strides=2, padding="same", dtype=policy)(x)
        x = layers.Concatenate(dtype=policy)([x, skips.pop()])
        for _ in range(2):
            x = layers.Conv2D(width, 3, activation="relu", padding="same", dtype=policy)(x)
    return keras.Model(start, layers.Conv2D(1, 1, activation="sigmoid", dtype="float32")(x))
