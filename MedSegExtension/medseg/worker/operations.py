"""What the worker can be asked to do."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

from ..errors import InputError
from .answers import answer
from .ducts import compare, give_back, measure
from .files import cases, segment_file
from .limits import memory_limited
from .phantom import phantom
from .running import KEPT, MODEL, model_path, run_model
from .server import Context, Operation

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

    path = model_path(payload)
    with memory_limited(int(payload.get("memory_limit_bytes") or INSPECTION_BYTES)), reading_here():
        report = inspect_model(path)
        # Which of several inputs and outputs are used must be answered before it can be loaded.
        if payload.get("load") and not report.card_error and "unclear" not in report.details:
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
            model_path(payload),
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
    return {"scores": KEPT.keep(result), **answer(result)}


def seen_slice(payload: dict[str, Any], context: Context) -> dict[str, Any]:
    """``{"image": (H, W) float32}``: the middle slice of ``payload["volumes"]`` as a network would be fed it.

    ``payload["card"]`` is a card's JSON data; of its channels the first that is the slice itself. Raises InputError.
    """
    from ..card import ModelCard
    from ..preprocess import SlicePreparer

    card = ModelCard.from_dict(payload["card"])
    preparer = SlicePreparer(payload.get("volumes") or [], card)
    channel = next((n for n, one in enumerate(card.input.channels) if one.offset == 0), 0)
    return {"image": preparer.prepare(preparer.count // 2)[channel]}


def decide(payload: dict[str, Any], context: Context) -> dict[str, Any]:
    """Decide the last segmentation again: ``threshold`` (None: as the run did) and changes to ``postprocessing``.

    ``payload["scores"]`` is the name that `segment` gave. The result is as of `segment`. Raises InputError where these
    scores are no longer here.
    """
    return answer(KEPT.decided(payload.get("scores"), payload.get("threshold"), payload.get("postprocessing")))


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


OPERATIONS: dict[str, Operation] = {
    "probe": probe,
    "inspect": inspect,
    "load": load,
    "convert": convert,
    "segment": segment,
    "slice": seen_slice,
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
