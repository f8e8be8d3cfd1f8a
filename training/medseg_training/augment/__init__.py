"""Augmentation of a whole batch at once, on the device where the batch lies."""

from .augmenter import Augmenter
from .presets import PRESETS
from .settings import Augmentation

__all__ = ["PRESETS", "Augmentation", "Augmenter"]
