"""The ``medseg`` command. One file a command; this one puts them together."""

from __future__ import annotations

import sys
from importlib.metadata import entry_points

import typer

from ..version import __version__
from .common import run_and_exit

#: Commands of the training package, named here only so that a call without it can say how to install it.
TRAINING_COMMANDS = ("train", "augment", "crossval", "export", "report", "doctor", "bench")
ENTRY_POINT_GROUP = "medseg.commands"


def _version(show: bool) -> None:
    if show:
        print(f"medseg {__version__}")
        raise typer.Exit


def _root(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    """Segment volumes slice by slice with any trained 2D network, and measure what came out. Research use only."""


def build_app(name: str | None = None) -> typer.Typer:
    """The typer application: our commands (only ``name``, where it is one) and those that installed packages add."""
    from . import engine_commands

    app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
    app.callback()(_root)
    if name in engine_commands.COMMANDS:
        engine_commands.register(app, only=name)
        return app
    engine_commands.register(app)
    present = {point.name: point for point in entry_points(group=ENTRY_POINT_GROUP)}
    for name, point in sorted(present.items()):
        try:
            command = point.load()
        except ModuleNotFoundError:  # the entry point is installed, its package is not: absent, as DESIGN.md asks
            continue
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name)
        else:
            app.command(name)(command)
    return app


def main(arguments: list[str] | None = None) -> None:
    """Entry point of the script: runs, prints one line for an error, exits with the status DESIGN.md promises."""
    arguments = sys.argv[1:] if arguments is None else arguments
    run_and_exit(build_app, arguments, TRAINING_COMMANDS)
