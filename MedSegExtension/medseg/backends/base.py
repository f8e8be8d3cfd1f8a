"""The interface of a backend, and what all of them share: missing packages and exhausted memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any, Protocol

import numpy as np

from ..errors import DeviceOutOfMemory, MissingPackageError
from ..packages import distribution

#: Arithmetic a backend may be asked for. float32 is what every promise of parity is about.
PRECISIONS = ("float32", "bfloat16")

#: What to install for each backend.
INSTALL = {
    "torch": "pip install 'medseg[torch]'",
    "onnxruntime": "pip install 'medseg[onnx]'",
    "openvino": "pip install 'medseg[openvino]'",
}


class Backend(Protocol):
    """Executes one model on one device."""

    name: str  #: "torch", "onnxruntime" or "openvino"
    device: str  #: "cpu", "cuda:0", "mps"

    def run(self, batch: np.ndarray) -> np.ndarray:
        """float32 (B, C, H, W) to float32 (B, K, H, W): raw outputs, before the card's activation.

        Raises DeviceOutOfMemory where the device has no room for this batch; a smaller one may be tried after it.
        """

    def close(self) -> None:
        """Give back the device's memory. `run` must not be called after it."""


#: How the frameworks say that memory ran out, in their messages (lower case).
_EXHAUSTED = (
    "out of memory",  # torch CUDA, MPS and XPU, the CUDA runtime, Level Zero
    "failed to allocate memory for requested buffer",  # ONNX Runtime's arena
    "can't allocate memory",  # torch's CPU allocator
    "not enough memory",  # the same on Windows
    "defaultcpuallocator",
    "bad_alloc",
    "bad allocation",  # C++ on every system, ONNX Runtime and OpenVINO pass it on
    "cublas_status_alloc_failed",
    "cudnn_status_alloc_failed",
    "cudaerrormemoryallocation",
    "cl_out_of_resources",
    "cl_mem_object_allocation_failure",
    "exceeded max size of memory object allocation",
    "cannot allocate memory",
    "unable to allocate",
)


def out_of_memory(error: BaseException) -> bool:
    """Whether a framework's exception says that memory ran out."""
    if isinstance(error, MemoryError) or type(error).__name__ in ("OutOfMemoryError", "AcceleratorOutOfMemoryError"):
        return True
    text = str(error).lower()
    return any(words in text for words in _EXHAUSTED)


@contextmanager
def memory_errors(device: str, shape: tuple[int, ...] | None = None) -> Iterator[None]:
    """Turn each framework's way of running out of memory into DeviceOutOfMemory; other errors pass."""
    try:
        yield
    except (MemoryError, RuntimeError, OSError) as error:
        raise_if_exhausted(error, device, shape)
        raise
    except Exception as error:
        # ONNX Runtime's exceptions derive from Exception alone.
        raise_if_exhausted(error, device, shape)
        raise


def raise_if_exhausted(error: BaseException, device: str, shape: tuple[int, ...] | None) -> None:
    """Raise DeviceOutOfMemory in place of ``error`` where it says that memory ran out."""
    if not out_of_memory(error):
        return
    what = "to open the model" if shape is None else f"for a batch of {shape[0]} slices of {shape[-2]} × {shape[-1]}"
    raise DeviceOutOfMemory(
        f"device {device} has not enough memory {what}", mend="use smaller batches or device='cpu'"
    ) from error


def require(package: str, backend: str | None = None) -> Any:
    """Import ``package`` now. Raises MissingPackageError naming what to install, or why it cannot be imported."""
    mend = INSTALL.get(backend or package, f"pip install {package}")
    try:
        return import_module(package)
    except ModuleNotFoundError as error:
        missing = (error.name or package).partition(".")[0]
        raise MissingPackageError(
            f"the package {missing} is needed and not installed", mend=mend, packages=[distribution(missing)]
        ) from error
    except (ImportError, OSError) as error:  # installed but broken: a missing shared library, a wrong architecture
        raise MissingPackageError(
            f"the package {package} is installed but cannot be loaded ({error})",
            mend=f"reinstall it: {mend}",
            packages=[distribution(package)],
        ) from error
