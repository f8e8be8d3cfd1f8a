"""Keras files made by real Keras 3 (torch backend): what our own layers answer against what Keras answers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from keras_models import h5_as_keras_2, keras, randomise, save, unet_b, unet_e

pytestmark = pytest.mark.filterwarnings("ignore")

from medseg.models.keras_file import inspect_keras, keras_network  # noqa: E402
from medseg.networks.keras_network import KerasNetwork  # noqa: E402

L = keras.layers
LIMIT = 1e-5


def ours(path: Path, x: np.ndarray) -> np.ndarray:
    architecture, tensors = keras_network(path)
    network = KerasNetwork(**architecture.arguments).eval()
    network.load_state_dict({name: torch.from_numpy(array) for name, array in tensors.items()}, strict=True)
    with torch.inference_mode():
        return network(torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2)))).numpy().transpose(0, 2, 3, 1)


def check(model: Any, tmp_path: Path, *, size: tuple[int, int] = (16, 24), limit: float = LIMIT) -> None:
    """The model saved as .keras, .h5, and .h5 with a configuration as Keras 2 wrote it, each against Keras."""
    randomise(model)
    channels = model.inputs[0].shape[-1]
    shape = tuple(n or m for n, m in zip(model.inputs[0].shape[1:3], size, strict=True))
    x = np.random.default_rng(3).normal(size=(2, *shape, channels)).astype(np.float32)
    wanted = np.asarray(keras.ops.convert_to_numpy(model(x, training=False)))
    for path in (
        save(model, tmp_path / "m.keras"),
        save(model, tmp_path / "m.h5"),
        h5_as_keras_2(model, tmp_path / "two.h5"),
    ):
        answer = ours(path, x)
        assert answer.shape == wanted.shape
        assert np.abs(answer - wanted).max() <= limit * max(1.0, np.abs(wanted).max()), path.name


def functional(*layers: Any, channels: int = 3, size: tuple[int | None, int | None] = (None, None)) -> Any:
    start = keras.Input((*size, channels))
    x = start
    for layer in layers:
        x = layer(x)
    return keras.Model(start, x)


@pytest.mark.parametrize(
    "make",
    [
        lambda: L.Conv2D(4, 3, strides=2, padding="same", activation="relu"),
        lambda: L.Conv2D(4, (4, 2), strides=(1, 3), padding="same"),
        lambda: L.Conv2D(4, 3, dilation_rate=2, padding="same", use_bias=False),
        lambda: L.Conv2D(6, 3, groups=3, padding="valid"),
        lambda: L.DepthwiseConv2D(3, strides=2, padding="same", depth_multiplier=2),
        lambda: L.SeparableConv2D(5, 3, padding="same"),
        lambda: L.Conv2DTranspose(4, 2, strides=2),
        lambda: L.Conv2DTranspose(4, 3, strides=2, padding="same"),
        lambda: L.Conv2DTranspose(4, 4, strides=2, padding="same"),
        lambda: L.Conv2DTranspose(4, 3, strides=2, padding="valid"),
        lambda: L.UpSampling2D(2, interpolation="nearest"),
        lambda: L.UpSampling2D((2, 3), interpolation="bilinear"),
        lambda: L.MaxPooling2D(3, strides=2, padding="same"),
        lambda: L.MaxPooling2D(2),
        lambda: L.AveragePooling2D(3, strides=2, padding="same"),
        lambda: L.BatchNormalization(epsilon=1e-2),
        lambda: L.BatchNormalization(scale=False),
        lambda: L.BatchNormalization(center=False),
        lambda: L.LayerNormalization(),
        lambda: L.GroupNormalization(3),
        lambda: L.LeakyReLU(0.15),
        lambda: L.ReLU(max_value=0.5, negative_slope=0.1),
        lambda: L.PReLU(shared_axes=[1, 2]),
        lambda: L.ELU(0.7),
        lambda: L.Softmax(),
        lambda: L.ZeroPadding2D(((1, 2), (0, 3))),
        lambda: L.Cropping2D(((1, 0), (2, 1))),
        lambda: L.Rescaling(1 / 255, 0.5),
        lambda: L.Dense(5, activation="tanh"),
        lambda: L.Conv2D(3, 1, activation=L.LeakyReLU(0.1)),
        lambda: L.GlobalMaxPooling2D(keepdims=True),
        lambda: L.Resizing(32, 48),
        lambda: keras.Sequential([L.GlobalAveragePooling2D(), L.Reshape((1, 1, 3)), L.Dense(4)]),
    ],
    ids=lambda make: "",
)
def test_a_layer_alone(make: Callable[[], Any], tmp_path: Path) -> None:
    size = (17, 23)  # odd, so that padding on one side only would be seen
    check(functional(make(), size=size), tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        "relu",
        "relu6",
        "sigmoid",
        "softmax",
        "tanh",
        "elu",
        "selu",
        "softplus",
        "softsign",
        "silu",
        "gelu",
        "exponential",
        "mish",
        "leaky_relu",
        "hard_silu",
    ],
)
def test_an_activation(name: str, tmp_path: Path) -> None:
    check(functional(L.Conv2D(4, 1, activation=name), L.Activation(name)), tmp_path)


def test_merges_shared_layers_and_models_inside_models(tmp_path: Path) -> None:
    start = keras.Input((None, None, 2))
    shared = L.Conv2D(4, 3, padding="same", name="shared")
    inner = keras.Sequential(
        [
            keras.Input((None, None, 4)),
            L.Conv2D(4, 3, padding="same"),
            L.BatchNormalization(),
            keras.Sequential([keras.Input((None, None, 4)), L.Conv2D(4, 1), L.ReLU()]),
        ],
        name="inner",
    )
    a = shared(start)
    b = shared(L.Activation("tanh")(start))
    c = inner(a)
    joined = L.Concatenate()(
        [
            L.Add()([a, b]),
            L.Multiply()([a, c]),
            L.Subtract()([b, c]),
            L.Average()([a, b, c]),
            L.Maximum()([inner(b), a]),
            L.Minimum()([b, c]),
        ]
    )
    check(keras.Model(start, L.Conv2D(2, 1, activation="softmax")(L.Dropout(0.3)(joined))), tmp_path)


@pytest.mark.parametrize(
    "make",
    [
        lambda x: x / 127.5 - 1.0,
        lambda x: 1.0 - keras.ops.sigmoid(x),
        lambda x: x * np.float32([0.5, 2.0, 3.0]) + np.float32([0.1, 0.0, -1.0]),
        lambda x: -keras.ops.relu(x) / (keras.ops.exp(x) + 1.0),
        lambda x: keras.ops.maximum(x, 0.0) + keras.ops.minimum(x, keras.ops.tanh(x)),
        lambda x: keras.ops.concatenate([x, L.Conv2D(2, 1)(x)], axis=-1),
        lambda x: keras.ops.image.resize(x, (32, 48)),
        lambda x: keras.ops.gelu(x) + keras.ops.gelu(x, approximate=False),
        lambda x: keras.ops.leaky_relu(x, 0.1) + keras.ops.elu(x, 0.7) + keras.ops.silu(x),
        lambda x: keras.ops.softmax(x, axis=-1),
        lambda x: x * keras.ops.mean(x, axis=-1, keepdims=True) + keras.ops.max(x, axis=-1, keepdims=True),
        lambda x: x * keras.ops.mean(x, axis=(1, 2), keepdims=True),
    ],
    ids=lambda make: "",
)
def test_arithmetic_between_layers(make: Callable[[Any], Any], tmp_path: Path) -> None:
    """Its constants lie among the inputs: read as layers of the same name, these models gave wrong numbers unseen."""
    start = keras.Input((16, 24, 3))
    model = randomise(keras.Model(start, make(start)))
    x = np.random.default_rng(3).normal(size=(2, 16, 24, 3)).astype(np.float32)
    wanted = np.asarray(keras.ops.convert_to_numpy(model(x, training=False)))
    for name in ("m.keras", "m.h5"):
        np.testing.assert_allclose(ours(save(model, tmp_path / name), x), wanted, atol=LIMIT)


def attention_unet() -> Any:
    """Additive attention gates on the skip connections (Oktay et al. 2018), instance norms as groups of one channel."""
    start = keras.Input((32, 48, 1))
    x, skips = start, []
    for width in (4, 8):
        x = L.GroupNormalization(-1)(L.Conv2D(width, 3, padding="same")(x))
        skips.append(L.ReLU()(x))
        x = L.MaxPooling2D()(skips[-1])
    x = L.Conv2D(12, 3, padding="same", activation="swish")(x)
    for width in (8, 4):
        skip = skips.pop()
        gate = L.Activation("relu")(
            L.Add()([L.Conv2D(width, 2, strides=2, use_bias=False)(skip), L.Conv2D(width, 1)(x)])
        )
        gate = L.UpSampling2D(2, interpolation="bilinear")(L.Conv2D(1, 1, activation="sigmoid")(gate))
        x = L.Conv2DTranspose(width, 3, strides=2, padding="same")(x)
        x = L.LeakyReLU(0.1)(L.Conv2D(width, 3, padding="same")(L.Concatenate()([x, L.Multiply()([skip, gate])])))
    return keras.Model(start, L.Conv2D(2, 1, activation="softmax")(x))


def tutorial_unet() -> Any:
    """As TensorFlow's segmentation tutorial builds it: MobileNetV2 as a model of several outputs, upsampling models."""
    base = keras.applications.MobileNetV2(input_shape=(32, 64, 3), include_top=False, weights=None, alpha=0.35)
    taken = ("block_1_expand_relu", "block_3_expand_relu", "block_6_expand_relu", "block_13_expand_relu")
    outputs = [base.get_layer(name).output for name in (*taken, "block_16_project")]
    down = keras.Model(base.input, outputs, name="down")
    start = keras.Input((32, 64, 3))
    *skips, x = down(L.Rescaling(1 / 127.5, -1)(start))
    for width, skip in zip((16, 12, 8, 8), skips[::-1], strict=True):
        up = [L.Conv2DTranspose(width, 3, strides=2, padding="same", use_bias=False), L.BatchNormalization(), L.ReLU()]
        x = L.Concatenate()([keras.Sequential(up)(x), skip])
    return keras.Model(start, L.Conv2DTranspose(3, 3, strides=2, padding="same")(x))


