"""The result of a run as a message, and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ..card import ModelCard

if TYPE_CHECKING:
    from ..pipeline import Result


def answer(result: Result) -> dict[str, Any]:
    """What goes back of a run; arrays and volumes travel as `exchange` says."""
    return {
        "labels": result.labels,
        "probabilities": result.probabilities,
        "segments": [asdict(segment) for segment in result.segments],
        "voxel_counts": result.voxel_counts,
        "highest_probability": result.highest_probability,
        "timings": result.timings,
        "warnings": list(result.warnings),
        "backend": result.backend,
        "device": result.device,
        "card": result.card.to_dict(),
    }


def result_from_message(data: Mapping[str, Any]) -> Result:
    """The result that the worker's answer to ``segment`` or ``decide`` describes."""
    from ..io import SegmentInfo
    from ..pipeline import Result

    def by_value(counts: Mapping[str, Any], kind: Callable[[Any], Any]) -> dict[int, Any]:
        return {int(value): kind(number) for value, number in counts.items()}

    return Result(
        labels=data["labels"],
        segments=tuple(
            SegmentInfo(s["value"], s["name"], tuple(s["color"]), s["terminology"]) for s in data["segments"]
        ),
        probabilities=data["probabilities"],
        voxel_counts=by_value(data["voxel_counts"], int),
        highest_probability=by_value(data["highest_probability"], lambda p: float("nan") if p is None else float(p)),
        timings=dict(data["timings"]),
        warnings=list(data["warnings"]),
        backend=data["backend"],
        device=data["device"],
        card=ModelCard.from_dict(data["card"]),
    )
