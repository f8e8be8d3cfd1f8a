"""What executes a model: PyTorch, ONNX Runtime or OpenVINO behind one small interface, and the choice among them."""

from __future__ import annotations

from .base import INSTALL, PRECISIONS, Backend, out_of_memory, require
from .choice import Choice, choose_device
from .probe import DeviceInfo, probe_devices

__all__ = [
    "INSTALL",
    "PRECISIONS",
    "Backend",
    "Choice",
    "DeviceInfo",
    "choose_device",
    "out_of_memory",
    "probe_devices",
    "require",
]