@pytest.mark.parametrize("make", [attention_unet, tutorial_unet])
def test_networks_that_labs_draw(make: Callable[[], Any], tmp_path: Path) -> None:
    check(make(), tmp_path)


def test_a_sequential_model(tmp_path: Path) -> None:
    model = keras.Sequential(
        [
            L.Conv2D(4, 3, padding="same"),
            L.BatchNormalization(),
            L.MaxPooling2D(),
            L.UpSampling2D(interpolation="bilinear"),
            L.Conv2D(1, 1, activation="sigmoid"),
        ]
    )
    model.build((None, 16, 24, 1))
    check(model, tmp_path)


def test_channels_first(tmp_path: Path) -> None:
    start = keras.Input((2, 16, 24))
    x = L.Conv2D(4, 3, padding="same", data_format="channels_first", activation="relu")(start)
    x = L.BatchNormalization(axis=1)(x)
    x = L.MaxPooling2D(data_format="channels_first")(x)
    x = L.UpSampling2D(data_format="channels_first")(x)
    model = randomise(keras.Model(start, L.Concatenate(axis=1)([x, start])))
    x = np.random.default_rng(0).normal(size=(2, 2, 16, 24)).astype(np.float32)
    wanted = np.asarray(keras.ops.convert_to_numpy(model(x, training=False)))
    answer = ours(save(model, tmp_path / "m.keras"), x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    np.testing.assert_allclose(answer, wanted, atol=LIMIT)
    assert inspect_keras(tmp_path / "m.keras").in_channels == 2


def test_the_laboratory_network_is_read_exactly(tmp_path: Path) -> None:
    model = unet_b()
    assert model.count_params() == 7_765_281
    path = save(randomise(model), tmp_path / "brain.h5")
    report = inspect_keras(path)
    assert report.parameters == 7_762_401 and report.details["running_statistics"] == 2_880
    assert (report.in_channels, report.out_channels, report.fixed_size) == (1, 1, (320, 320))
    assert report.ends_in == "sigmoid" and report.multiple_of == 16
    x = np.random.default_rng(5).normal(size=(1, 64, 64, 1)).astype(np.float32)  # its layers take any size
    small = unet_b((64, 64))
    small.set_weights(model.get_weights())
    wanted = np.asarray(keras.ops.convert_to_numpy(small(x, training=False)))
    assert wanted.std() > 1e-3
    assert np.abs(ours(path, x) - wanted).max() <= LIMIT


def test_the_lung_network_in_mixed_precision_is_read(tmp_path: Path) -> None:
    path = save(randomise(unet_e()), tmp_path / "lung.keras")
    report = inspect_keras(path)
    assert (report.in_channels, report.fixed_size, report.parameters) == (3, (128, 128), 466_529)
    x = np.random.default_rng(5).normal(size=(1, 128, 128, 3)).astype(np.float32)
    wanted = np.asarray(keras.ops.convert_to_numpy(keras.saving.load_model(path)(x, training=False)))
    assert np.abs(ours(path, x) - wanted).max() <= LIMIT
    mixed = save(randomise(unet_e("mixed_float16")), tmp_path / "mixed.keras")
    assert any("mixed precision" in warning for warning in inspect_keras(mixed).warnings)


def test_hard_sigmoid_is_that_of_the_version_that_wrote_the_file(tmp_path: Path) -> None:
    model = functional(L.Activation("hard_sigmoid"))
    x = np.linspace(-4, 4, 3 * 32, dtype=np.float32).reshape(1, 4, 8, 3)
    np.testing.assert_allclose(ours(save(model, tmp_path / "m.keras"), x), np.clip(x / 6 + 0.5, 0, 1), atol=1e-6)
    np.testing.assert_allclose(
        ours(h5_as_keras_2(model, tmp_path / "two.h5"), x), np.clip(0.2 * x + 0.5, 0, 1), atol=1e-6
    )


@pytest.mark.parametrize(
    ("kernel", "stride", "size", "padding"),
    [
        (3, 2, 7, "same"),
        (2, 3, 5, "same"),
        (5, 2, 6, "same"),
        (5, 3, 4, "valid"),
        (1, 2, 5, "same"),
        (2, 3, 4, "valid"),
    ],
)
def test_transposed_convolution_is_the_gradient_of_the_padded_convolution(kernel, stride, size, padding) -> None:
    """TensorFlow's definition, checked by a scatter in numpy: each input pixel adds the kernel at stride · position."""
    rng = np.random.default_rng(kernel)
    x, weights = rng.normal(size=(size, size)), rng.normal(size=(kernel, kernel))
    length = size * stride + (max(kernel - stride, 0) if padding == "valid" else 0)
    before = max(kernel - stride, 0) // 2 if padding == "same" else 0
    wanted = np.full((length, length), 0.25)
    for i in range(size):
        for j in range(size):
            for a in range(kernel):
                for b in range(kernel):
                    row, column = i * stride + a - before, j * stride + b - before
                    if 0 <= row < length and 0 <= column < length:
                        wanted[row, column] += x[i, j] * weights[a, b]
    op = {
        "op": "conv2d_transpose",
        "kernel": [kernel] * 2,
        "strides": [stride] * 2,
        "dilation": [1, 1],
        "padding": padding,
        "shapes": {"weight": [1, 1, kernel, kernel], "bias": [1]},
    }
    network = KerasNetwork({"inputs": ["x"], "layers": {"t": op}, "calls": [["y", "t", ["x"]]], "output": "y"})
    layer = next(iter(network.layers.values()))
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weights))
        layer.bias.fill_(0.25)
        np.testing.assert_allclose(network(torch.from_numpy(x).float()[None, None])[0, 0].numpy(), wanted, atol=1e-5)
