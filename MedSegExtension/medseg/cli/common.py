"""What every command shares: exit statuses, one-line errors, JSON on standard output, a progress line."""

from __future__ import annotations

import json
import math
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.text import Text

from ..errors import Cancelled, MedSegError, printable

#: Which extra of this distribution brings a package.
EXTRAS = {
    "h5py": "keras",
    "highdicom": "dicom",
    "matplotlib": "measure",
    "networkx": "measure",
    "onnx": "train",
    "onnxruntime": "onnx",
    "onnxscript": "train",
    "openvino": "openvino",
    "packaging": "train",
    "pydantic": "train",
    "pydicom": "dicom",
    "safetensors": "torch",
    "skimage": "measure",
    "sklearn": "train",
    "torch": "torch",
    "trimesh": "measure",
    "yaml": "train",
}

#: ``--json`` of every command: one JSON object on standard output and nothing else there.
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output, nothing else.")]


class PlainConsole(Console):
    """Whatever a text from a file holds, none of it is a code to the terminal."""

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(printable(text), **options)


# No markup: rich would take "medseg[onnx]" in a message for a style and swallow it.
errors = PlainConsole(stderr=True, highlight=False, soft_wrap=True, markup=False)
output = PlainConsole(highlight=False, soft_wrap=True, markup=False)


def print_json(data: Any) -> None:
    """Print ``data`` as one line of JSON; NaN and infinities become null."""
    sys.stdout.write(json.dumps(_finite(data), ensure_ascii=False) + "\n")
    sys.stdout.flush()


def _finite(data: Any) -> Any:
    if isinstance(data, dict):
        return {str(key): _finite(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [_finite(value) for value in data]
    if hasattr(data, "item") and getattr(data, "ndim", 0) == 0:  # numpy scalars
        data = data.item()
    if isinstance(data, float) and not math.isfinite(data):
        return None
    if isinstance(data, os.PathLike):
        return os.fspath(data)
    return data


@contextmanager
def progress_line(description: str) -> Iterator[Callable[..., None]]:
    """A progress bar on standard error where that is a terminal, silence elsewhere.

    Yields ``update(fraction, text=None)``: ``fraction`` in [0, 1], ``text`` replaces the description.
    """
    if not errors.is_terminal:
        yield lambda *_args, **_kwargs: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors, transient=True) as bar:
        task = bar.add_task(description, total=1.0)

        def update(fraction: float, text: str | None = None) -> None:
            bar.update(task, completed=fraction, description=text)

        yield update


def run_and_exit(
    build: Callable[[str | None], typer.Typer], arguments: Sequence[str], training_commands: Sequence[str]
) -> None:
    """Run the application and end the process with status 0, 2, 130 or another for a failure of our own."""
    debug = "--debug" in arguments
    arguments = [a for a in arguments if a != "--debug"]
    # A terminated job stops like an interrupted one: temporary files are removed on the way out.
    signal.signal(signal.SIGTERM, _interrupt)
    warnings.showwarning = _show_warning
    try:
        name = next((a for a in arguments if not a.startswith("-")), None)
        status = _run(build(name), name, arguments, training_commands)
    except (KeyboardInterrupt, Cancelled, typer.Abort):
        status = 130
    except MedSegError as error:
        if debug:
            traceback.print_exc()
        print(f"medseg: {error.line()}", file=sys.stderr)
        status = error.exit_status
    except ModuleNotFoundError as error:
        if debug:
            traceback.print_exc()
        package = (error.name or "").partition(".")[0]
        extra = EXTRAS.get(package)
        mend = f"pip install 'medseg[{extra}]'" if extra else "install it with pip"
        print(f"medseg: the package {package} is needed for this and not installed; {mend}", file=sys.stderr)
        status = 2
    except BrokenPipeError:  # the reader of our output went away (head, less)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    except Exception as error:
        if debug:
            traceback.print_exc()
        text = " ".join(str(error).split()) or "no message"
        print(
            f"medseg: failure of our own: {type(error).__name__}: {text}; run again with --debug and report it",
            file=sys.stderr,
        )
        status = 70
    if status == 130:
        print("medseg: interrupted", file=sys.stderr)
    _flush_quietly()
    sys.exit(status)


def _run(app: typer.Typer, name: str | None, arguments: Sequence[str], training_commands: Sequence[str]) -> int:
    command = typer.main.get_command(app)
    names = getattr(command, "commands", {})
    if name is not None and name in training_commands and name not in names:
        raise MedSegErrorForMissing(name)
    try:
        result = command.main(args=list(arguments), prog_name="medseg", standalone_mode=False)
    except Exception as error:
        # typer carries its own copy of click since 0.26 and uses the real one before: what both kinds of usage error
        # share is `format_message`.
        if not hasattr(error, "format_message"):
            raise
        if type(error).__name__ == "NoArgsIsHelpError":  # no command: the help is the message
            print(error.format_message())
            return 2
        where = f"medseg {name} --help" if name in names else "medseg --help"
        print(f"medseg: {' '.join(error.format_message().split())} (see {where})", file=sys.stderr)
        return 2
    return result if isinstance(result, int) else 0


class MedSegErrorForMissing(MedSegError):
    """A command of the training package was called where that package is not installed."""

    exit_status = 2

    def __init__(self, name: str) -> None:
        super().__init__(
            f"the command {name} belongs to the training package, which is not installed",
            mend="pip install 'medseg[train]'",
        )


def _interrupt(*_signal: object) -> None:
    raise KeyboardInterrupt


def _show_warning(message: Warning | str, category: type[Warning], *_where: object, **_more: object) -> None:
    """One line for a person; where in the code it was said is of no use to them."""
    if category.__module__.partition(".")[0] in ("medseg", "medseg_training"):
        print(f"medseg: warning: {message}", file=sys.stderr)


def _flush_quietly() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
