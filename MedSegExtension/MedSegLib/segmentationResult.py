"""What a run left in the scene, and what it knows about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .runRecord import RunRecord
from .texts import resultText


@dataclass(frozen=True, eq=False)
class SegmentationResult:
    """segmentationNode, segmentIds : the node and, for each label name of the model's card, the segment's id.
    engine : the `medseg.pipeline.Result` (labels, timings, warnings, voxel counts, device, card, ...).
    record : what `MedSegLogic.undo` needs.
    scores : the name under which the worker keeps the probabilities, or None.
    """

    segmentationNode: Any
    segmentIds: dict[str, str]
    engine: Any = field(repr=False)
    record: RunRecord = field(default_factory=RunRecord, repr=False)
    scores: int | None = None

    @property
    def labels(self):
        """Label map as `medseg.volume.Volume`, on the input's grid as it lies in the world."""
        return self.engine.labels

    @property
    def probabilities(self):
        """(L, K, J, I) float32, or None unless kept."""
        return self.engine.probabilities

    @property
    def timings(self) -> dict[str, float]:
        """Seconds spent in each stage."""
        return self.engine.timings

    @property
    def warnings(self) -> list[str]:
        """Sentences a person should read."""
        return self.engine.warnings

    @property
    def device(self) -> str:
        return self.engine.device

    @property
    def empty(self) -> bool:
        """Whether nothing was found."""
        return self.engine.empty

    @property
    def message(self) -> str:
        """One or two sentences for the person who waits."""
        return resultText(self.engine)
