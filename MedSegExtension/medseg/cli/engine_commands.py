"""The list of the engine's own commands, in the order ``--help`` shows them.

A command is a typer-annotated function in a file of its own, named like the command. It reads its arguments, calls
the engine, prints (a table, or with ``--json`` one object by `common.print_json`), and raises `MedSegError` for what
a person can mend; `common.run_and_exit` turns that into one line and an exit status.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

import typer

COMMANDS = ("demo", "segment", "inspect", "convert", "measure", "evaluate", "phantom")


def register(app: typer.Typer, only: str | None = None) -> None:
    """Add the engine's commands to ``app``, or only one of them: the others' imports cost start-up time."""
    for name in COMMANDS if only is None else (only,):
        if find_spec(f"medseg.cli.{name}") is not None:
            app.command(name)(getattr(import_module(f"medseg.cli.{name}"), name))
