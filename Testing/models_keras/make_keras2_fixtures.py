"""Makes the files in `fixtures`: Keras 2 models as TensorFlow's own Keras writes them, with its answers.

Run once, in an environment of its own (Python 3.11):

    python -m venv keras2 && keras2/bin/pip install tensorflow-cpu==2.15.1 "numpy<2"
    keras2/bin/python Testing/models_keras/make_keras2_fixtures.py Testing/models_keras/fixtures

and, for the model of TensorFlow's functions alone, later (tensorflow-cpu 2.21.0, tf_keras 2.21.0):

    TF_USE_LEGACY_KERAS=1 keras2/bin/python Testing/models_keras/make_keras2_fixtures.py FOLDER functions
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

layers = tf.keras.layers


def unet() -> Any:
    """What labs draw: the layers of system B, small, on a size that is fixed."""
    x = start = tf.keras.Input((32, 48, 1))
    skips = []
    for width in (4, 8):
        x = layers.Conv2D(width, 3, activation="relu", padding="same")(x)
        x = layers.BatchNormalization()(x)
        skips.append(x)
        x = layers.Dropout(0.2)(layers.MaxPooling2D()(x))
    x = layers.Conv2D(12, 3, activation="relu", padding="same")(x)
    for width, kernel in ((8, 3), (4, 2)):
        x = layers.Conv2DTranspose(width, kernel, strides=2, padding="same")(x)
        x = layers.Activation("relu")(layers.concatenate([layers.BatchNormalization()(x), skips.pop()]))
        x = layers.Conv2D(width, 3, padding="same")(x)
    return tf.keras.Model(start, layers.Conv2D(1, 1, activation="sigmoid")(x))


def odd() -> Any:
    """What goes wrong: strides and pools on odd sizes, even kernels, bilinear upsampling, shared and nested models."""
    start = tf.keras.Input((17, 23, 3))
    x = layers.Conv2D(4, 3, strides=2, padding="same")(start)
    x = layers.LeakyReLU(0.2)(x)
    shared = layers.Conv2D(4, 2, padding="same", name="shared")
    x = layers.Add()([shared(x), shared(layers.Activation("tanh")(x))])
    inner = tf.keras.Sequential(
        [
            tf.keras.Input((9, 12, 4)),
            layers.SeparableConv2D(6, 3, padding="same"),
            layers.BatchNormalization(scale=False),
            layers.PReLU(shared_axes=[1, 2]),
            layers.DepthwiseConv2D(3, padding="same"),
            tf.keras.Sequential([layers.Conv2D(4, 1, activation="hard_sigmoid")]),
        ],
        name="inner",
    )
    y = layers.MaxPooling2D(3, strides=2, padding="same")(inner(x))
    z = layers.AveragePooling2D(3, strides=2, padding="same")(x)
    y = layers.Concatenate()([y, z])
    y = layers.UpSampling2D(2, interpolation="bilinear")(y)
    y = layers.Cropping2D(((1, 0), (0, 0)))(y)
    y = layers.Conv2DTranspose(4, 4, strides=2, padding="same")(y)
    y = layers.Cropping2D(((0, 1), (1, 0)))(y)
    gate = layers.Reshape((1, 1, 3))(layers.Dense(3, activation="sigmoid")(layers.GlobalAveragePooling2D()(start)))
    y = layers.Concatenate()([y, layers.Multiply()([start, gate])])
    return tf.keras.Model(start, layers.Softmax()(layers.Conv2D(3, 1)(y)))


def sequential() -> Any:
    """A model without an input layer, free in its size."""
    model = tf.keras.Sequential(
        [
            layers.Conv2D(4, 3, padding="same", activation="elu", input_shape=(None, None, 1)),
            layers.MaxPooling2D(),
            layers.Conv2D(4, 3, dilation_rate=2, padding="same", activation="swish"),
            layers.UpSampling2D(),
            layers.ZeroPadding2D(1),
            layers.Conv2D(1, 3, activation="sigmoid"),
        ]
    )
    return model


def functions() -> Any:
    """Arithmetic between layers, which Keras 2 keeps as calls of TensorFlow's functions with their constants."""
    start = tf.keras.Input((16, 24, 3))
    x = 1.0 - tf.nn.relu(start / 127.5 - 1.0)
    y = layers.Conv2D(3, 3, padding="same")(x)
    z = tf.concat([x, y], axis=-1) * 2.0
    gate = tf.math.sigmoid(tf.reduce_mean(z, axis=-1, keepdims=True) + tf.reduce_max(z, axis=-1, keepdims=True))
    y = tf.nn.leaky_relu(tf.nn.swish(y * gate + x), alpha=0.1) - tf.nn.relu6(x)
    y = tf.image.resize(y, (32, 48))
    y = layers.Conv2D(3, 1)(tf.math.maximum(y, tf.math.tanh(y)))
    return tf.keras.Model(start, tf.nn.softmax(y))


MODELS = (
    ("unet", unet, (2, 32, 48, 1)),
    ("odd", odd, (2, 17, 23, 3)),
    ("sequential", sequential, (1, 20, 28, 1)),
    ("functions", functions, (2, 16, 24, 3)),
)


def main(folder: Path, only: str | None = None) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    answers = {}
    for name, make, shape in MODELS:
        if only not in (None, name):
            continue
        tf.keras.utils.set_random_seed(7)
        model, rng = make(), np.random.default_rng(11)
        model.set_weights(
            [
                rng.uniform(0.5, 1.5, weight.shape)
                if "variance" in variable.name or "gamma" in variable.name
                else rng.normal(0, 0.3, weight.shape)
                for variable, weight in zip(model.weights, model.get_weights(), strict=True)
            ]
        )
        x = rng.normal(size=shape).astype(np.float32)
        answers |= {f"{name}_input": x, f"{name}_output": model(x, training=False).numpy()}
        model.save(folder / f"{name}.h5", include_optimizer=False)
        model.save(folder / f"{name}.keras")
    np.savez_compressed(folder / f"{only or ''}answers.npz", **answers)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:3])
