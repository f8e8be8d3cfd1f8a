"""What format a model file has, told by its content and never by its name."""

from __future__ import annotations

import stat
import zipfile
from pathlib import Path
from typing import Literal

from ..errors import InputError, UnsafeModelError
from .bioimageio_package import description_of
from .checkpoint_pickle import is_legacy
from .foreign import foreign_file, foreign_folder, foreign_name, foreign_zip
from .monai_bundle import is_bundle
from .nnunet_folder import is_nnunet
from .package import Package
from .protobuf import looks_like_onnx
from .pt2_file import is_pt2

Format = Literal[
    "onnx", "torchscript", "safetensors", "state_dict", "keras", "pt2", "bioimageio", "monai_bundle", "nnunet"
]

_SUPPORTED = "TorchScript, ONNX, PyTorch weights or exported program, Keras, bioimage.io, MONAI, nnU-Net"
_RESAVE = (
    "in the code that made it, load the weights and export with torch.onnx.export(..., external_data=False), "
    "or write the state dict with safetensors.torch.save_file and a card that names the architecture"
)


def detect_format(path: str | Path) -> Format:
    """The format of ``path``.

    Raises
    ------
    InputError : no such file, empty, cut short, or nothing this package can open; the mend says what to do instead.
    UnsafeModelError : a pickle (state dict or whole module), which would run code to be read.
    """
    path = Path(path)
    if path.is_dir():
        return _detect_folder(path)
    size = _size(path)
    with path.open("rb") as stream:
        head = stream.read(512)
    if head.startswith(b"PK\x03\x04"):
        return _detect_zip(path)
    # JSON header after its length: no other format has a brace at byte 8.
    if len(head) > 8 and head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= 1 << 32:
        return "safetensors"
    if is_legacy(head):
        return "state_dict"
    if head.startswith(b"\x80") and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        raise UnsafeModelError("this is a pickle, which can run any code when it is read", file=path, mend=_RESAVE)
    if head.startswith(b"\x89HDF\r\n\x1a\n"):
        return "keras"
    told = foreign_file(path, head)
    if told is None and looks_like_onnx(path, size):
        return "onnx"
    if path.suffix.lower() in (".yaml", ".yml"):  # a description beside its weights; its reader checks the rest
        return "bioimageio"
    told = told or foreign_name(path)
    if told is None:
        told = "its content is of no known kind, or it is damaged", f"give one of: {_SUPPORTED}"
    what = told[0] if told[0].startswith("this") else f"this is no model file ({told[0]})"
    raise InputError(what, file=path, mend=told[1])


def _size(path: Path) -> int:
    try:
        found = path.stat()
        # Asked before it is opened: a pipe without a writer would keep whoever opens it waiting for ever.
        if not stat.S_ISREG(found.st_mode):
            raise InputError("is not an ordinary file", file=path, mend="give a model file")
        size = found.st_size
        with path.open("rb"):
            pass
    except FileNotFoundError:
        raise InputError("there is no such file", file=path, mend="check the path") from None
    except OSError as error:
        raise InputError(
            f"the file cannot be read ({error.strerror})", file=path, mend="check the path and the permissions"
        ) from None
    if size == 0:
        raise InputError("the file is empty", file=path, mend="copy or download it again")
    return size


def _detect_folder(path: Path) -> Format:
    """What package a folder is. Raises InputError where it is none."""
    try:
        found = package_format(Package(path))
        told = foreign_folder(path) if found is None else None
    except OSError as error:
        raise InputError(
            f"the folder cannot be read ({error.strerror})", file=path, mend="check the path and the permissions"
        ) from None
    if found is None:
        what, mend = told or ("is a folder, and no model package of a known kind", "give the model file inside it")
        raise InputError(what, file=path, mend=mend)
    return found


def package_format(package: Package) -> Format | None:
    """The kind of a package, by the names at its root."""
    if description_of(package) is not None:
        return "bioimageio"
    if is_bundle(package):
        return "monai_bundle"
    if is_nnunet(package):
        return "nnunet"
    return None


def _detect_zip(path: Path) -> Format:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, EOFError) as error:
        raise InputError(
            f"the archive is damaged or cut short ({error})", file=path, mend="copy or download it again"
        ) from None
    leaves = {name.partition("/")[2] for name in names}
    if "constants.pkl" in leaves and any(leaf.startswith("code/") for leaf in leaves):
        return "torchscript"
    if "model.json" in leaves and any(leaf.startswith("code/") for leaf in leaves):
        raise InputError(
            "this TorchScript file was written by PyTorch 1.3 or older",
            file=path,
            mend="load and save it once with a newer PyTorch",
        )
    if is_pt2(names):
        return "pt2"
    if "data.pkl" in leaves:
        return "state_dict"
    if "config.json" in names and any(name.endswith(".weights.h5") for name in names):
        return "keras"
    found = package_format(Package(path))
    if found is not None:
        return found
    what, mend = foreign_zip(names) or ("this archive holds no model of a known format", f"give one of: {_SUPPORTED}")
    raise InputError(what, file=path, mend=mend)
