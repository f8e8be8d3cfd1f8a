from __future__ import annotations

import sys
import types

import numpy as np
import pytest
from medseg.backends import Choice, DeviceInfo, choose_device, out_of_memory, probe_devices
from medseg.backends.base import memory_errors, require
from medseg.errors import DeviceOutOfMemory, InputError, MissingPackageError
from medseg.models import open_model

GIB = 1 << 30
CPU = [DeviceInfo(b, "cpu", "a processor", True, "", GIB) for b in ("openvino", "onnxruntime", "torch")]
CUDA = [DeviceInfo("torch", f"cuda:{n}", "a GPU", True, "", 8 * GIB) for n in (0, 1)]


@pytest.fixture
def machine(monkeypatch):
    """Pretend that the probe found these devices."""

    def pretend(devices: list[DeviceInfo]) -> None:
        monkeypatch.setattr(
            "medseg.backends.choice.probe_devices", lambda backends: [d for d in devices if d.backend in backends]
        )

    return pretend


def test_the_probe_tries_every_backend_that_is_installed() -> None:
    found = {info.backend: info for info in probe_devices() if info.device == "cpu"}
    assert set(found) == {"torch", "onnxruntime", "openvino"}
    for info in found.values():
        assert info.usable, info.reason
        assert info.free_bytes is None or info.free_bytes > 0


