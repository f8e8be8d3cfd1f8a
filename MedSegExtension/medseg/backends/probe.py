"""What can compute here: each device of each installed backend, tried with one real operation."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import MissingPackageError
from .base import require

BACKENDS = ("torch", "onnxruntime", "openvino")


@dataclass(frozen=True)
class DeviceInfo:
    """One device of one backend. ``reason`` says why it is not usable; ``free_bytes`` is None where nothing tells."""

    backend: str
    device: str
    name: str
    usable: bool
    reason: str = ""
    free_bytes: int | None = None


def probe_devices(backends: Sequence[str] = BACKENDS) -> list[DeviceInfo]:
    """Every device of ``backends``, tried with one small operation whose result is checked.

    Imports the frameworks (a second or two for PyTorch). A package that is not installed, or cannot be loaded, is one
    entry with ``usable`` False and the reason. Nothing is raised for a device that does not work.
    """
    probes = {"torch": _torch, "onnxruntime": _onnxruntime, "openvino": _openvino}
    found: list[DeviceInfo] = []
    for backend in backends:
        try:
            found.extend(probes[backend](require(backend)))
        except MissingPackageError as error:
            found.append(DeviceInfo(backend, "cpu", "", False, error.line()))
    return found


def may_have_gpu(backend: str) -> bool:
    """Whether a backend as installed could use a GPU, told without importing it."""
    if backend != "onnxruntime":
        return backend == "torch"
    try:
        spec = find_spec(backend)
    except (ImportError, ValueError):  # ValueError: the module is blocked
        return False
    # The builds for CUDA carry their provider as a library of its own.
    folders = spec.submodule_search_locations or [] if spec else []
    return any(any(Path(folder).glob("capi/*onnxruntime_providers_cuda*")) for folder in folders)


def _torch(torch: Any) -> Iterator[DeviceInfo]:
    def attempt(device: str, name: str, free: int | None) -> DeviceInfo:
        try:
            x = torch.ones((1, 1, 4, 4), device=device)
            y = torch.nn.functional.conv2d(x, torch.ones((1, 1, 3, 3), device=device))
            _expect(y.cpu().numpy(), 9.0)
        except Exception as error:  # whatever a driver throws
            return DeviceInfo("torch", device, name, False, _reason(error), free)
        return DeviceInfo("torch", device, name, True, "", free)

    if torch.cuda.is_available():
        for number in range(torch.cuda.device_count()):
            try:
                name, free = torch.cuda.get_device_name(number), torch.cuda.mem_get_info(number)[0]
            except Exception as error:
                yield DeviceInfo("torch", f"cuda:{number}", "", False, _reason(error))
                continue
            yield attempt(f"cuda:{number}", name, free)
    if getattr(torch.backends, "mps", None) is not None and torch.backends.mps.is_available():
        yield attempt("mps", "Apple GPU", None)
    yield attempt("cpu", cpu_name(), free_memory())


def _onnxruntime(runtime: Any) -> Iterator[DeviceInfo]:
    from .onnxruntime_backend import OnnxRuntimeBackend

    def attempt(device: str, name: str, free: int | None) -> DeviceInfo:
        try:
            backend = OnnxRuntimeBackend(_DOUBLING, device, threads=1)
            _expect(backend.run(np.ones((1, 1, 2, 2), np.float32)), 2.0)
            backend.close()
        except Exception as error:
            return DeviceInfo("onnxruntime", device, name, False, _reason(error), free)
        return DeviceInfo("onnxruntime", device, name, True, "", free)

    if "CUDAExecutionProvider" in runtime.get_available_providers():
        # ONNX Runtime lists no devices: ask for one after another until one is not there.
        for number in range(16):
            info = attempt(f"cuda:{number}", "CUDA device", None)
            if not info.usable and number:
                break
            yield info
            if not info.usable:
                break
    yield attempt("cpu", cpu_name(), free_memory())


def _openvino(openvino: Any) -> Iterator[DeviceInfo]:
    try:
        x = openvino.opset13.parameter([1, 1, 2, 2], np.float32)
        model = openvino.Model([openvino.opset13.add(x, x)], [x], "probe")
        compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        _expect(compiled([np.ones((1, 1, 2, 2), np.float32)])[0], 2.0)
    except Exception as error:
        yield DeviceInfo("openvino", "cpu", cpu_name(), False, _reason(error), free_memory())
        return
    yield DeviceInfo("openvino", "cpu", cpu_name(), True, "", free_memory())


def _expect(result: np.ndarray, value: float) -> None:
    if not np.allclose(result, value):
        raise RuntimeError("the device computes wrong results")


def _reason(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def cpu_name() -> str:
    """The processor's name, or its architecture where the system does not tell."""
    import platform

    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as lines:  # noqa: PTH123
            for line in lines:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def free_memory() -> int | None:
    """Memory in bytes a new process could use without swapping; None where the system does not tell."""
    try:
        with open("/proc/meminfo", encoding="ascii", errors="replace") as lines:  # noqa: PTH123
            for line in lines:
                if line.startswith("MemAvailable"):
                    return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def _field(number: int, content: bytes | int) -> bytes:
    """One protobuf field with a number below 16: a whole number below 128, or bytes shorter than that."""
    if isinstance(content, int):
        return bytes((number << 3, content))
    return bytes((number << 3 | 2, len(content))) + content


def _tensor(name: bytes) -> bytes:
    # ValueInfoProto of a float tensor of four unnamed dimensions.
    kind = _field(1, _field(1, 1) + _field(2, _field(1, b"") * 4))
    return _field(1, name) + _field(2, kind)


#: A whole ONNX model, y = x + x, so that the probe needs no file and no onnx package (IR version 8, opset 13).
_DOUBLING = (
    _field(1, 8)
    + _field(
        7,
        _field(1, _field(1, b"x") + _field(1, b"x") + _field(2, b"y") + _field(4, b"Add"))
        + _field(2, b"probe")
        + _field(11, _tensor(b"x"))
        + _field(12, _tensor(b"y")),
    )
    + _field(8, _field(1, b"") + _field(2, 13))
)
