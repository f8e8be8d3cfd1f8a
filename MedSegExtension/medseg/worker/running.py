"""Running a model, the one that is kept open between runs, and what is kept of the last run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..progress import Progress
from .server import Context

if TYPE_CHECKING:
    from ..models import Model
    from ..pipeline import Result
    from ..scores import Scores


def run_model(volumes: list[Any], payload: dict[str, Any], context: Context) -> Result:
    """Run the model and the options of ``payload`` on volumes. Raises MedSegError."""
    from ..pipeline import segment as run
    from ..scores import changed_postprocessing

    KEPT.forget()  # the memory is needed now
    model, changes = MODEL.get(payload, context), payload.get("postprocessing")
    try:
        return run(
            volumes,
            model,
            keep_probabilities=bool(payload.get("keep_probabilities")),
            progress=context.progress,
            cancelled=context.cancelled,
            batch_size=payload.get("batch_size"),
            threshold=payload.get("threshold"),
            flips=payload.get("flips") or (),
            postprocessing=None if model.card is None else changed_postprocessing(model.card, changes),
            keep_scores=bool(payload.get("keep_scores")),
        )
    finally:
        MODEL.keep_if_unmoved()


class KeptScores:
    """The scores of the last run that asked for it, and the run."""

    def __init__(self) -> None:
        self._result: Result | None = None
        self._name = 0

    def keep(self, result: Result) -> int | None:
        """Keep the scores of ``result`` if it has any; returns the name to ask with."""
        if result.scores is None:
            return None
        self._result, self._name = result, self._name + 1
        return self._name

    def forget(self) -> None:
        self._result = None

    def get(self, name: Any) -> tuple[Scores, Result]:
        """The scores of that name and their run. Raises InputError where they are no longer here."""
        result = self._result
        if result is None or result.scores is None or name != self._name:
            raise InputError("the probabilities of that run are no longer kept", mend="run it again")
        return result.scores, result

    def decided(self, name: Any, threshold: float | None, changes: dict[str, Any] | None) -> Result:
        """The kept run as it would be with these choices. Raises InputError."""
        from dataclasses import replace

        from ..scores import changed_postprocessing

        kept, result = self.get(name)
        settings = changed_postprocessing(result.card, changes)
        labels, counts = kept.decide(result.labels, result.card, threshold, settings)
        return replace(result, labels=labels, voxel_counts=counts, timings={}, scores=None, probabilities=None)


class WarmModel:
    """The model that was used last, open for the next run as long as its files and the choices stay the same."""

    def __init__(self) -> None:
        self._key: tuple[Any, ...] | None = None
        self._model: Model | None = None
        self._device = ""

    def get(self, payload: dict[str, Any], context: Context) -> Model:
        """The model that ``payload`` asks for. Raises InputError, MissingPackageError."""
        from ..models import open_model

        path = model_path(payload)
        device, backend, card = payload.get("device") or "auto", payload.get("backend"), payload.get("card")
        key = (path, tuple(_state(path)), device, backend, repr(card))
        if self._model is None or key != self._key:
            self.close()
            context.progress(Progress("open", 0, 1, 0.0))
            self._model = open_model(path, device=device, backend=backend, card=card)
            self._key, self._device = key, self._model.choice.device
        return self._model

    def keep_if_unmoved(self) -> None:
        """Forget a model that a full device drove to the CPU: the next run may find room again."""
        if self._model is not None and self._model.choice.device != self._device:
            self.close()

    def close(self) -> None:
        """Forget the model and free what it holds."""
        if self._model is not None:
            self._model.close()
        self._model = self._key = None


def model_path(payload: dict[str, Any]) -> str:
    path = payload.get("model")
    if not path or not isinstance(path, str):
        raise InputError("no model file was given", mend="choose a model file")
    return path


def _state(path: str) -> Iterator[tuple[str, int, int]]:
    """Name, size and time of change of every file that belongs to the model: one file, or a folder, and a card."""
    model = Path(path)
    files = sorted(p for p in model.rglob("*") if p.is_file()) if model.is_dir() else [model]
    # ONNX keeps large weights beside the graph, and a card may lie beside any file.
    beside = [Path(f"{path}.card.json"), Path(f"{path}.data")]
    for file in [*files, *beside]:
        try:
            status = os.stat(file)  # noqa: PTH116 (one call less for each file of a large folder)
        except OSError:
            continue
        yield str(file), status.st_size, status.st_mtime_ns


MODEL = WarmModel()
KEPT = KeptScores()
