"""``python -P -m medseg_training.bench train``: the command where nothing is installed but what it imports."""

from __future__ import annotations

import sys

from medseg.cli.common import run_and_exit

from .command import app

run_and_exit(lambda _name: app, sys.argv[1:], ())
