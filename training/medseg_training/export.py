"""From a run to one model file: ONNX or safetensors, the card inside, after both networks answered the same slices."""

from __future__ import annotations

import contextlib
import logging
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from medseg.card import ModelCard
from medseg.errors import InputError, MedSegError
from medseg.inference import activate
from medseg.io import atomic_path
from medseg.models import embed_card, open_model, weights_sha256
from medseg.networks import build_network
from medseg.preprocess import SlicePreparer
from torch import nn

from .cases import list_cases, load_case
from .checkpoint import load_checkpoint
from .config import Config
from .provenance import training_record
from .rundir import RunDirectory
from .trainer import architecture_of

Format = Literal["onnx", "safetensors"]
#: Largest difference of probabilities between the trained network and the file that is still rounding.
PARITY = 1e-4
#: Slices of the parity run.
PARITY_SLICES = 8


def export(run_path: str | Path, out: str | Path, format: str | None = None) -> dict[str, Any]:
    """Write the best network of a run (the last one where nothing chose) to ``out``.

    Returns file, bytes, checkpoint, parity and metrics. Raises InputError where the run has no state or the format is
    not known, MedSegError where the file does not answer like the network (nothing is written then).
    """
    run, out = RunDirectory(run_path), Path(out)
    kind = choose_format(out, format)
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
    slices = parity_slices(config, card)
    near = out.resolve().parent  # a rename is atomic within one file system only
    with atomic_path(out) as temporary, tempfile.TemporaryDirectory(prefix=".medseg-", dir=near) as folder:
        bare = Path(folder) / f"model.{kind}"
        write_network(network, card, kind, bare, slices[:1].shape)
        first = embed_card(bare, card, Path(folder) / f"first.{kind}")
        parity = compare(network, first, card, slices)
        card = ModelCard.from_dict({**card.to_dict(), "training": {**card.training, "parity": parity}})
        embed_card(bare, card, Path(folder) / f"carded.{kind}").replace(temporary)
    return {
        "file": str(out),
        "bytes": out.stat().st_size,
        "format": kind,
        "checkpoint": chosen.name,
        "weights_sha256": card.weights_sha256,
        "parity": parity,
        "metrics": card.training["metrics"],
    }


def choose_format(out: Path, format: str | None) -> Format:
    """By ``format``, else by the suffix. Raises InputError."""
    name = (format or out.suffix.removeprefix(".")).lower()
    if name == "onnx":
        return "onnx"
    if name == "safetensors":
        return "safetensors"
    raise InputError(
        f"models are not exported as {name or 'a file without suffix'}",
        file=out,
        mend="use onnx or safetensors; medseg convert makes other formats from them",
    )


def trained_network(config: Config, state: dict[str, Any]) -> nn.Module:
    """The network of a checkpoint, ready to run: the averaged weights where they were averaged."""
    network = build_network(architecture_of(config))
    if state["average"] is None:
        weights = state["network"]
    else:
        prefix = "module."
        weights = {name.removeprefix(prefix): t for name, t in state["average"].items() if name.startswith(prefix)}
    network.load_state_dict(weights)
    return network.eval()


def write_network(network: nn.Module, card: ModelCard, kind: Format, path: Path, shape: tuple[int, ...]) -> None:
    """Write weights (safetensors) or graph (ONNX, batch, height and width free) without a card."""
    if kind == "safetensors":
        from safetensors.torch import save_file

        save_file({name: t.detach().clone().contiguous() for name, t in network.state_dict().items()}, path)
        return
    step = int(getattr(network, "multiple_of", 1))
    # Sizes the network takes: tracing with a batch of 1 would make 1 a constant.
    example = torch.zeros(2, card.in_channels, 4 * step, 6 * step)
    dynamic = {0: torch.export.Dim("batch", min=1, max=4096)}
    for axis, name in ((2, "height"), (3, "width")):
        half = torch.export.Dim(f"{name}_steps", min=1, max=8192 // step)
        dynamic[axis] = step * half if step > 1 else half
    # The exporter tells at length of packages it could use and does not need; the parity run is what counts.
    with warnings.catch_warnings(), _quiet_logging("torch.onnx"):
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            network,
            (example,),
            dynamo=True,
            external_data=False,
            verbose=False,
            input_names=["slices"],
            output_names=["logits"],
            dynamic_shapes=(dynamic,),
        )
    assert program is not None
    program.save(str(path), external_data=False)


@contextlib.contextmanager
def _quiet_logging(name: str) -> Iterator[None]:
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def parity_slices(config: Config, card: ModelCard) -> np.ndarray:
    """(N, C, H, W) prepared slices, spread over the first readable case. Raises InputError where there is none."""
    cases, _ = list_cases(config)
    for case in cases:
        loaded, _ = load_case(case, config)
        if loaded is not None:
            preparer = SlicePreparer([loaded.image], card)
            where = np.unique(np.linspace(0, preparer.count - 1, PARITY_SLICES).round().astype(int))
            return np.stack([preparer.prepare(int(n)) for n in where])
    raise InputError(
        "no case of the data can be read for the parity run",
        file=config.data[0],
        mend="put the data back where config.yaml of the run says",
    )


def compare(network: nn.Module, path: Path, card: ModelCard, slices: np.ndarray) -> dict[str, Any]:
    """Probabilities of the trained network and of the written file on the same slices.

    Raises MedSegError where they differ by more than `PARITY`.
    """
    backend = "onnxruntime" if path.suffix == ".onnx" else "torch"
    with torch.inference_mode():
        ours = np.concatenate([network(torch.from_numpy(one[None])).numpy() for one in slices])
    with open_model(path, backend=backend, device="cpu") as model:
        theirs = np.concatenate([model.run(one[None]) for one in slices])
    activation = card.output.activation
    largest = float(np.abs(activate(ours, activation) - activate(theirs, activation)).max())
    if not largest <= PARITY:
        raise MedSegError(
            f"the exported file differs from the trained network by {largest:.1e} in probability",
            mend="report it; nothing was written",
        )
    return {"backend": backend, "slices": len(slices), "largest_probability_difference": largest, "limit": PARITY}
