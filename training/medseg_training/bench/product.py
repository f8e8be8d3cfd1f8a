"""The device's measured peak as one more contender, so that it takes its turns in the same run."""

from __future__ import annotations

from typing import Any

import torch

from .cost import matrix_peak
from .request import Point, Settings


class Contender:
    """Matrix products and nothing else."""

    def __init__(self, name: str, settings: Settings) -> None:
        self.settings = settings
        torch.backends.cuda.matmul.allow_tf32 = True  # as our trainer has it

    def about(self) -> dict[str, Any]:
        return {"versions": {"torch": torch.__version__}, "precision": self.settings.precision}

    def measure(self, point: Point, seconds: float) -> dict[str, Any]:
        return matrix_peak(torch.device(self.settings.device), self.settings.precision, seconds)
