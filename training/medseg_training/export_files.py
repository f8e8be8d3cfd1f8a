"""A trained network as model files: ONNX and safetensors always, others on request, each after a parity run."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from medseg.card import ModelCard
from medseg.models import embed_card, open_model
from medseg.models.detect import Format
from medseg.models.writing import PARITY, check_parity, check_target, compare_outputs, target_format, write_model
from torch import nn

#: What is written whatever is asked for: one file that runs everywhere, one that holds weights and nothing else.
ALWAYS: tuple[Format, ...] = ("onnx", "safetensors")
SUFFIX_OF: dict[Format, str] = {
    "onnx": ".onnx",
    "safetensors": ".safetensors",
    "pt2": ".pt2",
    "torchscript": ".pt",
    "monai_bundle": "",
}


@dataclass(frozen=True)
class ExportedFile:
    """A file that answers as the network does. ``parity`` stands in its card too."""

    file: Path
    format: Format
    bytes: int
    parity: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready data."""
        return {**asdict(self), "file": str(self.file)}


def targets_of(out: Path, formats: Sequence[str] = (), always: Sequence[Format] = ALWAYS) -> dict[Format, Path]:
    """Where each format goes: ``out`` first, the others beside it under the same stem. Raises InputError."""
    first = target_format(out)
    stem = out if first == "monai_bundle" else out.with_suffix("")
    targets = {first: out}
    for kind in [*always, *(target_format(out, name) for name in formats)]:
        # A folder beside files of the same stem must not be called like a file without its suffix is read.
        beside = stem.with_name(stem.name + "_bundle") if kind == "monai_bundle" else Path(f"{stem}{SUFFIX_OF[kind]}")
        targets.setdefault(kind, beside)
    for kind, path in targets.items():
        check_target(path, kind, overwrite=True)
    return targets


def write_files(
    network: nn.Module, card: ModelCard, targets: Mapping[Format, Path], slices: np.ndarray
) -> list[ExportedFile]:
    """Write ``network`` with ``card`` in every format of ``targets`` (from `targets_of`), in that order.

    ``slices`` (N, C, H, W): prepared slices on which every file must answer as the network does. Nothing stands under a
    name that was not compared. Raises InputError for a format that does not fit the network, MedSegError where a file
    answers differently.
    """
    return [_write(network, card, path, kind, slices) for kind, path in targets.items()]


def _write(network: nn.Module, card: ModelCard, path: Path, kind: Format, slices: np.ndarray) -> ExportedFile:
    with tempfile.TemporaryDirectory(prefix=".medseg-", dir=path.resolve().parent) as folder:
        trial = Path(folder) / path.name
        written = write_model(network, card, trial, kind)
        assert written.card is not None
        parity = _compare(network, trial, written.card, kind, slices)
        final = replace(written.card, training={**written.card.training, "parity": parity})
        if kind == "monai_bundle":
            size = write_model(network, final, path, kind).bytes
        else:
            size = embed_card(trial, final, path).stat().st_size
    return ExportedFile(path, kind, size, parity)


def _compare(network: nn.Module, path: Path, card: ModelCard, kind: Format, slices: np.ndarray) -> dict[str, Any]:
    backend = "onnxruntime" if kind == "onnx" else "torch"

    def original(batch: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return np.asarray(network(torch.from_numpy(batch)).numpy())

    with open_model(path, backend=backend, device="cpu") as model:
        found = compare_outputs(original, model.run, slices, card)
    check_parity(found)
    return {
        "backend": backend,
        "slices": len(slices),
        "largest_probability_difference": found.largest,
        "limit": PARITY,
    }
