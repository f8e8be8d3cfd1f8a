"""Writing a network and its card as a model file: ONNX, exported program, TorchScript, safetensors, MONAI bundle.

`write_model` is the one door; conversion and the training package use it. It needs torch, and whatever the format needs
(`MissingPackageError` says what). It writes and does not compare: `parity` runs the file against the network.
"""

from __future__ import annotations

from .formats import SUFFIXES, WRITABLE, target_format
from .parity import PARITY, check_parity, compare_outputs, sample_slices
from .place import check_target, move_into_place
from .write import Written, write_model

__all__ = [
    "PARITY",
    "SUFFIXES",
    "WRITABLE",
    "Written",
    "check_parity",
    "check_target",
    "compare_outputs",
    "move_into_place",
    "sample_slices",
    "target_format",
    "write_model",
]
