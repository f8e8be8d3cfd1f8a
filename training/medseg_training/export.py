"""From a run to model files: the card inside, after file and network answered the same slices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from medseg.card import ModelCard
from medseg.errors import InputError
from medseg.models import weights_sha256
from medseg.models.detect import Format
from medseg.networks import build_network
from medseg.preprocess import SlicePreparer
from torch import nn

from .checkpoint import load_checkpoint
from .config import Config
from .data import list_cases, load_case
from .export_files import ALWAYS, ExportedFile, targets_of, write_files
from .networks import architecture_of, exported_weights
from .provenance import training_record
from .rundir import RunDirectory

#: Slices of the parity run.
PARITY_SLICES = 8


def export(
    run_path: str | Path, out: str | Path, formats: Sequence[str] = (), *, always: Sequence[Format] = ALWAYS
) -> dict[str, Any]:
    """Write the best network of a run (the last one where nothing chose), or the ensemble of a cross-validation.

    ``out`` says the first format by its suffix; ``always`` (ONNX and safetensors) are written too, and ``formats``
    (pt2, torchscript, monai_bundle) on request, all under the same stem.

    Returns file, bytes, format, files, checkpoint, weights_sha256, parity and metrics. Raises InputError where the run
    has no state or the format is not known, MedSegError where a file does not answer like the network.
    """
    run, out = RunDirectory(run_path), Path(out)
    targets = targets_of(out, formats, always)
    if (run.path / "folds.json").is_file():
        from .crossval.finish import export_crossval

        return _report(*export_crossval(run.path, targets), checkpoint="ensemble")
    config = run.read_config()
    chosen = run.best if run.best.is_file() else run.last
    state = load_checkpoint(chosen)
    network = trained_network(config, state)
    tensors = {name: t.detach().cpu().numpy() for name, t in network.state_dict().items()}
    card = replace(
        config.draft,
        architecture=architecture_of(config),
        weights_sha256=weights_sha256(tensors),
        training={**training_record(config, run, state["step"], state["elapsed_s"] / 60)},
    )
    files = write_files(network, card, targets, parity_slices(config, card))
    return _report(files, card, checkpoint=chosen.name)


def _report(files: Sequence[ExportedFile], card: ModelCard, *, checkpoint: str) -> dict[str, Any]:
    return {
        **files[0].as_dict(),
        "files": [file.as_dict() for file in files],
        "checkpoint": checkpoint,
        "weights_sha256": card.weights_sha256,
        "metrics": card.training["metrics"],
    }


def trained_network(config: Config, state: dict[str, Any]) -> nn.Module:
    """The network of a checkpoint, ready to run: the averaged weights where they were averaged."""
    network = build_network(architecture_of(config))
    if state["average"] is None:
        weights = state["network"]
    else:
        prefix = "module."
        weights = {name.removeprefix(prefix): t for name, t in state["average"].items() if name.startswith(prefix)}
    network.load_state_dict(exported_weights(config, weights))
    return network.eval()


def parity_slices(config: Config, card: ModelCard) -> np.ndarray:
    """(N, C, H, W) prepared slices, spread over the first readable case. Raises InputError where there is none."""
    cases, _ = list_cases(config)
    for case in cases:
        loaded, _ = load_case(case, config)
        if loaded is not None:
            preparer = SlicePreparer(loaded.images, card)
            where = np.unique(np.linspace(0, preparer.count - 1, PARITY_SLICES).round().astype(int))
            return np.stack([preparer.prepare(int(n)) for n in where])
    raise InputError(
        "no case of the data can be read for the parity run",
        file=config.data[0],
        mend="put the data back where config.yaml of the run says",
    )
