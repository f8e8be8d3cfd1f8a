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

    loaded = load_config(config, settings or [])
    if check:
        _check(loaded, as_json)
        return
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
    run: Annotated[Path, typer.Argument(help="Directory of a run.")],
    out: Annotated[Path, typer.Option("-o", "--output", help="Model file to write.")],
    format: Annotated[
        str | None, typer.Option("--format", help="onnx or safetensors (default: by the suffix).")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write a trained model as one file with its card inside, after a parity run of both."""
    from .export import export as run_export

    result = run_export(run, out, format)
    if as_json:
        print_json(result)
    else:
        parity = result["parity"]
        output.print(f"{result['file']}: {result['bytes'] / 1e6:.2f} MB", markup=False)
        difference = parity["largest_probability_difference"]
        output.print(
            f"probabilities differ from the trained network's by {difference:.1e} at most, on "
            f"{parity['slices']} slices",
            markup=False,
        )


def _check(config: object, as_json: bool) -> None:
    from .cases import check_cases
    from .config import Config

    assert isinstance(config, Config)
    count, problems = 0, []
    for case, found in check_cases(config):
        count += case is not None
        for problem in found:
            problems.append(problem)
            if not as_json:
                output.print(problem.line(), markup=False)
    fatal = sum(p.fatal for p in problems)
    if as_json:
        print_json({"cases": count, "errors": fatal, "problems": [vars(p) for p in problems]})
    if fatal:
        raise InputError(f"{fatal} errors in {count} cases", file=config.data[0], mend="mend what the lines above name")
    if not as_json:
        output.print(f"{count} cases, no errors", markup=False)
