"""What the worker can be asked to do."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..progress import Progress
from .ducts import compare, give_back, measure
from .files import cases, segment_file
from .limits import memory_limited
from .phantom import phantom
from .server import Context, Operation

if TYPE_CHECKING:
    from ..models import Model
    from ..pipeline import Result
    from ..scores import Scores

#: What looking into a model file may take. The largest 2D networks in use need a twentieth of it.
INSPECTION_BYTES = 8 * 2**30


def probe(payload: dict[str, Any], context: Context) -> dict[str, Any]:
    """``{"devices": [...]}``: each device of each backend, tried with one real operation."""
    from ..backends import probe_devices

    return {"devices": [asdict(device) for device in probe_devices()]}


def inspect(payload: dict[str, Any], context: Context) -> dict[str, Any]:
    """``{"report": {...}}``: what ``medseg inspect`` prints of the model file ``payload["model"]``.

    With ``payload["load"]`` a backend also loads the file, here where that can hurt nobody, and its refusal is raised.
    ``payload["memory_limit_bytes"]`` bounds what that may take (8 GiB unless said).
    """
    from ..models import inspect_model, open_model
    from ..models.hdf5_reader import reading_here

    path = _model_path(payload)
    with memory_limited(int(payload.get("memory_limit_bytes") or INSPECTION_BYTES)), reading_here():
        report = inspect_model(path)
        if payload.get("load") and not report.card_error:
            open_model(path, backend=payload.get("backend"), device=payload.get("device") or "cpu").close()
    return {"report": report.as_dict()}


def load(payload: dict[str, Any], context: Context) -> dict[str, Any]:
    """Open ``payload["model"]`` and run one slice of noise: ``{"backend", "device", "slice", "output", "seconds"}``.

    ``channels`` and ``multiple_of`` say what the static report found, where the model does not. Raises what a person
    has to know where it does not open or run. ``memory_limit_bytes`` as in `inspect`.
    """
    import numpy as np

    from ..models.hdf5_reader import reading_here
    from ..models.probing import probe_slice, run_trial

    began = time.perf_counter()
    with memory_limited(int(payload.get("memory_limit_bytes") or INSPECTION_BYTES)), reading_here():
        model = MODEL.get({"device": "cpu", **payload}, context)
        batch = probe_slice(model, payload.get("channels"), payload.get("multiple_of"))
        output = run_trial(model, batch)
        if not np.isfinite(output).all():
            model.warnings.append("it answers NaN or infinity to noise")
    return {
        "backend": model.choice.backend,
        "device": model.choice.device,
        "slice": list(batch.shape[1:]),
        "output": list(output.shape[1:]),
        "seconds": time.perf_counter() - began,
        "warnings": list(model.warnings),
    }


def convert(payload: dict[str, Any], context: Context) -> dict[str, Any]:
    """Convert ``payload["model"]`` to ``payload["out"]``; the result has what `models.converting.Conversion` has.

    ``payload["options"]`` are the other arguments of `convert_model`.
    """
    from ..models.converting import convert_model
    from ..models.hdf5_reader import reading_here

    out = payload.get("out")
    if not out or not isinstance(out, str):
        raise InputError("no name to write to was given", mend="give one")
    with memory_limited(int(payload.get("memory_limit_bytes") or 0)), reading_here():
        done = convert_model(
            _model_path(payload),
            out,
            card=payload.get("card"),
            progress=context.progress,
            cancelled=context.cancelled,
            **(payload.get("options") or {}),
        )
    return {"conversion": done.as_dict()}


def segment(payload: dict[str, Any], context: Context) -> dict[str, Any]:
    """Segment ``payload["volumes"]`` with the model file ``payload["model"]``.

    Optional: ``device``, ``backend``, ``card`` (a card's JSON data), ``batch_size``, ``threshold``, ``flips``,
    ``postprocessing`` (changes to the card's), ``keep_probabilities``, ``keep_scores``. The result has what
    `medseg.pipeline.Result` has; kept scores stay here, under the name that ``scores`` gives, for `decide`, `scores`
    and `doubts`.
    """
    volumes = payload.get("volumes") or []
    if not volumes:
        raise InputError("no volume was given", mend="choose an input volume")
    result = run_model(volumes, payload, context)
    return {"scores": KEPT.keep(result), **_answer(result)}


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


def decide(payload: dict[str, Any], context: Context) -> dict[str, Any]:
    """Decide the last segmentation again: ``threshold`` (None: as the run did) and changes to ``postprocessing``.

    ``payload["scores"]`` is the name that `segment` gave. The result is as of `segment`. Raises InputError where these
    scores are no longer here.
    """
    return _answer(KEPT.decided(payload.get("scores"), payload.get("threshold"), payload.get("postprocessing")))


def scores(payload: dict[str, Any], context: Context) -> dict[str, Any]:
    """What a preview of other thresholds needs of the kept scores ``payload["scores"]``: `Scores.part`.

    ``payload["floor"]`` is the lowest threshold (0.01 unless said). Raises InputError as `decide`.
    """
    kept, _ = KEPT.get(payload.get("scores"))
    return kept.part(float(payload.get("floor") or 0.01))


def doubts(payload: dict[str, Any], context: Context) -> dict[str, Any]:
    """``{"doubts": [...]}``: the undecided slices of the kept scores ``payload["scores"]``, the most doubtful first.

    As `review.Doubt.as_dict`. Raises InputError as `decide`.
    """
    from ..review import doubtful_slices

    kept, result = KEPT.get(payload.get("scores"))
    return {"doubts": [doubt.as_dict() for doubt in doubtful_slices(kept.top, result.labels)]}


def _answer(result: Result) -> dict[str, Any]:
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

        path = _model_path(payload)
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


def _model_path(payload: dict[str, Any]) -> str:
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

OPERATIONS: dict[str, Operation] = {
    "probe": probe,
    "inspect": inspect,
    "load": load,
    "convert": convert,
    "segment": segment,
    "decide": decide,
    "scores": scores,
    "doubts": doubts,
    "cases": cases,
    "segment_file": segment_file,
    "measure": measure,
    "compare": compare,
    "give_back": give_back,
    "phantom": phantom,
}
