"""What format a model file has, told by its content and never by its name."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Literal

from ..errors import InputError, UnsafeModelError
from .protobuf import looks_like_onnx

Format = Literal["onnx", "torchscript", "safetensors"]

_SUPPORTED = "TorchScript, ONNX, or a safetensors checkpoint of this package"
_RESAVE = ("in the code that made it, load the weights and export with torch.onnx.export(..., external_data=False), "
           "or write the state dict with safetensors.torch.save_file and a card that names the architecture")


def detect_format(path: str | Path) -> Format:
    """The format of ``path``.

    Raises
    ------
    InputError : no such file, empty, cut short, or nothing this package can open; the mend says what to do instead.
    UnsafeModelError : a pickle (state dict or whole module), which would run code to be read.
    """
    path = Path(path)
    size = _size(path)
    with path.open("rb") as stream:
        head = stream.read(512)
    if head.startswith(b"PK\x03\x04"):
        return _detect_zip(path)
    # JSON header after its length: no other format has a brace at byte 8.
    if len(head) > 8 and head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= 1 << 32:
        return "safetensors"
    if head.startswith(b"\x80") and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        raise UnsafeModelError("this is a pickle, which can run any code when it is read", file=path, mend=_RESAVE)
    if head.startswith(b"\x89HDF\r\n\x1a\n"):
        raise InputError("this is an HDF5 file, probably of Keras, which cannot be opened yet", file=path,
                         mend="convert it to ONNX with tf2onnx or model.export(..., format='onnx')")
    if looks_like_onnx(path, size):
        return "onnx"
    raise InputError(f"this is no model file ({_guess(head)})", file=path, mend=f"give one of: {_SUPPORTED}")


def _size(path: Path) -> int:
    try:
        if path.is_dir():
            raise InputError("is a folder, a model file is needed", file=path, mend="give the file inside it")
        size = path.stat().st_size
        with path.open("rb"):
            pass
    except FileNotFoundError:
        raise InputError("there is no such file", file=path, mend="check the path") from None
    except OSError as error:
        raise InputError(f"the file cannot be read ({error.strerror})", file=path,
                         mend="check the path and the permissions") from None
    if not path.is_file():
        raise InputError("is not an ordinary file", file=path, mend="give a model file")
    if size == 0:
        raise InputError("the file is empty", file=path, mend="copy or download it again")
    return size


def _detect_zip(path: Path) -> Format:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, EOFError) as error:
        raise InputError(f"the archive is damaged or cut short ({error})", file=path,
                         mend="copy or download it again") from None
    leaves = {name.partition("/")[2] for name in names}
    if "constants.pkl" in leaves and any(leaf.startswith("code/") for leaf in leaves):
        return "torchscript"
    if "model.json" in leaves and any(leaf.startswith("code/") for leaf in leaves):
        raise InputError("this TorchScript file was written by PyTorch 1.3 or older", file=path,
                         mend="load and save it once with a newer PyTorch")
    if any(leaf.startswith("models/") and leaf.endswith(".json") for leaf in leaves) or "archive_format" in leaves:
        raise InputError("this is an exported program (.pt2), which cannot be opened yet", file=path,
                         mend="export the model to ONNX")
    if "data.pkl" in leaves:
        raise UnsafeModelError("this is a pickled PyTorch file (state dict or whole module), which can run code when "
                               "it is read", file=path, mend=_RESAVE)
    if "config.json" in names and any(name.endswith(".weights.h5") for name in names):
        raise InputError("this is a .keras file, which cannot be opened yet", file=path, mend="convert it to ONNX")
    raise InputError("this archive holds no model of a known format", file=path, mend=f"give one of: {_SUPPORTED}")


def _guess(head: bytes) -> str:
    if head.lstrip()[:1] in (b"<", b"{") or all(32 <= byte < 127 or byte in b"\t\r\n" for byte in head[:256]):
        return "it is text; a failed download often looks like this"
    if head.startswith(b"\x1f\x8b"):
        return "it is compressed with gzip, unpack it first"
    return "its content is of no known kind, or it is damaged"
