"""Writing a card into a model: ONNX and safetensors metadata, PyTorch extra files, a bundle's ``metadata.json``."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from ..card import ModelCard
from ..errors import InputError
from .detect import detect_format
from .onnx_file import mapped
from .protobuf import BYTES, WireError, encode_bytes, encode_varint, fields
from .report import CARD_KEY
from .safetensors_file import read_header
from .yaml_text import read_json


def embed_card(path: str | Path, card: ModelCard | Mapping[str, Any], out: str | Path | None = None) -> Path:
    """Write ``card`` into the model file at ``path``, or into a copy at ``out``; weights and graph stay as they are.

    The file under its final name is complete at every moment. A card that is already inside is replaced. External data
    of an ONNX file is not copied: keep ``out`` in the same folder.

    The folder of a MONAI bundle takes the card too (in place only). Returns the path written. Raises InputError.
    """
    from ..io.atomic import atomic_path  # brings SimpleITK, which opening a model does not need

    path = Path(path)
    target = path if out is None else Path(out)
    if not isinstance(card, ModelCard):
        card = ModelCard.from_dict(card, "the card given")
    text = card.to_json()
    # An exported program is an archive of PyTorch as TorchScript is, with its extra files in the same place.
    writers = {"onnx": _onnx, "safetensors": _safetensors, "torchscript": _torchscript, "pt2": _torchscript}
    kind = detect_format(path)
    if kind == "monai_bundle" and path.is_dir() and out is None:
        _bundle(path, card)
        return path
    if kind not in writers:
        raise InputError(
            f"a card cannot be written into {kind}", file=path, mend=f"put it beside as {path.name}.card.json"
        )
    write = writers[kind]
    with atomic_path(target) as temporary:
        write(path, Path(temporary), text)
    return target


def _bundle(folder: Path, card: ModelCard) -> None:
    """The card under the key ``medseg`` of the bundle's own description, which keeps everything else."""
    from ..io.atomic import atomic_path

    file = folder / "configs" / "metadata.json"
    if not file.is_file():
        raise InputError(
            "the bundle has no configs/metadata.json to write the card into",
            file=folder,
            mend="put the card beside the bundle",
        )
    data = read_json(file.read_bytes(), file)
    data["medseg"] = card.to_dict()
    with atomic_path(file) as temporary:
        Path(temporary).write_text(json.dumps(data, ensure_ascii=False, indent=4) + "\n", encoding="utf-8")


def _onnx(path: Path, target: Path, text: str) -> None:
    entry = encode_bytes(1, CARD_KEY.encode()) + encode_bytes(2, text.encode())
    with mapped(path) as message, target.open("wb") as stream:
        try:
            for number, kind, value in fields(message):
                if number == 14 and _key(value) == CARD_KEY:
                    continue
                _copy_field(stream, number, kind, value)
        except WireError as error:
            raise InputError(f"the ONNX file is damaged ({error})", file=path, mend="copy or export it again") from None
        stream.write(encode_bytes(14, entry))


def _copy_field(stream: BinaryIO, number: int, kind: int, value: Any) -> None:
    stream.write(encode_varint(number << 3 | kind))
    if kind == BYTES:
        stream.write(encode_varint(len(value)))
        stream.write(value)
    elif kind == 0:
        stream.write(encode_varint(value))
    else:
        stream.write(value.to_bytes(8 if kind == 1 else 4, "little"))


def _key(value: Any) -> str:
    for number, kind, content in fields(value):
        if number == 1 and kind == BYTES:
            return bytes(content).decode("utf-8", "replace")
    return ""


def _safetensors(path: Path, target: Path, text: str) -> None:
    header = read_header(path)
    data: dict[str, Any] = {"__metadata__": {**header.metadata, CARD_KEY: text}}
    data |= {
        name: {"dtype": t.dtype, "shape": list(t.shape), "data_offsets": [t.begin, t.end]}
        for name, t in header.tensors.items()
    }
    encoded = json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()
    encoded += b" " * (-len(encoded) % 8)  # tensors begin at a multiple of 8 bytes
    with path.open("rb") as source, target.open("wb") as stream:
        source.seek(header.length)
        stream.write(len(encoded).to_bytes(8, "little") + encoded)
        shutil.copyfileobj(source, stream, 1 << 20)


def _torchscript(path: Path, target: Path, text: str) -> None:
    """Copy the archive entry by entry; PyTorch maps tensors, so each entry's data begins at a multiple of 64 bytes."""
    from .archive import check_archive
    from .torchscript_file import root_of

    with check_archive(path) as source, zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        root = root_of(path, source)
        name = f"{root}extra/{CARD_KEY}"
        for entry in source.infolist():
            if entry.filename != name:
                with source.open(entry) as stream:
                    _write_aligned(archive, entry.filename, stream.read(), entry.compress_type)
        _write_aligned(archive, name, text.encode(), zipfile.ZIP_STORED)


_ALIGNMENT = 64


def _write_aligned(archive: zipfile.ZipFile, name: str, content: bytes, compression: int) -> None:
    entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    entry.compress_type = compression
    if compression == zipfile.ZIP_STORED:
        # PyTorch pads with an extra field "FB" (caffe2/serialize/inline_container.cc).
        assert archive.fp is not None
        begin = archive.fp.tell() + 30 + len(name.encode()) + 4
        padding = -begin % _ALIGNMENT
        entry.extra = b"FB" + padding.to_bytes(2, "little") + b"Z" * padding
    archive.writestr(entry, content)
