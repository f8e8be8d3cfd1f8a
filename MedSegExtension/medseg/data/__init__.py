"""What travels with the engine: the model that ships and the schema of the card."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

#: The model that ships: bile ducts, gallbladder and pancreatic duct in MR cholangiography; trained on phantoms only.
SHIPPED_MODEL = "mrcp-ducts.onnx"


def shipped_model() -> Path:
    """Where the model that ships lies."""
    return Path(str(files(__name__).joinpath(SHIPPED_MODEL)))
