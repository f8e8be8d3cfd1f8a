"""Which formats can be written, and which one a file name asks for."""

from __future__ import annotations

from pathlib import Path

from ...errors import InputError
from ..detect import Format

#: Formats that `write_model` writes.
WRITABLE: tuple[Format, ...] = ("onnx", "pt2", "torchscript", "safetensors", "monai_bundle")

#: Suffixes of the formats that are files; a name without a suffix is the folder of a MONAI bundle.
SUFFIXES: dict[str, Format] = {
    ".onnx": "onnx",
    ".pt2": "pt2",
    ".safetensors": "safetensors",
    ".pt": "torchscript",
    ".ts": "torchscript",
}

#: What a person may call a format, beside its own name.
_WORDS: dict[str, Format] = {"bundle": "monai_bundle", "monai": "monai_bundle", "exported": "pt2"}


def target_format(out: str | Path, format: str | None = None) -> Format:
    """The format to write: ``format`` where given, else by the suffix of ``out``. Raises InputError for another one."""
    out = Path(out)
    if format is not None:
        word = format.lower().removeprefix(".").replace("-", "_")
        kind = _WORDS.get(word, word)
        if kind not in WRITABLE:
            raise InputError(f"models are not written as {format!r}", file=out, mend=f"use {', '.join(WRITABLE)}")
        return kind
    suffix = out.suffix.lower()
    # A version number is no suffix: ducts-1.0 is a folder's name too.
    if not suffix or suffix[1:].isdecimal():
        return "monai_bundle"
    if suffix not in SUFFIXES:
        raise InputError(
            f"models are not written as {suffix}",
            file=out,
            mend=f"give a name that ends in {', '.join(SUFFIXES)}, or a folder for a MONAI bundle",
        )
    return SUFFIXES[suffix]
