"""The engine of MedSegExtension: volumes in, measured 3D segments out. Research use only.

>>> import medseg
>>> model = medseg.open_model("model.onnx")                                  # doctest: +SKIP
>>> result = medseg.segment(medseg.read_volume("mrcp.nii.gz"), model)        # doctest: +SKIP
>>> medseg.write_segmentation(result, "ducts.seg.nrrd")                      # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from .version import __version__

if TYPE_CHECKING:
    from .card import ModelCard
    from .errors import Cancelled, InputError, MedSegError, UnsafeModelError
    from .io import read_labels, read_volume, write_volume
    from .models import inspect_model, open_model
    from .pipeline import Result, segment, write_segmentation
    from .progress import Progress
    from .volume import Volume

#: Public name → module it lives in. Loaded on first use, so that ``import medseg`` costs nothing.
_PUBLIC = {
    "Cancelled": "errors",
    "InputError": "errors",
    "MedSegError": "errors",
    "UnsafeModelError": "errors",
    "ModelCard": "card",
    "Progress": "progress",
    "Result": "pipeline",
    "Volume": "volume",
    "inspect_model": "models",
    "open_model": "models",
    "read_labels": "io",
    "read_volume": "io",
    "segment": "pipeline",
    "write_segmentation": "pipeline",
    "write_volume": "io",
}

__all__ = [
    "Cancelled",
    "InputError",
    "MedSegError",
    "ModelCard",
    "Progress",
    "Result",
    "UnsafeModelError",
    "Volume",
    "__version__",
    "inspect_model",
    "open_model",
    "read_labels",
    "read_volume",
    "segment",
    "write_segmentation",
    "write_volume",
]


def __getattr__(name: str) -> object:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'medseg' has no attribute {name!r}")
    return getattr(import_module(f".{_PUBLIC[name]}", __name__), name)