def test_a_missing_package_is_a_device_with_the_reason(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    (info,) = probe_devices(["openvino"])
    assert not info.usable and "medseg[openvino]" in info.reason


def test_a_package_that_cannot_load_is_told_from_a_missing_one(tmp_path, monkeypatch) -> None:
    (tmp_path / "broken_runtime.py").write_text("raise ImportError('libcudart.so: cannot open shared object file')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MissingPackageError, match=r"installed but cannot be loaded.*libcudart"):
        require("broken_runtime", "torch")


def test_a_device_that_computes_nonsense_is_not_usable(monkeypatch) -> None:
    monkeypatch.setattr("medseg.backends.onnxruntime_backend.OnnxRuntimeBackend.run", lambda self, x: x * 3)
    (info,) = probe_devices(["onnxruntime"])
    assert not info.usable and "wrong results" in info.reason


@pytest.mark.parametrize(
    ("device", "backends", "wanted"),
    [
        ("auto", ("openvino", "onnxruntime"), ("openvino", "cpu")),
        ("auto", ("onnxruntime", "torch"), ("torch", "cuda:0")),
        ("cpu", ("torch",), ("torch", "cpu")),
        ("cuda", ("torch",), ("torch", "cuda:0")),
        ("cuda:1", ("torch",), ("torch", "cuda:1")),
    ],
)
def test_a_gpu_comes_first_then_the_order_of_the_backends(machine, device, backends, wanted) -> None:
    machine([*CPU, *CUDA])
    choice = choose_device(device, backends)
    assert (choice.backend, choice.device) == wanted
    assert choice.backend in choice.why


def test_the_choice_says_why_a_better_one_was_passed_over(machine) -> None:
    broken = DeviceInfo("torch", "cuda:0", "a GPU", False, "the driver is too old")
    machine([broken, *CPU])
    choice = choose_device("auto", ("torch",))
    assert choice.device == "cpu" and "the driver is too old" in choice.why
    machine([DeviceInfo("openvino", "cpu", "", False, "not installed"), CPU[1]])
    assert "not installed" in choose_device("auto", ("openvino", "onnxruntime")).why


def test_a_device_that_is_not_there_is_refused_with_what_is(machine) -> None:
    machine(CPU)
    with pytest.raises(InputError, match=r"cuda:3 is not usable .no such device.*usable here: cpu"):
        choose_device("cuda:3", ("torch",))
    with pytest.raises(InputError, match="no device 'gpu'"):
        choose_device("gpu", ("torch",))


def test_no_backend_installed_says_what_to_install(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingPackageError) as caught:
        choose_device("auto", ("openvino", "onnxruntime"))
    assert "medseg[onnx]" in caught.value.line() and "medseg[openvino]" in caught.value.line()


def fake(name: str, module: str = "builtins", base: type = RuntimeError) -> type:
    kind = type(name, (base,), {})
    kind.__module__ = module
    return kind


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        fake("OutOfMemoryError", "torch")("CUDA out of memory. Tried to allocate 20.00 GiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: you tried 9 bytes"),
        RuntimeError("MPS backend out of memory (MPS allocated: 8 GB)"),
        fake("RuntimeException", "onnxruntime.capi.onnxruntime_pybind11_state", Exception)(
            "Failed to allocate memory for requested buffer of size 1073741824"
        ),
        RuntimeError("Exception from src/inference: std::bad_alloc"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    ],
)
def test_every_frameworks_way_of_running_out_of_memory_is_recognised(error) -> None:
    assert out_of_memory(error)
    with (
        pytest.raises(DeviceOutOfMemory, match="cuda:0 has not enough memory for a batch of 4 slices of 32 × 48"),
        memory_errors("cuda:0", (4, 1, 32, 48)),
    ):
        raise error


def test_other_failures_stay_what_they_are() -> None:
    with pytest.raises(RuntimeError, match="a shape"), memory_errors("cpu"):
        raise RuntimeError("a shape does not fit")


def test_a_model_moves_to_the_cpu_when_the_device_is_full(model_files, card, slices, expected) -> None:
    """The device is pretended: its backend has room for opening only."""

    class Full:
        name, device, closed = "onnxruntime", "cuda:0", False

        def run(self, batch: np.ndarray) -> np.ndarray:
            with memory_errors(self.device, batch.shape):
                raise RuntimeError("CUDA out of memory")

        def close(self) -> None:
            Full.closed = True

    model = open_model(model_files["onnx"], backend="onnxruntime", device="cpu")
    model.backend, model.choice = Full(), Choice("onnxruntime", "cuda:0", "pretended")
    with pytest.raises(DeviceOutOfMemory):
        model.run(slices)
    model.move_to_cpu()
    assert Full.closed and model.choice.device == "cpu"
    assert any("cuda:0 ran out of memory" in warning for warning in model.warnings)
    np.testing.assert_allclose(model.run(slices), expected, atol=1e-5)


def test_openvino_is_told_its_precision_and_bfloat16_if_asked(model_files, slices, expected, monkeypatch) -> None:
    openvino = pytest.importorskip("openvino")
    told = []
    compile_model = openvino.Core.compile_model

    def spy(self, model, device, settings):
        if "PERFORMANCE_HINT" in settings:  # not the probe
            told.append(settings["INFERENCE_PRECISION_HINT"])
        return compile_model(self, model, device, settings)

    monkeypatch.setattr(openvino.Core, "compile_model", spy)
    for precision in ("float32", "bfloat16"):
        with open_model(model_files["onnx"], backend="openvino", device="cpu", precision=precision) as model:
            result = model.run(slices)
        assert np.abs(result - expected).max() < (1e-5 if precision == "float32" else 0.1)
    assert told == ["f32", "bf16"]


@pytest.mark.parametrize(("kind", "backend"), [("onnx", "onnxruntime"), ("onnx", "openvino"), ("safetensors", "torch")])
def test_the_number_of_threads_changes_nothing_but_the_time(carded, slices, expected, kind, backend) -> None:
    import torch

    before = torch.get_num_threads()
    try:
        with open_model(carded[kind], backend=backend, device="cpu", threads=1) as model:
            np.testing.assert_allclose(model.run(slices), expected, atol=1e-5)
    finally:
        torch.set_num_threads(before)


def test_a_model_of_several_outputs_is_refused_by_torch_in_words() -> None:
    import torch
    from medseg.backends.torch_backend import TorchBackend

    class Two(torch.nn.Module):
        def forward(self, x):
            return x, x

    with pytest.raises(InputError, match="2 outputs"):
        TorchBackend(Two()).run(np.zeros((1, 1, 8, 8), np.float32))


def test_a_closed_backend_says_so(model_files) -> None:
    for backend in ("onnxruntime", "openvino"):
        model = open_model(model_files["onnx"], backend=backend, device="cpu")
        model.close()
        with pytest.raises(RuntimeError, match="closed"):
            model.run(np.zeros((1, 1, 8, 8), np.float32))


def test_modules_of_backends_need_no_framework_to_be_imported() -> None:
    import medseg.backends.onnxruntime_backend as ort
    import medseg.backends.openvino_backend as ov
    import medseg.backends.torch_backend as tb

    for module in (ort, ov, tb):
        names = {value.__name__ for value in vars(module).values() if isinstance(value, types.ModuleType)}
        assert not names & {"torch", "onnxruntime", "openvino"}
