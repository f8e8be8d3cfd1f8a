"""``medseg phantom``: synthetic MR cholangiography cases with reference segmentations and exact truth."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from ..errors import InputError
from .common import JsonOption, output, print_json, progress_line


def phantom(
    directory: Annotated[
        Path, typer.Argument(help="Folder to write images/, labels/ and truth/ into.", show_default=False)
    ],
    cases: Annotated[int, typer.Option("--cases", help="How many cases.", min=1)] = 1,
    seed: Annotated[
        int,
        typer.Option(
            "--seed", help="Seed of the first case; the next ones count up. Seeds 9000-9999 are for tests only.", min=0
        ),
    ] = 0,
    as_json: JsonOption = False,
) -> None:
    """Make synthetic MR cholangiographies: image, reference segmentation and the truth for measurements.

    Cases that are already complete are skipped. The same seed gives the same anatomy everywhere.
    """
    from ..phantom import case_paths, is_complete, make_phantom, write_phantom

    started = time.perf_counter()
    made, skipped = [], []
    with progress_line("Making phantoms") as update:
        for number, value in enumerate(range(seed, seed + cases)):
            name = f"phantom-{value:05d}"
            update(number / cases, f"Making {name}")
            if is_complete(directory, name):
                skipped.append(name)
                continue
            try:
                write_phantom(make_phantom(value), directory)
            except OSError as error:
                raise InputError(
                    f"{name} cannot be written ({error.strerror or error})",
                    file=directory,
                    mend="choose a folder you may write to, with 10 MB free for each case",
                ) from None
            made.append(name)
    seconds = time.perf_counter() - started
    if as_json:
        files = [{"case": n, **case_paths(directory, n)} for n in sorted(made + skipped)]
        print_json(
            {"directory": directory, "made": made, "skipped": skipped, "cases": files, "seconds": round(seconds, 3)}
        )
        return
    already = f", {len(skipped)} were there already" if skipped else ""
    output.print(f"{len(made)} case{'' if len(made) == 1 else 's'} made in {seconds:.1f} s{already}: {directory}")
