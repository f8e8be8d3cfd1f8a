"""PyTorch: TorchScript files and our own networks with weights from a safetensors file."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from .base import memory_errors, out_of_memory, require


class TorchBackend:
    """Runs a ``torch.nn.Module`` or script module in inference mode.

    Parameters
    ----------
    module : takes (B, C, H, W), returns (B, K, H, W); brought to ``device`` and into evaluation mode here.
    device : "cpu", "cuda:0", "mps".
    threads : CPU threads for the whole process (PyTorch has one setting); None leaves it.
    precision : "float32", or "bfloat16" by autocast.
    output : of a module that answers with several tensors the one to take: a key, or a number counted from 0.
    """

    name = "torch"

    def __init__(
        self,
        module: Any,
        device: str = "cpu",
        *,
        threads: int | None = None,
        precision: str = "float32",
        output: str | None = None,
    ) -> None:
        torch = require("torch")
        self.device = device
        self._torch = torch
        self._half = precision == "bfloat16"
        self._output = output
        if threads is not None:
            torch.set_num_threads(max(1, threads))
        with memory_errors(device):
            self._module = module.eval().to(device)
            # The fast kernels of oneDNN and cuDNN take channels last; measured on 2 AVX-512 cores: 218 ms a slice
            # against 235 ms, and less memory. MPS has none.
            self._layout = torch.contiguous_format if device.startswith("mps") else torch.channels_last
            self._module = self._module.to(memory_format=self._layout)

    def run(self, batch: np.ndarray) -> np.ndarray:
        """float32 (B, C, H, W) to float32 (B, K, H, W). Raises DeviceOutOfMemory, InputError."""
        torch = self._torch
        if self._module is None:
            raise RuntimeError("the backend is closed")
        with memory_errors(self.device, batch.shape), torch.inference_mode():
            x = torch.from_numpy(np.ascontiguousarray(batch, dtype=np.float32)).to(self.device)
            x = x.contiguous(memory_format=self._layout)
            kind = self.device.partition(":")[0]
            with torch.autocast(kind, dtype=torch.bfloat16, enabled=self._half):
                y = self._call(x)
            y = one_tensor(torch, y, self._output)
            return y.float().contiguous().cpu().numpy()

    def _call(self, x: Any) -> Any:
        try:
            return self._module(x)
        except RuntimeError as error:
            if out_of_memory(error):
                raise
            # PyTorch's own words are the last line that is no source position: which sizes do not fit.
            lines = [line.strip() for line in str(error).splitlines() if line.strip()]
            line = next((line for line in reversed(lines) if "Error" in line), lines[-1] if lines else "")
            raise InputError(
                f"the model cannot run on slices of shape {tuple(x.shape)} ({line})",
                mend="check input.size and the channels in the card",
            ) from error

    @property
    def module(self) -> Any:
        """The module as it runs, for conversion."""
        return self._module

    def close(self) -> None:
        self._module = None
        if self.device.startswith("cuda"):
            self._torch.cuda.empty_cache()


#: The key under which torchvision's segmentation networks answer, beside an auxiliary output.
_USUAL = "out"


def one_tensor(torch: Any, y: Any, wanted: str | None = None) -> Any:
    """The tensor ``wanted`` (a key or a number) of what a module answers, or the only one. Raises InputError."""
    if isinstance(y, torch.Tensor) and wanted is None:
        return y
    parts: dict[str, Any] = {}
    if isinstance(y, dict):
        parts = {str(name): part for name, part in y.items()}
    elif isinstance(y, (list, tuple)):
        parts = {str(number): part for number, part in enumerate(y)}
    elif isinstance(y, torch.Tensor):
        parts = {"0": y}
    tensors = {name: part for name, part in parts.items() if isinstance(part, torch.Tensor)}
    if wanted is None:
        wanted = _USUAL if _USUAL in tensors else next(iter(tensors)) if len(tensors) == 1 else None
    if wanted in tensors:
        return tensors[wanted]
    listed = ", ".join(f"{name} {tuple(part.shape)}" for name, part in list(tensors.items())[:8])
    what = f"{len(parts)} outputs ({listed or 'no tensor among them'})" if parts else f"a {type(y).__name__}"
    raise InputError(
        f"the model returns {what}"
        + (", one tensor is needed" if wanted is None else f", and none is called {wanted[:80]!r}"),
        mend="write into the card which one is the segmentation, such as "
        f'"output": {{"tensor": "{next(iter(tensors), 0)}", …}}',
    )


def open_torchscript(
    path: Path,
    device: str,
    *,
    threads: int | None = None,
    precision: str = "float32",
    output: str | None = None,
) -> TorchBackend:
    """Open a TorchScript archive that the static checks have passed. Raises InputError where PyTorch refuses it.

    ``output`` as for `TorchBackend`.
    """
    torch = require("torch")
    try:
        with memory_errors(device), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "torch.jit is deprecated": the person with the file cannot help it
            module = torch.jit.load(str(path), map_location=device)
    except RuntimeError as error:
        line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(
            f"PyTorch {torch.__version__} cannot open this TorchScript file ({line})",
            file=path,
            mend="save it again with a PyTorch of this version or older",
        ) from error
    return TorchBackend(module, device, threads=threads, precision=precision, output=output)
