"""The contender's side: a process that prepares itself once and then measures what it is asked, one line each.

    python -P -m medseg_training.bench.serve NAME SETTINGS.json

Requests and answers are lines of JSON. What libraries print goes to standard error. End of input ends it.
"""

from __future__ import annotations

import json
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from .request import Point, Settings

#: Contender → module of this package that has its ``Contender``.
MODULES = {
    "peak": "product",
    "ours": "ours",
    "monai": "monai_side",
    "monai-tuned": "monai_side",
    "nnunet": "nnunet_side",
}


class Contender(Protocol):
    """What a module of `MODULES` brings."""

    def about(self) -> dict[str, Any]:
        """Versions, precision and what else a reader must know; after preparing."""
        ...

    def measure(self, point: Point, seconds: float) -> dict[str, Any]:
        """One window (`window.measure`)."""
        ...


def main(name: str, settings: Settings) -> None:
    """Serve until the input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    contender: Contender | None = None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if contender is None:
                import torch

                if settings.threads is not None:
                    torch.set_num_threads(settings.threads)
                torch.manual_seed(settings.seed)
                contender = import_module(f".{MODULES[name]}", __package__).Contender(name, settings)
            if request["do"] == "about":
                answer = contender.about()
            else:
                answer = contender.measure(Point(**request["point"]), request["seconds"])
        except Exception as error:  # whatever a library raises is this contender's answer, and the others go on
            answer = {"error": _said(error)}
        _free(settings.device)
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _said(error: Exception) -> str:
    if type(error).__name__ == "OutOfMemoryError":
        return "the device's memory is not enough"
    if isinstance(error, ModuleNotFoundError):
        return f"{error.name} is not installed there"
    text = " ".join(str(error).split())
    import traceback

    traceback.print_exc()
    return f"{type(error).__name__}: {text[:300]}"


def _free(device: str) -> None:
    """What this process holds in reserve would be missing to the one whose turn is next."""
    torch = sys.modules.get("torch")
    if device.startswith("cuda") and torch is not None:
        torch.cuda.empty_cache()


if __name__ == "__main__":
    main(sys.argv[1], Settings.read(Path(sys.argv[2])))
