"""``python -P -m medseg.worker --folder PRIVATE_FOLDER [--memory-limit BYTES]``."""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import importlib
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .server import Operation


def main(operations: Mapping[str, Operation] | None = None) -> int:
    """Set up the process, then serve ``operations`` (by default the engine's)."""
    parser = argparse.ArgumentParser(prog="medseg.worker", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="private folder that arrays travel through")
    parser.add_argument(
        "--memory-limit",
        type=int,
        default=0,
        metavar="BYTES",
        help="refuse to allocate more than this (Linux; 0: no limit)",
    )
    parser.add_argument(
        "--preload",
        choices=("torch",),
        help="what will be asked needs this package and our networks: imported before the first word",
    )
    arguments = parser.parse_args()

    # The protocol gets descriptors of its own before any library is loaded; whatever prints goes to the log.
    source = os.fdopen(os.dup(0), "rb")
    sink = os.fdopen(os.dup(1), "wb")
    empty = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, 0)
    os.close(empty)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    faulthandler.enable()  # a crash in a library leaves its stack in the log
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that started us; it will tell us
    os.umask(0o077)

    if arguments.preload:
        with contextlib.suppress(ImportError):  # who asks for it hears what is missing
            importlib.import_module(arguments.preload)
            importlib.import_module("medseg.networks")
    from .limits import limit_memory
    from .server import Server

    limit_memory(arguments.memory_limit)
    if operations is None:
        from .operations import OPERATIONS

        operations = OPERATIONS
    Server(source, sink, arguments.folder, operations).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
