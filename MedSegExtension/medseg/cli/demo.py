"""``medseg demo``: the main job from nothing."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import MissingPackageError
from .common import JsonOption, errors, output, print_json, progress_line


def demo(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="Where the files go.")] = Path("medseg-demo"),
    seed: Annotated[int, typer.Option(help="Which anatomy; seeds from 9000 on are never trained on.")] = 9100,
    model: Annotated[Path | None, typer.Option("--model", "-m", help="Instead of the model that ships.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, …")] = "auto",
    json: JsonOption = False,
) -> None:
    """See MR cholangiography become a measured 3D duct tree: phantom, segmentation, measurements, pictures, report."""
    from ..demo import run_demo

    # Said before the work begins: the last steps need what the first do not.
    absent = [name for name in ("onnxruntime", "networkx", "skimage", "matplotlib") if find_spec(name) is None]
    if absent:
        raise MissingPackageError(f"the demo needs {', '.join(absent)}", mend="pip install 'medseg[demo]'")
    with progress_line("starting") as update:
        summary = run_demo(folder, seed=seed, model_path=model, device=device, say=update)
    if json:
        print_json(summary)
        return
    _print(summary, folder)


def _print(summary: dict[str, Any], folder: Path) -> None:
    from rich.table import Table

    table = Table(
        "segment", "volume (ml)", "truth (ml)", "Dice", "clDice", title="Agreement with the truth", title_justify="left"
    )
    for found in summary["segments"]:
        a = summary["agreement"][str(found["value"])]
        table.add_row(
            found["name"],
            f"{found['volume_ml']:.2f}",
            f"{a['volume_reference_ml']:.2f}",
            *("–" if a[k] is None else f"{a[k]:.3f}" for k in ("dice", "cldice")),
        )
    output.print(table)
    for path in summary["files"]:
        output.print(f"  {path}")
    for warning in summary["warnings"]:
        errors.print(f"warning: {warning}")
    output.print(
        f"{summary['seconds']:.0f} s. Open {folder / 'report.html'} in a browser, {folder / 'demo.mrb'} in 3D Slicer."
    )
    output.print(
        "Research use only. The model was trained on synthetic cases." if summary["synthetic"] else "Research use only."
    )
