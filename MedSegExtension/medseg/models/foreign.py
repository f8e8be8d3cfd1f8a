"""What a file or folder is that holds no model we open, and the way out of it: only for the line of a refusal.

Told by content; a name counts only where the content of that kind says nothing (``.pb``, parts of pairs).
"""

from __future__ import annotations

import codecs
import os
from itertools import islice
from pathlib import Path

#: What is wrong, and how to mend it.
Told = tuple[str, str]

ENDINGS = (".onnx", ".pt", ".pth", ".ckpt", ".pt2", ".ts", ".safetensors", ".h5", ".hdf5", ".keras", ".bin")
_AGAIN = "download the file itself again"
_LFS: Told = (
    "this is a pointer of git-lfs to the model, not the model",
    f"run git lfs pull where it was cloned, or {_AGAIN}",
)
_TF2ONNX = "python -m tf2onnx.convert"
_IR: Told = (
    "this is OpenVINO's own format (.xml with .bin), which does not open here",
    "give the ONNX file, or the PyTorch or Keras file, that it was converted from; OpenVINO runs it here too",
)
_SAVED_MODEL: Told = (
    "this is a TensorFlow SavedModel, whose graph only TensorFlow reads",
    f"where TensorFlow is, save it as one file (model.save('model.keras')), or convert it: {_TF2ONNX} "
    "--saved-model FOLDER --output model.onnx",
)
_UNPACK = "unpack it, and give the model file inside"

#: First bytes, for the kinds that have such.
_MAGIC: tuple[tuple[int, bytes, Told], ...] = (
    (0, b"\x1f\x8b", ("it is compressed with gzip", _UNPACK)),
    (0, b"BZh", ("it is compressed with bzip2", _UNPACK)),
    (0, b"\xfd7zXZ\x00", ("it is compressed with xz", _UNPACK)),
    (0, b"\x28\xb5\x2f\xfd", ("it is compressed with zstandard", _UNPACK)),
    (0, b"7z\xbc\xaf\x27\x1c", ("it is a 7z archive", _UNPACK)),
    (0, b"Rar!\x1a\x07", ("it is a RAR archive", _UNPACK)),
    (
        4,
        b"TFL3",
        (
            "this is a TensorFlow Lite model",
            f"give the Keras file that it was made from, or convert it: {_TF2ONNX} --tflite FILE --output model.onnx",
        ),
    ),
    (0, b"GGUF", ("this is a language model (GGUF)", "give a 2D segmentation network")),
    (0, b"ftrt", ("this is a TensorRT engine, made for one GPU", "give the ONNX file that it was built from")),
    (0, b"\x93NUMPY", ("this is a NumPy array", "save the whole network, or its weights by name with safetensors")),
    (0, b"MATLAB 5.0", ("this is a MATLAB file", "export the network in MATLAB with exportONNXNetwork")),
    (0, b"\x89PNG\r\n", ("this is a picture (PNG)", "give a model file")),
    (0, b"\xff\xd8\xff", ("this is a picture (JPEG)", "give a model file")),
    (128, b"DICM", ("this is a DICOM image", "give a model file")),
    (344, b"n+1\x00", ("this is an image (NIfTI)", "give a model file")),
    (0, b"NRRD000", ("this is an image (NRRD)", "give a model file")),
    (0, b"version https://git-lfs", _LFS),
    (
        0,
        b"/annex/objects/",
        ("this is a pointer of git-annex to the model, not the model", "run git annex get where it was cloned"),
    ),
)  # fmt: skip


def foreign_file(path: Path, head: bytes) -> Told | None:
    """What the file at ``path``, whose first bytes are ``head`` (512 of them), is; None where that is not known."""
    for place, magic, told in _MAGIC:
        if head[place : place + len(magic)] == magic:
            return told
    if path.suffix.lower() == ".mlmodel":  # a message of the same encoding as ONNX
        return "this is a Core ML file", "export the network to ONNX where it was made"
    if head[257:262] == b"ustar":
        if head[:9] in (b"sys_info\0", b"storages\0", b"tensors\0\0", b"pickle\0\0\0"):
            return "this file was written by PyTorch 0.1", "load and save it once with a newer PyTorch"
        return "it is a tar archive", _UNPACK
    return _text(path, head)


def foreign_name(path: Path) -> Told | None:
    """What a file is by its name, where its content told nothing."""
    suffix = path.suffix.lower()
    if suffix == ".bin" and path.with_suffix(".xml").is_file():
        return _IR
    if suffix == ".pb":
        if path.name == "saved_model.pb":
            return _SAVED_MODEL
        return (
            "this is a graph of TensorFlow 1",
            f"convert it: {_TF2ONNX} --graphdef FILE --inputs NAME:0 --outputs NAME:0 --output model.onnx",
        )
    if suffix in (".caffemodel", ".pdmodel", ".pdparams"):
        kind = "Caffe" if suffix == ".caffemodel" else "PaddlePaddle"
        return f"this is a {kind} file", "export the network to ONNX where it was made"
    return None


def _text(path: Path, head: bytes) -> Told | None:
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:300].lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return "it is a web page: a download that failed, or one that asks for a login", _AGAIN
    if start.startswith(b"<") and b"<net " in start:
        return _IR
    if start.startswith(b"{") and b'"class_name"' in start:
        return "this is the layout of a Keras model without its weights", "save both: model.save('model.keras')"
    try:
        # Incremental: a letter that is cut in two at the end of the head is no error.
        text = codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return None
    if not text.strip() or any(letter < " " and letter not in "\t\r\n\f\x1b" for letter in text):
        return None
    if path.suffix.lower() == ".py":
        return "this is Python code: a network's definition without its weights", "give the weights (.pt, .pth)"
    return "it is text; a failed download often looks like this", _AGAIN


def foreign_zip(names: list[str]) -> Told | None:
    """What an archive with these entries is, where it holds something of use."""
    if names and all(name.endswith(".npy") for name in names):
        return "this is an archive of NumPy arrays", "save the whole network, or its weights by name with safetensors"
    inside = [name for name in names if name.lower().endswith(ENDINGS)]
    if inside:
        return f"this archive only wraps {_listed(inside)}", _UNPACK
    return None


def foreign_folder(path: Path) -> Told | None:
    """What a folder is that holds no package of a known kind. Raises OSError where it cannot be read."""
    with os.scandir(path) as entries:
        names = sorted(entry.name for entry in islice(entries, 10_000))
    if not names:
        return "the folder is empty", "copy or download the model again"
    if "saved_model.pb" in names:
        return _SAVED_MODEL
    if any(".data-00000-of-" in name for name in names):
        return (
            "this is a checkpoint of TensorFlow: weights without their network",
            "load it in the code that made it, and save the whole: model.save('model.keras')",
        )
    inside = [name for name in names if name.lower().endswith(ENDINGS)]
    stems = {name[:-4] for name in names if name.endswith(".xml")}
    if any(name.endswith(".bin") and name[:-4] in stems for name in names):
        return _IR
    if inside:
        what = "is a folder, and no model package of a known kind"
        if "config.json" in names:
            what = "is a folder as Hugging Face's libraries save it: its configuration is not read"
        return what, f"give the model file inside it: {_listed(inside)}"
    return None


def _listed(names: list[str]) -> str:
    shown = [name[-80:] for name in names[:3]]
    return " or ".join(shown) + (f" or {len(names) - 3} more" if len(names) > 3 else "")
