"""The folder of a MONAI bundle, in today's layout: it opens here, and ``python -m monai.bundle run`` runs it."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ...backends import require
from ...card import ModelCard
from ...errors import InputError
from .bundle_config import MONAI_CLASSES, differences, inference_config, metadata
from .graphs import SliceShape, write_script
from .place import check_target, move_into_place

#: MONAI whose transforms the configuration was made for.
MONAI_VERSION = "1.5.0"


def write_bundle(
    network: Any,
    state: dict[str, Any],
    half: bool,
    card: ModelCard,
    shape: SliceShape,
    path: Path,
    *,
    overwrite: bool,
) -> None:
    """Write the bundle's folder at ``path``; it is complete or not there.

    A network that is MONAI's own is named in the configuration, with its weights as ``models/model.pt`` (a table that
    ``torch.load(weights_only=True)`` reads). Any other one travels as TorchScript, ``models/model.ts``, which MONAI
    runs without this package.

    Raises InputError where ``path`` exists and is no bundle, or ``overwrite`` is false.
    """
    torch = require("torch")
    own = card.architecture is not None and card.architecture.name in MONAI_CLASSES
    weights = "model.pt" if own else "model.ts"
    if half and not own:
        raise InputError("a bundle with TorchScript inside is not written in float16", file=path, mend="use float32")
    with _atomic_folder(path, overwrite) as folder:
        for name in ("configs", "models", "docs"):
            (folder / name).mkdir()
        if own:
            torch.save(state, str(folder / "models" / weights))
        else:
            write_script(network, shape, folder / "models" / weights)
        versions = {"monai": MONAI_VERSION, "torch": _installed("torch"), "numpy": _installed("numpy")}
        _write(folder / "configs" / "inference.json", _json(inference_config(card, weights)))
        _write(folder / "configs" / "metadata.json", _json(metadata(card, shape, versions)))
        _write(folder / "docs" / "README.md", readme(card))
        _write(folder / "LICENSE", licence(card))


def readme(card: ModelCard) -> str:
    """``docs/README.md`` of the bundle."""
    lines = [f"# {card.name}", "", card.description or "A 2D segmentation network, run slice by slice.", ""]
    if card.intended_use:
        lines += [f"Intended use: {card.intended_use}", ""]
    lines += ["Research use only.", ""]
    if card.synthetic:
        lines += ["Trained on synthetic cases only.", ""]
    images = "data/*.nii.gz"
    if len(card.input.volumes) > 1:
        images = ", ".join(f"data/{name}/*.nii.gz" for name in card.input.volumes) + " (in the same order)"
    lines += [
        "Labels: " + ", ".join(f"{label.value} {label.name}" for label in card.output.labels),
        "",
        f"Images: `{images}`. Masks are written to `eval/`. From this folder:",
        "",
        "    python -m monai.bundle run --config_file configs/inference.json --bundle_root .",
        "",
        "This needs monai, pytorch-ignite, nibabel and fire. `medseg segment IMAGE -m FOLDER -o MASK` runs the same",
        "model; the model card lies in `configs/metadata.json` under the key `medseg`.",
        "",
    ]
    found = differences(card)
    if found:
        lines += ["What `medseg` does and this configuration does not:", "", *(f"- {one}" for one in found), ""]
    return "\n".join(lines)


def licence(card: ModelCard) -> str:
    """``LICENSE``: what the card says, and nothing more."""
    if card.licence:
        return f"The weights in this folder are licensed as: {card.licence}\n"
    return "The model card gives no licence. Ask the author before you use or pass on these weights.\n"


def _json(data: dict[str, Any]) -> str:
    return json.dumps(data, ensure_ascii=False, indent=4) + "\n"


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")


def _installed(package: str) -> str:
    try:
        return version(package).partition("+")[0]
    except PackageNotFoundError:
        return "0"


@contextlib.contextmanager
def _atomic_folder(path: Path, overwrite: bool) -> Iterator[Path]:
    """A folder beside ``path`` that takes its place when the block ends well, and is removed otherwise."""
    from ...io.atomic import disk_error

    check_target(path, "monai_bundle", overwrite)
    near = Path(os.path.realpath(path)).parent
    temporary = near / f".medseg-{secrets.token_hex(4)}"
    try:
        temporary.mkdir()
        yield temporary
        move_into_place(temporary, path, "monai_bundle", overwrite)
    except OSError as error:
        translated = disk_error(error, near)
        if translated is None:
            raise
        raise translated from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
