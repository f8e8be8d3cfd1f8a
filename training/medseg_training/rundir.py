"""The directory of a run: what lies where, and what keeps two runs from mixing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import yaml
from medseg.errors import InputError
from medseg.io import atomic_path
from medseg.io.atomic import disk_error

from .config import Config, parse_config
from .store.mapped import sweep

#: What may differ when a run is taken up again: it changes how long or how fast, not what is learned.
FREE_TO_CHANGE = ("run", "threads", "budget", "validation", "data", "device", "compile", "storage", "cache", "mlflow")


class RunDirectory:
    """Paths of a run and its small files.

    ``config.yaml`` (resolved), ``split.json`` (with its SHA-256), ``data.json`` (fingerprint), ``metrics.jsonl`` (a
    line an epoch), ``log.txt``, ``checkpoints/last.pt`` and ``best.pt``, ``evaluation.json`` (when the run is done),
    ``tensorboard/``, ``cache/`` (slices in a mapped file, where they are not in memory).
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.config = self.path / "config.yaml"
        self.split = self.path / "split.json"
        self.data = self.path / "data.json"
        self.metrics = self.path / "metrics.jsonl"
        self.log = self.path / "log.txt"
        self.checkpoints = self.path / "checkpoints"
        self.last = self.checkpoints / "last.pt"
        self.best = self.checkpoints / "best.pt"
        self.evaluation = self.path / "evaluation.json"
        self.tensorboard = self.path / "tensorboard"
        self.cache = self.path / "cache"

    @property
    def begun(self) -> bool:
        """Whether there is a state to go on from."""
        return self.last.is_file()

    def create(self) -> None:
        """Make the directory. Raises InputError where that is not possible."""
        try:
            self.checkpoints.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"the run directory cannot be made ({error.strerror})", file=self.path, mend="choose another with --run"
            ) from None

    def clear(self) -> None:
        """Remove what a former run wrote here, and nothing else."""
        for file in (self.config, self.split, self.data, self.metrics, self.log, self.evaluation):
            file.unlink(missing_ok=True)
        for folder in (self.checkpoints, self.tensorboard, self.cache):
            shutil.rmtree(folder, ignore_errors=True)

    def read_config(self) -> Config:
        """The resolved configuration. Raises InputError where this is not a run directory."""
        if not self.config.is_file():
            raise InputError(
                "this is not the directory of a run (no config.yaml)",
                file=self.path,
                mend="give the directory that medseg train printed",
            )
        return parse_config(yaml.safe_load(self.config.read_text(encoding="utf-8")), self.config)

    def check_same(self, config: Config) -> None:
        """Raise InputError where the run was begun with another configuration that would learn something else."""
        before, now = self.read_config().model_dump(mode="json"), config.model_dump(mode="json")
        changed = [key for key in now if key not in FREE_TO_CHANGE and now[key] != before[key]]
        if changed:
            raise InputError(
                f"the run here was begun with other settings ({', '.join(changed)})",
                file=self.path,
                mend="go on with the old settings, choose another --run, or start again with --fresh",
            )

    def write_json(self, path: Path, data: Any) -> None:
        """Whole or absent."""
        self.write_text(path, json.dumps(data, indent=1) + "\n")

    def write_text(self, path: Path, text: str) -> None:
        """Whole or absent."""
        with atomic_path(path) as temporary:
            temporary.write_text(text, encoding="utf-8")

    def sweep(self) -> None:
        """Remove what a killed process left half written."""
        for folder in (self.path, self.checkpoints, self.cache):
            sweep(folder)

    def add_metrics(self, line: dict[str, Any]) -> None:
        """Append one JSON line."""
        try:
            with self.metrics.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(line) + "\n")
        except OSError as error:
            raise disk_error(error, self.path) or error from None

    def trim_metrics(self, step: int, last: dict[str, Any] | None = None) -> None:
        """Drop lines beyond ``step``: they tell of what was lost when the run was killed. A torn last line goes too.

        ``last`` : the line of the checkpoint's epoch, added where the kill came before it was written.
        """
        kept: list[str] = []
        text = self.metrics.read_text(encoding="utf-8") if self.metrics.is_file() else ""
        for line in text.splitlines():
            try:
                if json.loads(line)["step"] <= step:
                    kept.append(line)
            except (ValueError, KeyError):
                continue
        if last and not any(json.loads(line)["step"] == last["step"] for line in kept):
            kept.append(json.dumps(last))
        self.write_text(self.metrics, "".join(f"{line}\n" for line in kept))
