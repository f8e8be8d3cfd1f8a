"""What a file is, is told by its content: every valid model under every suffix of another format, and under none."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from medseg.models import inspect_model, open_model
from medseg.models.detect import detect_format

HOSTILE = Path(__file__).resolve().parents[1] / "hostile"
SUFFIXES = (
    "", ".onnx", ".pt", ".pth", ".ts", ".pt2", ".ckpt", ".bin", ".safetensors", ".h5", ".hdf5", ".keras", ".zip",
    ".yaml", ".json", ".nii.gz",
)  # fmt: skip
FORMATS = {
    "onnx": "onnx",
    "torchscript": "torchscript",
    "pt2": "pt2",
    "safetensors": "safetensors",
    "state_dict": "state_dict",
    "state_dict_old": "state_dict",
    "keras": "keras",
    "hdf5": "keras",
    "bioimageio": "bioimageio",
    "bundle": "monai_bundle",
    "keras_h5": "keras",
    "keras_keras": "keras",
}


@pytest.fixture(scope="module")
def models() -> dict[str, bytes]:
    pytest.importorskip("h5py")
    sys.path.insert(0, str(HOSTILE))
    try:
        from corpus import valid_models
    finally:
        sys.path.remove(str(HOSTILE))
    return valid_models()


def test_no_suffix_changes_what_a_file_is(models: dict[str, bytes], tmp_path: Path) -> None:
    assert models.keys() == FORMATS.keys()
    for kind, content in models.items():
        for number, suffix in enumerate(SUFFIXES):
            path = tmp_path / f"{kind}-{number}{suffix}"
            path.write_bytes(content)
            assert detect_format(path) == FORMATS[kind], (kind, suffix)
            path.unlink()


@pytest.mark.parametrize(
    ("kind", "suffix"),
    [
        ("onnx", ".keras"),
        ("torchscript", ".onnx"),
        ("pt2", ".h5"),
        ("safetensors", ".pt"),
        ("state_dict", ".safetensors"),
        ("state_dict_old", ".zip"),
        ("bioimageio", ".onnx"),
        ("bundle", ".pt2"),
        ("keras_h5", ".pth"),
        ("keras_keras", ""),
    ],
)
def test_it_is_looked_into_and_opened_all_the_same(
    models: dict[str, bytes], tmp_path: Path, kind: str, suffix: str
) -> None:
    path = tmp_path / f"model{suffix}"
    path.write_bytes(models[kind])
    report = inspect_model(path)
    assert report.format == FORMATS[kind] and report.unsafe == ()
    if kind in ("safetensors", "state_dict", "state_dict_old"):  # two layers that nobody recognises
        return
    open_model(path, device="cpu").close()
