"""Images of a folder, one after another: read, segment and write here, so that the application need not load them."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..progress import Progress
from .server import Context


def cases(payload: dict[str, Any], context: Context) -> dict[str, Any]:
    """``{"cases": [{"path", "name"}]}`` of the folder ``payload["folder"]``. Raises InputError where there is none."""
    from ..io import case_name, find_cases

    return {"cases": [{"path": str(path), "name": case_name(path)} for path in find_cases(payload.get("folder") or "")]}


def segment_file(payload: dict[str, Any], context: Context) -> dict[str, Any]:
    """Segment the image ``payload["input"]`` into the file ``payload["output"]``; the rest as for ``segment``.

    Returns `medseg.pipeline.Result.summary` with ``output``; ``{"skipped": True}`` where the output is there and
    newer than the image. Raises InputError.
    """
    from ..io import MedSegWarning, read_volume
    from ..pipeline import write_segmentation
    from .running import run_model

    source, target = Path(payload.get("input") or ""), Path(payload.get("output") or "")
    if not payload.get("output"):
        raise InputError("no output file was given", mend="say where the segmentation shall go")
    if target.exists() and source.exists() and target.stat().st_mtime >= source.stat().st_mtime:
        return {"skipped": True, "output": str(target), "segments": []}
    context.progress(Progress("read", 0, 1, 0.0))
    with warnings.catch_warnings(record=True) as notes:
        warnings.simplefilter("always", MedSegWarning)
        volume = read_volume(source)
    result = run_model([volume], payload, context)
    target.parent.mkdir(parents=True, exist_ok=True)
    write_segmentation(result, target)
    summary = result.summary()
    summary["warnings"] = [*(str(note.message) for note in notes), *summary["warnings"]]
    return {"skipped": False, "output": str(target), **summary}
