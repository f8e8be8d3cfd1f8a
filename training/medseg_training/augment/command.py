"""`medseg augment`: look at what an augmentation does before training with it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from medseg.cli.common import JsonOption, output, print_json
from medseg.errors import InputError


def augment(
    config: Annotated[Path, typer.Argument(help="Configuration of a training.")],
    out: Annotated[Path, typer.Option("-o", "--output", help="PNG file to write.")] = Path("augmentation.png"),
    cases: Annotated[int, typer.Option(min=1, max=16, help="How many cases, one a row.")] = 4,
    samples: Annotated[int, typer.Option(min=1, max=16, help="How many draws of the policy, one a column.")] = 7,
    each: Annotated[bool, typer.Option("--each", help="A column for each transform alone, instead of draws.")] = False,
    overrides: Annotated[list[str] | None, typer.Option("--set", help="KEY=VALUE, as for medseg train.")] = None,
    seed: Annotated[int, typer.Option(help="Another seed draws other samples.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Draw a contact sheet: real cases of a configuration, and what its augmentation makes of them."""
    from ..config import load_config
    from ..data import list_cases, load_case
    from .contact_sheet import alone, draw_sheet
    from .settings import Augmentation

    loaded = load_config(config, overrides or ())
    found, problems = list_cases(loaded)
    fatal = [p for p in problems if p.fatal]
    if fatal or not found:
        what = fatal[0].what if fatal else "no cases"
        raise InputError(what, file=fatal[0].file if fatal else config, mend=fatal[0].mend if fatal else "check `data`")
    step = max(1, len(found) // cases)
    rows = [case for case, _ in (load_case(c, loaded) for c in found[::step][:cases]) if case is not None]
    if not rows:
        raise InputError("none of the cases can be read", file=config, mend="medseg train CONFIG --check says why")
    columns = [("as it is", Augmentation())]
    if each:
        columns += list(alone(loaded.augmentation).items())
    else:
        columns += [(f"draw {n + 1}", loaded.augmentation) for n in range(samples)]
    draw_sheet(rows, loaded.draft, columns, out, crop=loaded.sampling.crop, seed=seed)
    if as_json:
        print_json(
            {"file": str(out), "cases": [case.case.name for case in rows], "columns": [name for name, _ in columns]}
        )
    else:
        output.print(f"{out}: {len(rows)} cases, {len(columns)} columns; outlines are the labels", markup=False)
