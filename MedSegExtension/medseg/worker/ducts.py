"""Measuring, comparing and giving back, for an application that shall not wait."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..progress import Progress
from .server import Context

if TYPE_CHECKING:
    from ..volume import Volume


def measure(payload: dict[str, Any], context: Context) -> dict[str, Any]:
    """Measure ``payload["labels"]`` (a label map) as ducts: label ``payload["label"]`` (1 unless said).

    Optional ``probabilities`` (K, J, I) and ``names`` (branch id to name). The result has ``measurement``
    (`DuctMeasurement.as_dict`), ``profiles`` (`Profile.as_dict`, from the papilla to the periphery) and ``doubts``
    (`review.Doubt.as_dict`, the most doubtful first of each kind).
    """
    from ..ducts import measure_ducts, profiles
    from ..review import doubtful_branches

    names = {int(number): name for number, name in (payload.get("names") or {}).items()}

    def tell(fraction: float, text: str) -> None:
        context.progress(Progress("measure", round(100 * fraction), 100, fraction))
        if context.cancelled():
            from ..errors import Cancelled

            raise Cancelled()

    measured = measure_ducts(
        _labels(payload, "labels"),
        int(payload.get("label") or 1),
        probabilities=payload.get("probabilities"),
        names=names or None,
        progress=tell,
    )
    data = measured.as_dict()
    return {
        "measurement": data,
        "profiles": [profile.as_dict() for profile in profiles(measured)] if measured.branches else [],
        "doubts": [doubt.as_dict() for doubt in doubtful_branches(data)],
    }


def compare(payload: dict[str, Any], context: Context) -> dict[str, Any]:
    """Compare two label maps on one grid, ``payload["prediction"]`` and ``payload["reference"]``, as masks.

    The result has ``agreement`` (`metrics.Agreement.as_dict`) and ``wrong`` (K, J, I) uint8: 1 where only the
    prediction is, 2 where only the reference is. Raises InputError where the grids differ.
    """
    import numpy as np

    from ..metrics import evaluate_case

    prediction, reference = _labels(payload, "prediction"), _labels(payload, "reference")
    if prediction.array.shape != reference.array.shape or not prediction.same_grid(reference, tolerance_mm=1e-3):
        raise InputError("the two do not lie on one grid", mend="compare segments of one volume")
    mine, theirs = prediction.array > 0, reference.array > 0
    i, j, k = prediction.spacing
    agreement = evaluate_case(mine, theirs, (k, j, i))
    wrong = np.zeros(mine.shape, np.uint8)
    wrong[mine & ~theirs], wrong[theirs & ~mine] = 1, 2
    return {"agreement": agreement.as_dict(), "wrong": wrong}


def give_back(payload: dict[str, Any], context: Context) -> dict[str, Any]:
    """Write a corrected case into the folder ``payload["folder"]`` as `medseg train` reads it.

    ``volume`` and ``labels`` on one grid; ``names`` of the labels by value; ``provenance`` (JSON data: the model that
    drew first, what was corrected, ...).
    The case is named after its voxels, never after a patient: giving back the same image again renews its labels.
    Returns ``{"case", "image", "labels", "renewed"}``.
    """
    from ..giveback import write_case

    done = write_case(
        _labels(payload, "volume"),
        _labels(payload, "labels"),
        Path(str(payload.get("folder") or "")),
        {int(value): str(name) for value, name in (payload.get("names") or {}).items()},
        payload.get("provenance") or {},
    )
    return asdict(done)


def _labels(payload: dict[str, Any], name: str) -> Volume:
    found = payload.get(name)
    if found is None:
        raise InputError(f"no {name} was given", mend="choose a segment")
    return found
