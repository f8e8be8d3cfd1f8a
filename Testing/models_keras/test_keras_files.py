"""Keras files at the doors: what inspect says, conversion, and files that hold code or are made to do harm."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras_models import h5_as_keras_2, h5py, keras, randomise, save
from medseg.errors import InputError, UnsafeModelError
from medseg.models import inspect_model, open_model
from medseg.models.converting import convert_model

pytestmark = pytest.mark.filterwarnings("ignore")

L = keras.layers
CARD: dict[str, Any] = {
    "schema_version": 1,
    "name": "lobes",
    "plane": "axial",
    "orientation": "PLS",
    "input": {"size": {"mode": "resize", "height": 32, "width": 48}, "normalisation": {"kind": "zscore"}},
    "output": {"activation": "none", "labels": [{"value": 1, "name": "lobe"}]},
}


@pytest.fixture(scope="module")
def model() -> Any:
    start = keras.Input((32, 48, 1))
    skip = L.BatchNormalization()(L.Conv2D(4, 3, padding="same", activation="relu", name="first")(start))
    x = L.Conv2D(8, 3, padding="same", activation="relu")(L.MaxPooling2D()(skip))
    x = L.Concatenate()([L.Conv2DTranspose(4, 2, strides=2)(x), skip])
    return randomise(keras.Model(start, L.Conv2D(1, 1, activation="sigmoid", name="head")(x)))


@pytest.fixture(scope="module")
def files(model, tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("keras")
    return {
        "keras": save(model, folder / "m.keras"),
        "h5": save(model, folder / "m.h5"),
        "two": h5_as_keras_2(model, folder / "two.h5"),
    }


@pytest.mark.parametrize("kind", ["keras", "h5", "two"])
def test_a_keras_file_opens_by_itself(files, model, kind) -> None:
    report = inspect_model(files[kind])
    assert (report.format, report.in_channels, report.out_channels) == ("keras", 1, 1)
    assert report.version == ("2.15.0" if kind == "two" else keras.__version__)
    assert report.parameters == model.count_params() - 8 and report.fixed_size == (32, 48)
    assert report.draft["output"]["activation"] == "none" and report.draft["input"]["size"]["height"] == 32
    x = np.random.default_rng(0).normal(size=(2, 1, 32, 48)).astype(np.float32)
    wanted = np.asarray(keras.ops.convert_to_numpy(model(x.transpose(0, 2, 3, 1), training=False))).transpose(
        0, 3, 1, 2
    )
    with open_model(files[kind], device="cpu") as opened:
        assert np.abs(opened.run(x) - wanted).max() <= 1e-5


@pytest.mark.parametrize("suffix", [".onnx", ".safetensors", ".pt"])
def test_a_keras_file_is_converted_with_its_card(files, tmp_path, suffix) -> None:
    done = convert_model(files["h5"], tmp_path / f"new{suffix}", card=CARD)
    assert done.largest_probability_difference is not None and done.largest_probability_difference <= 1e-5
    with open_model(tmp_path / f"new{suffix}", device="cpu") as opened:
        assert opened.card is not None and opened.card.training["conversion"]["from"] == "keras"
        assert (opened.card.architecture is not None) == (suffix == ".safetensors")


@pytest.mark.parametrize(
    "make",
    [
        lambda: L.Lambda(lambda x: x * 2),
        lambda: L.Conv2D(1, 1, activation=lambda x: x),
    ],
    ids=["layer", "activation"],
)
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_python_code_in_a_file_is_refused_before_any_backend(tmp_path, make, suffix) -> None:
    start = keras.Input((8, 8, 1))
    path = tmp_path / f"m{suffix}"
    keras.Sequential([start, L.Conv2D(1, 1), keras.Sequential([keras.Input((8, 8, 1)), make()])]).save(path)
    with pytest.raises((UnsafeModelError, InputError), match=r"Python code|not known here"):
        open_model(path, device="cpu")
    if "Lambda" in inspect_text(path):
        assert inspect_model(path).unsafe


def inspect_text(path: Path) -> str:
    try:
        return " ".join(inspect_model(path).unsafe)
    except InputError as error:
        return error.line()


def edited(path: Path, out: Path, change: Any) -> Path:
    """A .keras file with its configuration changed."""
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(out, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "config.json":
                data = json.loads(content)
                content = json.dumps(change(data) or data).encode()
            target.writestr(name, content)
    return out


def _rename(data: Any, kind: str) -> None:
    data["config"]["layers"][1]["class_name"] = kind


def _circle(data: Any) -> None:
    layers = data["config"]["layers"]
    layers[1]["inbound_nodes"] = layers[2]["inbound_nodes"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: _rename(d, "Custom>Attention"), "defined by code"),
        (lambda d: _rename(d, "LSTM"), "not known here"),
        (lambda d: d.update(class_name="MyModel", registered_name="lab>MyModel"), "defined by code"),
        (_circle, "never made"),
        (lambda d: d["config"].update(output_layers=[["first", 0, 0], ["first", 0, 0]]), "outputs"),
        (lambda d: d["config"].update(layers="all"), "no list of layers"),
        (lambda d: [1], "names no model"),
        (lambda d: d["config"]["layers"][1]["config"].update(kernel_size=[10**9, 3]), "cannot be a size"),
        (lambda d: d["config"]["layers"][1]["config"].update(kernel_size=[5, 5]), "kernel"),
        (lambda d: d["config"]["layers"][1]["config"].update(activation="os.system"), "activation"),
        (lambda d: d["config"]["layers"][1]["config"].update(padding="causal"), "padding"),
    ],
    ids=range(11),
)
def test_configurations_that_cannot_be_run_get_a_line(files, tmp_path, change, words) -> None:
    path = edited(files["keras"], tmp_path / "m.keras", change)
    with pytest.raises(InputError, match=words):
        open_model(path, device="cpu")


def test_cut_files_get_a_line(files, tmp_path) -> None:
    for kind in ("keras", "h5"):
        content = files[kind].read_bytes()
        for tenth in range(1, 10):
            path = tmp_path / f"cut.{kind}"
            path.write_bytes(content[: len(content) * tenth // 10])
            with pytest.raises(InputError):
                inspect_model(path)


def hdf5(path: Path, source: Path, change: Any) -> Path:
    path.write_bytes(source.read_bytes())
    with h5py.File(path, "r+") as file:
        change(file)
    return path


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda f: f.__setitem__("x", h5py.ExternalLink("/etc/passwd", "/")), "link"),
        (lambda f: f.__setitem__("x", h5py.SoftLink("/model_weights")), "link"),
        (lambda f: f.create_dataset("x", (8,), "u1", external=[("/etc/hostname", 0, 8)]), "another file"),
        (lambda f: f.create_dataset("x", (10**6, 10**6), "f4", chunks=(1000, 1000)), "would unpack"),
        (lambda f: f.create_dataset("x", data=np.zeros(10**7, "f4"), compression="gzip"), "would unpack"),
        (lambda f: f.attrs.__delitem__("model_config"), "weights but not the network"),
        (lambda f: f["model_weights"].__delitem__("first"), "missing"),
    ],
    ids=["external link", "soft link", "external data", "never written", "bomb", "weights only", "a layer less"],
)
def test_hdf5_made_to_do_harm_gets_a_line(files, tmp_path, change, words) -> None:
    with pytest.raises(InputError, match=words):
        inspect_model(hdf5(tmp_path / "m.h5", files["h5"], change))


def test_groups_that_contain_themselves_are_refused(files, tmp_path) -> None:
    """No model has them, and a tree of links to links would multiply without end."""
    path = hdf5(tmp_path / "m.h5", files["h5"], lambda f: f["model_weights"].__setitem__("again", f["model_weights"]))
    with pytest.raises(UnsafeModelError, match="two links lead to one group"):
        inspect_model(path)
