"""The demo, step by step. Each step writes its files before the next begins: a look inside is always possible."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..data import shipped_model
from ..io import write_segmentation_file, write_volume
from ..metrics import Agreement, evaluate_labels
from ..phantom import Phantom, make_phantom
from ..pipeline import Result, segment, write_segmentation
from .files import DemoFiles
from .report import demo_report
from .scene import write_scene

#: Seeds from 9000 on are never trained on.
DEFAULT_SEED = 9100

Say = Callable[[float, str], object]


def run_demo(
    folder: Path,
    *,
    seed: int = DEFAULT_SEED,
    model_path: Path | None = None,
    device: str = "auto",
    say: Say | None = None,
) -> dict[str, Any]:
    """Make a phantom, segment it, measure the ducts and write everything into ``folder``.

    Parameters
    ----------
    folder : made where it does not exist; files of an earlier demo are replaced.
    seed : the phantom's anatomy.
    model_path : by default the model that ships.
    device : as for `open_model`.
    say : called with (fraction, what is being done).

    Returns the JSON-ready summary; ``dice`` and ``cldice`` are those of label 1, the bile ducts.
    """
    from ..ducts import measure_ducts, write_measurement
    from ..models import open_model
    from ..pictures import save_overview, save_slices

    tell = say or (lambda fraction, text: None)
    started = time.perf_counter()
    folder.mkdir(parents=True, exist_ok=True)
    files = DemoFiles(folder)

    tell(0.0, f"making a phantom (seed {seed})")
    phantom = make_phantom(seed)
    write_volume(phantom.volume, files.volume)

    tell(0.15, "segmenting")
    model = open_model(model_path or shipped_model(), device=device)
    result = segment(phantom.volume, model, progress=lambda p: tell(0.15 + 0.55 * p.fraction, f"segmenting, {p.text}"))
    write_segmentation(result, files.segmentation)
    write_segmentation_file(phantom.labels, result.segments, files.reference)

    tell(0.7, "measuring the ducts")
    measurement = measure_ducts(result.labels, 1)
    written = write_measurement(measurement, folder, "ducts")

    tell(0.78, "comparing with the truth")
    agreement = _agreement(result, phantom)

    tell(0.84, "drawing")
    title = f"MR cholangiography phantom {seed}: segmented by {result.card.name}"
    save_overview(phantom.volume, result.labels, result.segments, files.overview, title)
    save_slices(
        phantom.volume,
        result.labels,
        result.segments,
        files.slices,
        title + " (white: the truth)",
        reference=phantom.labels,
    )

    tell(0.92, "building the 3D scene")
    scene, why_not = write_scene(files.volume, files.segmentation, files.scene)

    tell(0.98, "writing the report")
    summary: dict[str, Any] = {
        "seed": seed,
        "dice": agreement[1].dice,
        "cldice": agreement[1].cldice,
        "agreement": {str(value): a.as_dict() for value, a in agreement.items()},
        **result.summary(),
        "measurement": measurement.as_dict(),
    }
    demo_report(summary, files, phantom, result, agreement, measurement)
    tell(1.0, "done")
    outputs = [files.volume, files.segmentation, files.reference, *written, files.overview, files.slices, files.report]
    if scene:
        outputs.append(files.scene)
    else:
        summary["warnings"] = [*summary["warnings"], f"no .mrb was written: {why_not}"]
    return {**summary, "files": [str(p) for p in outputs], "seconds": time.perf_counter() - started}


def _agreement(result: Result, phantom: Phantom) -> dict[int, Agreement]:
    labels = [info.value for info in result.segments]
    return evaluate_labels(result.labels.array, phantom.labels.array, phantom.volume.spacing[::-1], labels)
