"""``medseg crossval``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from medseg.cli.common import JsonOption, output, print_json


def crossval(
    config: Annotated[Path, typer.Argument(help="YAML configuration, as for medseg train; split.folds says how many.")],
    run: Annotated[Path | None, typer.Option("--run", help="Directory (default: runs/NAME-crossval).")] = None,
    jobs: Annotated[int | None, typer.Option("--jobs", help="Folds at once (default: one for each device).")] = None,
    devices: Annotated[
        str | None, typer.Option("--devices", help="cpu, or cuda:0,cuda:1 (default: all GPUs, else the CPU).")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Override a key, such as split.folds=3. Repeatable."),
    ] = None,
    resume: Annotated[
        bool | None,
        typer.Option("--resume/--fresh", help="Insist on going on, or discard (default: go on where there is one)."),
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Only read all cases and say what is wrong.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Train all folds by one command, judge each patient by the model that had not seen it, and write the ensemble.

    With variants in the configuration (an augmentation each, say), all of them on the same folds, then a report that
    compares them. Started again, it goes on where it was: folds that are done are not trained again.
    """
    from ..config import load_config
    from .run import crossvalidate
    from .variants import crossvalidate_variants

    loaded = load_config(config, settings or [])
    if check:
        from ..data.command import run_check
        from .plan import make_plan

        run_check(loaded, as_json)
        make_plan(loaded)
        return
    folder = run or loaded.run or Path("runs") / f"{config.stem}-crossval"
    work = crossvalidate_variants if loaded.variants else crossvalidate
    result = work(
        loaded, folder, jobs=jobs, devices=devices, fresh=None if resume is None else not resume, quiet=as_json
    )
    if as_json:
        print_json(result)
    elif loaded.variants:
        output.print(f"done: {len(loaded.variants)} variants; open {folder / 'report.html'} in a browser", markup=False)
    else:
        output.print(
            f"done: {result['folds']} folds; open {folder / 'ensemble.onnx'} with medseg segment", markup=False
        )
