"""Model files: what they are (static checks, nothing executed), and opening them on a backend."""

from __future__ import annotations

from .checksum import weights_sha256
from .embed import embed_card
from .inspecting import inspect_model
from .model import Model
from .opening import open_model
from .report import ModelReport, TensorInfo

__all__ = ["Model", "ModelReport", "TensorInfo", "embed_card", "inspect_model", "open_model", "weights_sha256"]
