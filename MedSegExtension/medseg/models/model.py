"""An opened model: its card, what is known about its input, and a backend that runs it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..backends import Backend, Choice
from ..card import ModelCard
from ..errors import InputError

if TYPE_CHECKING:
    from ..preprocess import Preparer
    from ..volume import Volume


class Model:
    """What `open_model` returns. Use it as a context manager, or call `close` when done.

    Attributes
    ----------
    path, format : the file, and "onnx", "torchscript" or "safetensors".
    card : the model card, or None where there is none: then ``draft`` holds what could be inferred (shaped as a card's
        JSON) and ``missing`` the names of the fields to ask a person for.
    backend, choice : what runs it, and why that was chosen.
    in_channels, out_channels : channels of input and raw output; None where nothing tells before the first run.
    fixed_size, fixed_batch : (height, width) and batch size where the graph allows only these.
    preparer : how volumes are prepared where the model brings its own way (nnU-Net); None: as the card says.
    warnings : what a person should know, in words; grows while running.
    """

    #: Given the volumes and the card: what the pipeline uses in place of `medseg.preprocess.SlicePreparer`.
    preparer: Callable[[Sequence[Volume], ModelCard], Preparer] | None = None

    def __init__(
        self,
        path: Path,
        format: str,
        *,
        card: ModelCard | None,
        draft: dict[str, Any],
        missing: tuple[str, ...],
        choice: Choice,
        reopen: Callable[[Choice], Backend],
        in_channels: int | None,
        out_channels: int | None,
        fixed_size: tuple[int, int] | None,
        fixed_batch: int | None,
        warnings: list[str],
    ) -> None:
        self.path, self.format = path, format
        self.card, self.draft, self.missing = card, draft, missing
        self.choice = choice
        self.in_channels, self.out_channels = in_channels, out_channels
        self.fixed_size, self.fixed_batch = fixed_size, fixed_batch
        self.warnings = warnings
        self._reopen = reopen
        self.backend = reopen(choice)

    def __enter__(self) -> Model:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def run(self, batch: np.ndarray) -> np.ndarray:
        """Raw outputs, before the card's activation: float32 (B, C, H, W) to float32 (B, K, H, W).

        Any B: a graph with a fixed batch is given its slices in portions, the last one filled up.

        Raises
        ------
        InputError : the shape does not fit the model; shapes are in the message.
        DeviceOutOfMemory : no room for this batch; try a smaller one or `move_to_cpu`.
        """
        self._check(batch)
        if self.fixed_batch is None or batch.shape[0] == self.fixed_batch:
            outputs = self.backend.run(batch)
        else:
            outputs = self._in_portions(batch, self.fixed_batch)
        return self._checked_output(batch, outputs)

    def _in_portions(self, batch: np.ndarray, portion: int) -> np.ndarray:
        results = []
        for start in range(0, batch.shape[0], portion):
            part = batch[start : start + portion]
            count = part.shape[0]
            if count < portion:
                part = np.concatenate((part, np.repeat(part[-1:], portion - count, axis=0)))
            results.append(self.backend.run(part)[:count])
        return np.concatenate(results)

    def _check(self, batch: np.ndarray) -> None:
        if batch.ndim != 4 or batch.shape[0] < 1:
            raise InputError(
                f"a batch has the shape (slices, channels, height, width), this one is {batch.shape}",
                file=self.path,
                mend="add the missing axes",
            )
        if self.in_channels is not None and batch.shape[1] != self.in_channels:
            raise InputError(
                f"the model takes {self.in_channels} input channels, the batch has {batch.shape[1]}",
                file=self.path,
                mend="correct input.channels or input.context in the card",
            )
        if self.fixed_size is not None and batch.shape[2:] != self.fixed_size:
            height, width = self.fixed_size
            raise InputError(
                f"the model takes slices of {height} × {width} only, the batch has {batch.shape[2]} × {batch.shape[3]}",
                file=self.path,
                mend="set input.size in the card to mode resize or pad_or_crop with that height and width",
            )

    def _checked_output(self, batch: np.ndarray, outputs: np.ndarray) -> np.ndarray:
        if outputs.ndim != 4 or outputs.shape[0] != batch.shape[0] or outputs.shape[2:] != batch.shape[2:]:
            raise InputError(
                f"the model answers {outputs.shape} to a batch of {batch.shape}; a segmentation of the "
                "same size is needed",
                file=self.path,
                mend="give a segmentation network, and correct input.size in the card",
            )
        if self.card is not None and outputs.shape[1] < self.card.out_channels:
            raise InputError(
                f"the card's labels need {self.card.out_channels} output channels, the model gives {outputs.shape[1]}",
                file=self.path,
                mend="correct output.labels or output.background_channel in the card",
            )
        self.out_channels = outputs.shape[1]
        return outputs

    def move_to_cpu(self) -> None:
        """Open the model again on the CPU with the same backend, after DeviceOutOfMemory; says so in ``warnings``."""
        if self.choice.device == "cpu":
            return
        before = self.choice
        self.backend.close()
        self.choice = Choice(before.backend, "cpu", f"{before.device} ran out of memory")
        self.backend = self._reopen(self.choice)
        self.warnings.append(f"device {before.device} ran out of memory; the model went on on the CPU")

    def close(self) -> None:
        """Give back the memory; the model cannot run afterwards."""
        self.backend.close()
