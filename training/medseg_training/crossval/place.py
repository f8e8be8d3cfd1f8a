"""What lies where in the directory of a cross-validation, and who may work there."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from medseg.errors import InputError

#: How long a fold waits for its forerunner, whose starter was killed, to save its state and go.
PATIENCE_S = 120.0


class FoldPlace:
    """Directory of one fold: that of a run (`medseg_training.rundir`), and beside it

    ``fold.yaml`` (its configuration), ``judged.json`` (names of the cases it is judged on), ``console.txt`` (what it
    said), ``model.safetensors``, ``out_of_fold/CASE.npz``, and ``done.json`` when all is there.
    """

    def __init__(self, path: Path, number: int) -> None:
        self.path, self.number = path, number
        self.config = path / "fold.yaml"
        self.judged = path / "judged.json"
        self.console = path / "console.txt"
        self.model = path / "model.safetensors"
        self.out_of_fold = path / "out_of_fold"
        self.done = path / "done.json"
        self.metrics = path / "metrics.jsonl"
        self.lock = path / ".fold.lock"  # the run itself uses ".lock"

    @property
    def finished(self) -> bool:
        return self.done.is_file()

    def scores(self, case: str) -> Path:
        """Where the out-of-fold probabilities of a case lie."""
        return self.out_of_fold / f"{case}.npz"


class Place:
    """Directory of a cross-validation: ``config.yaml``, ``folds.json`` (who is in which fold, with its SHA-256),
    ``fold_0`` and so on, ``results.json``, ``out_of_fold.csv``, ``ensemble.onnx`` and ``ensemble.safetensors``,
    ``log.txt``.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.config = self.path / "config.yaml"
        self.folds = self.path / "folds.json"
        self.results = self.path / "results.json"
        self.table = self.path / "out_of_fold.csv"
        self.ensemble = self.path / "ensemble.onnx"
        self.log = self.path / "log.txt"
        self.lock = self.path / ".lock"

    @property
    def begun(self) -> bool:
        return self.folds.is_file()

    def fold(self, number: int) -> FoldPlace:
        return FoldPlace(self.path / f"fold_{number}", number)

    def create(self) -> None:
        """Make the directory. Raises InputError where that is not possible."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"the directory cannot be made ({error.strerror})", file=self.path, mend="choose another with --run"
            ) from None

    def clear(self) -> None:
        """Remove what a former cross-validation wrote here, and nothing else."""
        for folder in self.path.glob("fold_*"):
            if folder.name.removeprefix("fold_").isdecimal() and (folder / "fold.yaml").is_file():
                shutil.rmtree(folder, ignore_errors=True)
        kept = (self.config, self.folds, self.results, self.table, self.log)
        for file in (*kept, self.ensemble, self.ensemble.with_suffix(".safetensors")):
            file.unlink(missing_ok=True)


@contextlib.contextmanager
def only_one(lock: Path, patience_s: float = 0.0) -> Iterator[None]:
    """Hold ``lock`` as long as the block runs; the system lets go of it however this process ends.

    Raises InputError where another process holds it for longer than ``patience_s``.
    """
    try:
        import fcntl
    except ImportError:  # Windows: nothing is locked
        yield
        return
    give_up = time.monotonic() + patience_s
    with lock.open("a+") as stream:
        while True:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= give_up:
                    stream.seek(0)
                    raise InputError(
                        f"another process (number {stream.read().strip() or 'unknown'}) works in this directory",
                        file=lock.parent,
                        mend="wait for it, or end it, or choose another --run",
                    ) from None
                time.sleep(0.1)
            except OSError:  # a file system without locks
                break
        stream.seek(0)
        stream.truncate()
        stream.write(str(os.getpid()))
        stream.flush()
        yield
