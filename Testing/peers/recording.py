"""What a network of somebody else gives on weights made from its tensors' names; used in `.venv-peers` alone."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from seeded_weights import seeded, seeded_slices


def record(out: Path, networks: Iterable[tuple[str, torch.nn.Module, int]]) -> None:
    """For each (key, network, input channels) its names and shapes (JSON), and every third row and column it gives."""
    arrays: dict[str, np.ndarray] = {}
    for key, network, channels in networks:
        network.eval()
        state = {
            name: torch.from_numpy(seeded(name, tensor.shape)) if tensor.is_floating_point() else tensor
            for name, tensor in network.state_dict().items()
        }
        network.load_state_dict(state)
        with torch.inference_mode():
            output = network(torch.from_numpy(seeded_slices((1, channels, 64, 96))))
        if isinstance(output, tuple):
            output = output[0]
        if isinstance(output, dict):
            output = output["out"]
        shapes = [[name, list(tensor.shape)] for name, tensor in state.items() if tensor.is_floating_point()]
        arrays[f"shapes {key}"] = np.frombuffer(json.dumps(shapes).encode(), np.uint8)
        arrays[f"output {key}"] = output.numpy()[:, :, 1::3, 2::3]
    np.savez_compressed(out, **arrays)
