"""Files that TensorFlow's own Keras 2.15 wrote, against the answers it gave (see make_keras2_fixtures.py)."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import pytest
from medseg.errors import InputError
from medseg.models import inspect_model, open_model
from medseg.models.keras_file import keras_network

pytest.importorskip("h5py", reason="h5py is not installed")
FIXTURES = Path(__file__).with_name("fixtures")


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
@pytest.mark.parametrize("name", ["unet", "odd", "sequential"])
def test_keras_2_gives_the_same_numbers(name: str, suffix: str) -> None:
    answers = np.load(FIXTURES / "answers.npz")
    path = FIXTURES / f"{name}{suffix}"
    report = inspect_model(path)
    assert report.format == "keras" and report.version == "2.15.0"
    assert report.ends_in == ("softmax" if name == "odd" else "sigmoid")
    x, wanted = answers[f"{name}_input"], answers[f"{name}_output"]
    with open_model(path, device="cpu") as model:
        answer = model.run(x.transpose(0, 3, 1, 2)).transpose(0, 2, 3, 1)
    assert wanted.std() > 1e-3
    assert np.abs(answer - wanted).max() <= 1e-5


def test_flipped_bytes_are_read_or_get_a_line(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    for name in ("odd.h5", "odd.keras"):
        content = np.frombuffer((FIXTURES / name).read_bytes(), np.uint8)
        for _ in range(60):
            changed = content.copy()
            changed[rng.integers(0, 20_000, 8)] = rng.integers(0, 256, 8)
            path = tmp_path / name
            path.write_bytes(changed.tobytes())
            with contextlib.suppress(InputError):
                if not inspect_model(path).unsafe:
                    keras_network(path)


def test_the_fixtures_are_small() -> None:
    assert max(path.stat().st_size for path in FIXTURES.iterdir()) <= 200_000


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_functions_of_tensorflow_are_read_with_their_constants(suffix: str) -> None:
    """Written by tf_keras 2.21: `x / 127.5 - 1`, `tf.concat`, `tf.reduce_max`, `tf.image.resize` and others."""
    answers = np.load(FIXTURES / "functionsanswers.npz")
    x, wanted = answers["functions_input"], answers["functions_output"]
    with open_model(FIXTURES / f"functions{suffix}", device="cpu") as model:
        # Its output is twice its input's size, which is no segmentation of it: the network is asked beneath the door.
        answer = model.backend.run(x.transpose(0, 3, 1, 2)).transpose(0, 2, 3, 1)
    assert wanted.std() > 1e-3 and answer.shape == wanted.shape == (2, 32, 48, 3)
    assert np.abs(answer - wanted).max() <= 1e-5
