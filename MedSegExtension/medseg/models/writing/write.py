"""`write_model`: a network and its card as one file (or the folder of a bundle), complete or not there at all."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...card import ModelCard
from ...errors import InputError
from ..detect import Format
from ..embed import embed_card
from .formats import target_format
from .graphs import SliceShape, write_onnx, write_program, write_script
from .weights import checksum_of, in_float32, state_of, write_safetensors


@dataclass(frozen=True)
class Written:
    """What was written: where, in which format, with which card (its checksum renewed), of which size."""

    path: Path
    format: Format
    card: ModelCard | None
    weights_sha256: str
    bytes: int


def write_model(
    network: Any,
    card: ModelCard | None,
    path: str | Path,
    format: str | None = None,
    *,
    half: bool = False,
    channels: int | None = None,
    multiple_of: int | None = None,
    fixed_size: tuple[int, int] | None = None,
    overwrite: bool = True,
) -> Written:
    """Write ``network`` with ``card`` inside as ``path``; the card's checksum is renewed.

    Nothing is compared here: open ``path`` and use `compare_outputs` before you rely on it.

    Parameters
    ----------
    network : ``torch.nn.Module`` or script module on the CPU in evaluation mode: (B, C, H, W) to (B, K, H, W).
    card : goes into the file. None: without one (not for safetensors and bundles, which are weights and words).
    format : one of `formats.WRITABLE`; None goes by the suffix of ``path`` (none: the folder of a MONAI bundle).
    half : store floating-point weights as float16 (half the size); arithmetic stays float32.
    channels, multiple_of, fixed_size : what the network takes, where neither card nor ``network.multiple_of`` says it.
    overwrite : whether a file, or a bundle's folder, that exists already is replaced.

    Raises
    ------
    InputError : this network cannot be written in this format; the line says why.
    MissingPackageError : torch, onnx, onnxscript or safetensors is needed and not installed.
    """
    from ...io.atomic import atomic_path

    path = Path(path)
    kind = target_format(path, format)
    if card is None and kind in ("safetensors", "monai_bundle"):
        raise InputError(f"{kind} needs a model card", file=path, mend="give the card with --card")
    if kind == "safetensors" and card is not None and card.architecture is None:
        raise InputError(
            "weights alone need a card that names their architecture",
            file=path,
            mend="add architecture to the card, or choose ONNX",
        )
    shape = slice_shape(network, card, channels, multiple_of, fixed_size)
    state = state_of(network, half)
    checksum = checksum_of(state)
    if card is not None:
        card = replace(card, weights_sha256=checksum)
    if kind == "monai_bundle":
        from .bundle import write_bundle

        assert card is not None
        write_bundle(network, state, half, card, shape, path, overwrite=overwrite)
        size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
        return Written(path, kind, card, checksum, size)
    near = Path(os.path.realpath(path)).parent  # a rename is atomic within one file system only
    with atomic_path(path, overwrite=overwrite) as temporary, _folder(near) as folder:
        bare = Path(folder) / f"model{path.suffix}"
        write_bare(network, state, half, kind, shape, bare)
        if card is not None:
            bare = embed_card(bare, card, Path(folder) / f"carded{path.suffix}")
        bare.replace(temporary)
    return Written(path, kind, card, checksum, path.stat().st_size)


def _folder(near: Path) -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix=".medseg-", dir=near)


def write_bare(network: Any, state: dict[str, Any], half: bool, kind: Format, shape: SliceShape, path: Path) -> None:
    """Write without a card; ``state`` holds the weights as they are to be stored."""
    if kind == "safetensors":
        write_safetensors(state, path)
        return
    if kind == "onnx":
        write_onnx(network, shape, path)
        if half:
            from .onnx_half import store_half

            store_half(path)
        return
    if kind == "pt2":
        write_program(in_float32(network, state) if half else network, shape, path)
        return
    if half:
        raise InputError("TorchScript is not written in float16", file=path, mend="choose ONNX, .pt2 or safetensors")
    write_script(network, shape, path)


def slice_shape(
    network: Any,
    card: ModelCard | None,
    channels: int | None = None,
    multiple_of: int | None = None,
    fixed_size: tuple[int, int] | None = None,
) -> SliceShape:
    """What ``network`` takes, by the card, by what it says itself, and by the arguments. Raises InputError."""
    found = channels or (card.in_channels if card is not None else getattr(network, "in_channels", None))
    if not isinstance(found, int):
        raise InputError("the number of input channels is not known without a card", mend="give a card with --card")
    steps = [multiple_of, getattr(network, "multiple_of", None)]
    if not any(isinstance(step, int) for step in steps):
        steps.append(card.input.size.multiple_of if card is not None else 32)
    step = max(int(step) for step in steps if isinstance(step, int))
    usual = None
    if card is not None and card.input.size.height and card.input.size.width:
        usual = (card.input.size.height, card.input.size.width)
    return SliceShape(found, step, fixed_size, usual)
