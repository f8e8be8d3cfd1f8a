"""The model card: what must be known to run a model rightly."""

from .model_card import (
    Architecture,
    Channel,
    Code,
    InputSpec,
    Label,
    ModelCard,
    Normalisation,
    OutputSpec,
    PostProcessing,
    Size,
    Terminology,
)
from .storage import card_path_beside, read_card, write_card
from .terminology import slicer_terminology

__all__ = [
    "Architecture",
    "Channel",
    "Code",
    "InputSpec",
    "Label",
    "ModelCard",
    "Normalisation",
    "OutputSpec",
    "PostProcessing",
    "Size",
    "Terminology",
    "card_path_beside",
    "read_card",
    "slicer_terminology",
    "write_card",
]
