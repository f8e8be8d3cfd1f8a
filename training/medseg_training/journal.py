"""The figures of a run for TensorBoard (always) and MLflow (where asked for).

Neither may end a training: where one cannot write, the run says so once and goes on.
"""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from medseg.errors import MissingPackageError

from .config import Config

if TYPE_CHECKING:
    from .display import Display
    from .rundir import RunDirectory

#: Colours of the contours: the reference, and what the network says.
REFERENCE, PREDICTION = (0, 200, 83), (255, 64, 64)


class Journal:
    """Takes nothing down: what a trainer has that nobody gave one."""

    def epoch(self, line: Mapping[str, Any]) -> None:
        """Take the line of an epoch down, as it stands in ``metrics.jsonl``."""

    def pictures(self, pictures: Mapping[str, np.ndarray], step: int) -> None:
        """Take pictures down: (H, W, 3) uint8 by name."""

    def close(self) -> None:
        """Write what is left."""


class TensorBoard(Journal):
    """Event files below the run; ``tensorboard --logdir RUN`` shows them."""

    def __init__(self, folder: Path, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        # Whatever a killed sitting wrote beyond the checkpoint is hidden by the purge.
        self._writer: Any = SummaryWriter(str(folder), purge_step=step + 1 if step else None)

    def epoch(self, line: Mapping[str, Any]) -> None:
        for name, value in flat(line).items():
            self._writer.add_scalar(name, value, line["step"])
        self._writer.flush()

    def pictures(self, pictures: Mapping[str, np.ndarray], step: int) -> None:
        for name, picture in pictures.items():
            self._writer.add_image(name, picture, step, dataformats="HWC")

    def close(self) -> None:
        self._writer.close()


class MLflow(Journal):
    """A run of a local folder or of a tracking server."""

    def __init__(self, where: str, config: Config, run: RunDirectory) -> None:
        os.environ.setdefault("MLFLOW_ENABLE_TELEMETRY", "false")
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        # A plain folder, which a shared home directory bears better than a database; MLflow 3 wants it confirmed.
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
        try:
            from mlflow.tracking import MlflowClient
        except ImportError as error:
            raise MissingPackageError("mlflow is not installed", mend="pip install 'medseg[mlflow]'") from error
        self._client = MlflowClient(where if "://" in where else Path(where).resolve().as_uri())
        name = "medseg"
        experiment = self._client.get_experiment_by_name(name)
        number = experiment.experiment_id if experiment else self._client.create_experiment(name)
        # The same run again where a training is taken up.
        mark = run.path / "mlflow.txt"
        self._run = mark.read_text(encoding="utf-8").strip() if mark.is_file() else ""
        if not self._run:
            self._run = self._client.create_run(number, run_name=run.path.name).info.run_id
            run.write_text(mark, self._run)
            for key, value in flat(config.model_dump(mode="json", exclude={"card", "data", "run", "mlflow"})).items():
                self._client.log_param(self._run, key, str(value)[:500])

    def epoch(self, line: Mapping[str, Any]) -> None:
        for name, value in flat(line).items():
            self._client.log_metric(self._run, name, value, step=line["step"])

    def close(self) -> None:
        self._client.set_terminated(self._run)


class Several(Journal):
    """Passes everything on; one that fails is told of and left out from then on."""

    def __init__(self, journals: Sequence[Journal], display: Display) -> None:
        self._journals, self._display = list(journals), display

    def epoch(self, line: Mapping[str, Any]) -> None:
        self._each("epoch", line)

    def pictures(self, pictures: Mapping[str, np.ndarray], step: int) -> None:
        self._each("pictures", pictures, step)

    def close(self) -> None:
        self._each("close")

    def _each(self, name: str, *arguments: Any) -> None:
        for journal in list(self._journals):
            try:
                getattr(journal, name)(*arguments)
            except Exception as error:  # servers, disks and packages of others: nothing of it is worth the training
                self._journals.remove(journal)
                self._display.line(f"{type(journal).__name__} cannot be written any more ({error}); going on without")


@contextlib.contextmanager
def open_journal(config: Config, run: RunDirectory, step: int, display: Display) -> Iterator[Journal]:
    """All that the configuration asks for. Raises MissingPackageError where mlflow is asked for and not installed."""
    journals: list[Journal] = []
    try:
        journals.append(TensorBoard(run.tensorboard, step))
    except ImportError:
        display.line("TensorBoard is not installed; the figures are in metrics.jsonl all the same")
    if config.mlflow is not None:
        journals.append(MLflow(config.mlflow, config, run))
    journal = Several(journals, display)
    try:
        yield journal
    finally:
        journal.close()


def flat(line: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    """Numbers of nested mappings by ``a/b/c``; NaN and what is no number left out (text stays, for parameters)."""
    out: dict[str, Any] = {}
    for key, value in line.items():
        if isinstance(value, Mapping):
            out |= flat(value, f"{prefix}{key}/")
        elif value is not None and not (isinstance(value, float) and math.isnan(value)):
            out[f"{prefix}{key}"] = value
    return out


def overlay(image: np.ndarray, reference: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """(H, W) slice in grey with the outlines of two label maps: (H, W, 3) uint8; where both run, the prediction's."""
    low, high = np.percentile(image, (0.5, 99.5))
    grey = np.clip((image - low) / max(high - low, 1e-6), 0, 1) * 255
    picture = np.repeat(grey[..., None], 3, axis=2).astype(np.uint8)
    for labels, colour in ((reference, REFERENCE), (prediction, PREDICTION)):
        picture[_outline(labels)] = colour
    return picture


def _outline(labels: np.ndarray) -> np.ndarray:
    """Labelled pixels beside a pixel of another label."""
    padded = np.pad(labels, 1)
    beside = (padded[2:, 1:-1], padded[:-2, 1:-1], padded[1:-1, 2:], padded[1:-1, :-2])
    return (labels > 0) & np.any([labels != other for other in beside], axis=0)
