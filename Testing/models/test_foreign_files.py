"""What people give that is no model here: the line names what it is and the way out, and nothing waits for ever."""

from __future__ import annotations

import gzip
import io
import os
import pickle
import sys
import tarfile
import types
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from medseg.errors import InputError, UnsafeModelError
from medseg.models import inspect_model, open_model


def line_of(path: Path, kind: type[InputError] = InputError) -> str:
    """The line that both doors give."""
    with pytest.raises(kind) as opened:
        open_model(path, device="cpu")
    with pytest.raises(kind) as inspected:
        inspect_model(path)
    line = opened.value.line()
    assert line == inspected.value.line() and line.startswith(str(path)) and "\n" not in line
    return line


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a21\nsize 12345\n"
IR = b'<?xml version="1.0"?>\n<net name="torch" version="11"><layers></layers></net>'
CASES = {
    "TensorFlow Lite": ("m.tflite", b"\x1c\x00\x00\x00TFL3" + b"\0" * 99, "tf2onnx.convert --tflite"),
    "OpenVINO": ("ir.xml", IR, "give the ONNX file"),
    "TensorFlow 1": ("frozen.pb", b"\n\x1d\n\x05input\x12\x0bPlaceholder*\x07\n\x05dtype", "--graphdef"),
    "SavedModel": ("saved_model.pb", b"\x08\x01\x12\x10" + b"\x0a\x08abcdefgh" * 3, "--saved-model"),
    "Core ML": ("net.mlmodel", b"\x08\x04\x12\x08\n\x06input0", "ONNX"),
    "git-lfs": ("model.onnx", LFS, "git lfs pull"),
    "git-annex": ("model.pth", b"/annex/objects/MD5E-s123--abc.pth\n", "git annex get"),
    "web page": ("model.pt", "\n <html lang='de'><title>Anmelden – Größe</title>".encode(), "download"),
    "text": ("model.pth", '{"message": "Not Found – ☠"}'.encode(), "download"),
    "Python code": ("unet.py", b"import torch\nclass UNet(torch.nn.Module): pass\n", "weights"),
    "layout of a Keras model": ("a.json", b'{"class_name": "Functional", "config": {}}', "model.save"),
    "gzip": ("w.pth.gz", gzip.compress(b"x" * 600), "unpack"),
    "zstandard": ("w.pth", b"\x28\xb5\x2f\xfd" + b"\0" * 90, "unpack"),
    "TensorRT": ("m.engine", b"ftrt" + b"\0" * 90, "ONNX"),
    "MATLAB": ("net.mat", b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\1IM" + b"\0" * 90, "exportONNXNetwork"),
    "NIfTI": ("v.onnx", b"\x5c\x01\0\0" + b"\0" * 340 + b"n+1\0" + b"\0" * 90, "give a model file"),
    "NumPy": ("w.npy", b"\x93NUMPY\x01\0" + b"\0" * 90, "safetensors"),
}


@pytest.mark.parametrize("word", CASES)
def test_what_it_is_and_the_way_out(word: str, tmp_path: Path) -> None:
    name, content, mend = CASES[word]
    (tmp_path / name).write_bytes(content)
    what, _, way = line_of(tmp_path / name).partition("; ")
    assert word in what and mend in way


def test_text_that_is_cut_within_a_letter_is_text(tmp_path: Path) -> None:
    for shift in range(3):
        (tmp_path / "page").write_bytes(b"x" * shift + "€".encode() * 400)
        assert "it is text" in line_of(tmp_path / "page")


def test_archives_that_only_wrap_a_model(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "m.tar", "w") as archive:
        archive.addfile(tarfile.TarInfo("best.pth"), io.BytesIO())
    assert "tar archive" in line_of(tmp_path / "m.tar")
    with tarfile.open(tmp_path / "old.pth", "w") as archive:
        archive.addfile(tarfile.TarInfo("sys_info"), io.BytesIO())
    assert "PyTorch 0.1" in line_of(tmp_path / "old.pth")
    with zipfile.ZipFile(tmp_path / "m.zip", "w") as archive_:
        archive_.writestr("run/best.pth", b"x")
    assert "run/best.pth" in line_of(tmp_path / "m.zip")
    np.savez(tmp_path / "w.npz", w=np.zeros(3))
    assert "NumPy arrays" in line_of(tmp_path / "w.npz")


@pytest.mark.parametrize(
    ("files", "what", "mend"),
    [
        ((), "the folder is empty", "again"),
        (("saved_model.pb", "variables/variables.index"), "SavedModel", "--saved-model"),
        (("checkpoint", "m.ckpt-1.index", "m.ckpt-1.data-00000-of-00001"), "checkpoint of TensorFlow", "model.save"),
        (("ir.xml", "ir.bin"), "OpenVINO", "ONNX"),
        (("config.json", "pytorch_model.bin"), "Hugging Face", "pytorch_model.bin"),
        (("train.log", "best.pth"), "no model package", "best.pth"),
        (("train.log",), "no model package", "model file inside"),
    ],
)
def test_folders_that_are_no_package(files: tuple[str, ...], what: str, mend: str, tmp_path: Path) -> None:
    folder = tmp_path / "model.onnx"
    folder.mkdir()
    for name in files:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"x")
    found, _, way = line_of(folder).partition("; ")
    assert what in found and mend in way


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes with a name are POSIX")
@pytest.mark.timeout(60)
def test_a_pipe_a_device_and_a_circle_of_links_are_answered_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.onnx")
    (tmp_path / "zero.onnx").symlink_to("/dev/zero")
    (tmp_path / "a.onnx").symlink_to(tmp_path / "b.onnx")
    (tmp_path / "b.onnx").symlink_to(tmp_path / "a.onnx")
    for name, word in {"pipe": "ordinary file", "zero": "ordinary file", "a": "cannot be read"}.items():
        assert word in line_of(tmp_path / f"{name}.onnx")
    (tmp_path / "package").mkdir()
    os.mkfifo(tmp_path / "package" / "rdf.yaml")
    assert "ordinary file" in line_of(tmp_path / "package")


@pytest.mark.parametrize("old", [False, True])
def test_a_pickled_network_of_the_authors_own_class_is_called_one(old: bool, tmp_path: Path, monkeypatch) -> None:
    module = types.ModuleType("unet_parts")
    kind = type("UNet", (torch.nn.Sequential,), {"__module__": "unet_parts"})
    module.UNet = kind  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "unet_parts", module)
    for number, content in enumerate((kind(), {"model": kind(), "epoch": 3})):
        torch.save(content, tmp_path / f"{number}.pt", _use_new_zipfile_serialization=not old)
        line = line_of(tmp_path / f"{number}.pt", UnsafeModelError)
        assert "whole pickled network (unet_parts.UNet)" in line and "state_dict()" in line
    (tmp_path / "plain.pkl").write_bytes(pickle.dumps({"w": 1}, protocol=4))
    assert "this is a pickle" in line_of(tmp_path / "plain.pkl", UnsafeModelError)
