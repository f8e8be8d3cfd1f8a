"""A program: one fold. Trains, exports, and predicts the patients it was not trained on.

``python -P -m medseg_training.crossval.fold FOLDER``: FOLDER holds ``fold.yaml``. Its standard input is a pipe whose
other end the starter holds: when the starter ends, however that be, the pipe ends, and so does this process, after the
step in progress and with a checkpoint. Ends with 0 when done, 2 for bad input, 130 when stopped.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from medseg.cli.common import run_and_exit
from medseg.errors import Cancelled

from .place import PATIENCE_S, FoldPlace, only_one


def end_with_starter() -> None:
    """Ask this process to stop when standard input ends."""

    def watch() -> None:
        while os.read(0, 1024):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def work(folder: Path) -> None:
    """Do what is not done yet."""
    from ..config import load_config
    from ..export import export
    from ..rundir import RunDirectory
    from ..training import train

    place = FoldPlace(folder, int(folder.name.rpartition("_")[2]))
    config = load_config(place.config)
    run = RunDirectory(folder)
    with only_one(place.lock, PATIENCE_S):
        if place.finished:
            return
        result = train(config, folder)
        exported = export(folder, place.model, always=())
        cases = predict(place, config)
        run.write_json(
            place.done,
            {
                "steps": result["steps"],
                "minutes": result["minutes"],
                "checkpoint": exported["checkpoint"],
                "weights_sha256": exported["weights_sha256"],
                "cases": cases,
            },
        )


def predict(place: FoldPlace, config: Any) -> list[str]:
    """Out-of-fold probabilities of the fold's cases, from the exported file and through the engine's pipeline."""
    import json

    from medseg.errors import InputError
    from medseg.models import open_model
    from medseg.pipeline import segment

    from ..data import list_cases, load_case
    from ..interruption import gentle_stop
    from .scores import floor_of, save_scores

    judged = set(json.loads(place.judged.read_text(encoding="utf-8")))
    names = []
    opened = open_model(place.model, backend="torch", device=config.device, threads=config.threads)
    with gentle_stop() as stop, opened as model:
        assert model.card is not None
        for case in list_cases(config)[0]:
            if case.name not in judged:
                continue
            names.append(case.name)
            if place.scores(case.name).is_file():
                continue
            loaded, problems = load_case(case, config)
            if loaded is None:
                fatal = next(p for p in problems if p.fatal)
                raise InputError(fatal.what, file=fatal.file, mend=fatal.mend)
            result = segment(list(loaded.images), model, keep_scores=True, cancelled=stop)
            assert result.scores is not None
            spacing = loaded.image.spacing[::-1]
            save_scores(place.scores(case.name), result.scores, loaded.labels.array, spacing, floor_of(model.card))
            print(f"predicted {case.name}", file=sys.stderr, flush=True)
            if stop():
                raise Cancelled("stopped by the person")
    return names


def main() -> None:
    """One argument: the folder. The shared end of every command turns errors into a line and a status."""
    import typer

    end_with_starter()

    def build(_name: str | None) -> typer.Typer:
        app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        app.command("fold")(work)
        return app

    run_and_exit(build, sys.argv[1:], ())


if __name__ == "__main__":
    main()
