"""The commands that the training package adds to ``medseg`` through the entry-point group ``medseg.commands``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from medseg.cli.common import JsonOption, output, print_json
from medseg.errors import InputError


def train(
    config: Annotated[Path, typer.Argument(help="YAML configuration; see training/recipes.")],
    run: Annotated[Path | None, typer.Option("--run", help="Directory of the run (default: runs/NAME).")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Override a key, such as budget.epochs=5. Repeatable."),
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Only read all cases and say what is wrong.")] = False,
    resume: Annotated[
        bool | None,
        typer.Option(
            "--resume/--fresh", help="Insist on going on with a run, or discard it (default: go on where there is one)."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Train a 2D segmentation network from a folder of cases. Started again, it goes on where it was."""
    from .config import load_config
    from .data.command import run_check

    loaded = load_config(config, settings or [])
    if check:
        run_check(loaded, as_json)
        return
    if loaded.variants:
        raise InputError(
            f"the configuration holds {len(loaded.variants)} variants",
            file=config,
            mend="medseg crossval trains them all; remove variants to train once",
        )
    from .training import train as run_training

    folder = run or loaded.run or Path("runs") / config.stem
    result = run_training(loaded, folder, fresh=None if resume is None else not resume, quiet=as_json)
    if as_json:
        print_json(result)
    else:
        output.print(
            f"done: {result['steps']} steps in {result['minutes']:.1f} min; next: medseg export {folder} -o MODEL.onnx",
            markup=False,
        )


def export(
    run: Annotated[Path, typer.Argument(help="Directory of a run or of a cross-validation.")],
    out: Annotated[Path, typer.Option("-o", "--output", help="Model file to write, such as liver.onnx.")],
    format: Annotated[
        list[str] | None, typer.Option("--format", help="Further formats: pt2, torchscript, monai_bundle. Repeatable.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write a trained model as ONNX and as safetensors, the card inside, after a parity run of each."""
    from .export import export as run_export

    result = run_export(run, out, format or ())
    if as_json:
        print_json(result)
        return
    for one in result["files"]:
        difference = one["parity"]["largest_probability_difference"]
        output.print(
            f"{one['file']}: {one['bytes'] / 1e6:.2f} MB; probabilities differ from the trained network's by "
            f"{difference:.1e} at most, on {one['parity']['slices']} slices",
            markup=False,
        )
