"""OpenVINO on the CPU; reads .onnx directly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from .base import memory_errors, require
from .wiring import Ports, feeds


class OpenVinoBackend:
    """Runs an ONNX file with OpenVINO, compiled for the one slice size in use.

    A network compiled for a static shape is faster and smaller than one for any shape, so the model is compiled at the
    first `run` and again whenever the slices' size or a larger batch asks for it. A smaller batch is padded.

    Parameters
    ----------
    model : path of a file that the static checks have passed.
    device : only "cpu".
    threads : CPU threads; None lets OpenVINO choose.
    ports : which inputs and output of several; None for the only ones.
    precision : "float32" or "bfloat16". Said explicitly: by itself OpenVINO takes bfloat16 wherever the CPU has it,
        and the output moves by 1e-4.
    """

    name = "openvino"

    def __init__(
        self,
        model: str | Path,
        device: str = "cpu",
        *,
        threads: int | None = None,
        precision: str = "float32",
        ports: Ports | None = None,
    ) -> None:
        openvino = require("openvino")
        if device != "cpu":
            raise InputError(f"OpenVINO is used on the CPU here, not on {device}", mend="use device='cpu'")
        self.device = device
        self._openvino = openvino
        self._path = Path(model)
        self._ports = ports
        self._settings: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": "f32" if precision == "float32" else "bf16",
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": 1,
        }
        if threads is not None:
            self._settings["INFERENCE_NUM_THREADS"] = max(1, threads)
        self._core = openvino.Core()  # no CACHE_DIR: nothing is written beside the person's files
        self._request: Any = None
        self._shape: tuple[int, ...] | None = None
        self._read()  # what it cannot read is said now, not at the first slice

    def _read(self) -> Any:
        try:
            with memory_errors(self.device):
                return self._core.read_model(str(self._path))
        except RuntimeError as error:
            raise InputError(
                f"OpenVINO {self._openvino.__version__} cannot open this model ({_last_line(error)})",
                file=self._path,
                mend="use backend='onnxruntime'",
            ) from error

    def _compile(self, shape: tuple[int, ...]) -> None:
        self._request = self._shape = None  # the old one goes before the new one comes: half the memory
        model = self._read()
        if self._ports is None:
            shapes = {model.input(0).any_name: list(shape)}
        else:
            whole = np.broadcast_to(np.float32(0), shape)
            shapes = {name: list(array.shape) for name, array in feeds(self._ports, whole).items()}
        try:
            model.reshape(shapes)
            compiled = self._core.compile_model(model, "CPU", self._settings)
        except RuntimeError as error:
            raise InputError(
                f"the model cannot run on slices of shape {shape} ({_last_line(error)})",
                file=self._path,
                mend="check input.size and the channels in the card",
            ) from error
        self._output = compiled.output(self._ports.output) if self._ports else compiled.output(0)
        self._request = compiled.create_infer_request()
        self._shape = shape

    def run(self, batch: np.ndarray) -> np.ndarray:
        """float32 (B, C, H, W) to float32 (B, K, H, W). Raises DeviceOutOfMemory, InputError."""
        if self._core is None:
            raise RuntimeError("the backend is closed")
        x = np.ascontiguousarray(batch, dtype=np.float32)
        with memory_errors(self.device, x.shape):
            if self._shape is None or self._shape[1:] != x.shape[1:] or self._shape[0] < x.shape[0]:
                self._compile(x.shape)
            assert self._shape is not None
            missing = self._shape[0] - x.shape[0]
            if missing:
                x = np.concatenate((x, np.repeat(x[-1:], missing, axis=0)))
            given: Any = [x] if self._ports is None else feeds(self._ports, x)
            self._request.infer(given, share_inputs=True)
            # A copy: the request's own memory is overwritten by the next batch.
            y = np.array(self._request.get_tensor(self._output).data, dtype=np.float32)
        return y[: batch.shape[0]]

    def close(self) -> None:
        self._request = self._core = None


def _last_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
