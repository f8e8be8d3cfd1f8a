"""A PyTorch module as a graph in a file: ONNX, exported program (``.pt2``), TorchScript.

Batch, height and width stay free wherever PyTorch can follow them. A module that takes slices of one size only is
written with that size.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...backends import require
from ...errors import InputError, MedSegError

#: The newest that every ONNX Runtime since 1.17 and OpenVINO since 2024 read.
OPSET = 20
#: The older exporter, the only one that takes TorchScript, ends here.
OPSET_SCRIPT = 17
MAX_BATCH, MAX_SIDE = 4096, 8192


@dataclass(frozen=True)
class SliceShape:
    """What a network takes: ``channels``, and slices whose sides are multiples of ``step`` or are ``fixed``.

    ``usual`` is the size its card brings slices to; it is written where PyTorch cannot keep the size free.
    """

    channels: int
    step: int = 1
    fixed: tuple[int, int] | None = None
    usual: tuple[int, int] | None = None

    def example(self, torch: Any) -> Any:
        """Zeros of a shape the network takes; a batch of 1 or a square slice would be taken for constants."""
        height, width = self.fixed or (4 * self.step, 6 * self.step)
        return torch.zeros(2, self.channels, height, width)


class _Refused(Exception):
    """PyTorch cannot export with these sizes free; ``args[0]`` is its own first line."""


def write_onnx(module: Any, shape: SliceShape, path: Path) -> None:
    """Write ``module`` as ONNX, weights inside. Raises InputError, MissingPackageError."""
    torch = require("torch")
    require("onnx")
    require("onnxscript", "torch")
    if isinstance(module, torch.jit.ScriptModule):
        return _script_to_onnx(torch, module, shape, path)

    def export(sizes: SliceShape) -> None:
        torch.onnx.export(
            module,
            (sizes.example(torch),),
            str(path),
            dynamo=True,
            # Weights inside the file: the exporter's own choice is a second file beside it.
            external_data=False,
            opset_version=OPSET,
            verbose=False,
            input_names=["slices"],
            output_names=["logits"],
            dynamic_shapes=(_free(torch, sizes),),
        )

    _freest(torch, shape, export, "ONNX")


def write_program(module: Any, shape: SliceShape, path: Path) -> None:
    """Write ``module`` as an exported program. Raises InputError."""
    torch = require("torch")
    if isinstance(module, torch.jit.ScriptModule):
        raise InputError(
            "PyTorch cannot make an exported program of a TorchScript module",
            mend="convert it to ONNX, and the ONNX file to .pt2",
        )

    def export(sizes: SliceShape) -> None:
        # A fixed example of zeros travels along as the program's sample input; nothing of anybody's data does.
        program = torch.export.export(
            module, (sizes.example(torch),), dynamic_shapes=(_free(torch, sizes),), strict=False
        )
        torch.export.save(program, str(path))

    _freest(torch, shape, export, "an exported program")


def write_script(module: Any, shape: SliceShape, path: Path) -> None:
    """Write ``module`` as TorchScript, by tracing; one that is TorchScript already stays as it is."""
    torch = require("torch")
    with _quiet(torch):
        if not isinstance(module, torch.jit.ScriptModule):
            with torch.inference_mode():
                module = torch.jit.trace(module, shape.example(torch))
        torch.jit.save(module, str(path))


def _freest(torch: Any, shape: SliceShape, export: Any, what: str) -> None:
    """``export`` with sizes free, and where PyTorch cannot follow them, with the size that is known."""
    try:
        return _try(torch, export, shape)
    except _Refused as refusal:
        reason = str(refusal)
    # Something in the network reads the size of its slices as a number.
    if shape.fixed is None and shape.usual is not None:
        try:
            return _try(torch, export, replace(shape, fixed=shape.usual))
        except _Refused as refusal:
            reason = str(refusal)
    sizes = " with slices of any size" if shape.fixed is None and shape.usual is None else ""
    mend = "give a card whose input.size has height and width, or choose another format" if sizes else None
    raise InputError(
        f"PyTorch cannot write this network as {what}{sizes} ({reason})", mend=mend or "choose another format"
    )


def _try(torch: Any, export: Any, shape: SliceShape) -> None:
    try:
        with _quiet(torch), torch.no_grad():
            export(shape)
    except (MedSegError, MemoryError):
        raise
    except Exception as error:  # the exporters raise some twenty kinds, most of them private
        raise _Refused(_line(error)) from error


def _free(torch: Any, shape: SliceShape) -> dict[int, Any]:
    free = {0: torch.export.Dim("batch", min=1, max=MAX_BATCH)}
    if shape.fixed is None:
        for axis, name in ((2, "height"), (3, "width")):
            steps = torch.export.Dim(f"{name}_steps" if shape.step > 1 else name, min=1, max=MAX_SIDE // shape.step)
            free[axis] = shape.step * steps if shape.step > 1 else steps
    return free


def _script_to_onnx(torch: Any, module: Any, shape: SliceShape, path: Path) -> None:
    axes = {0: "batch"} if shape.fixed else {0: "batch", 2: "height", 3: "width"}
    try:
        with _quiet(torch), torch.no_grad():
            torch.onnx.export(
                module,
                (shape.example(torch),),
                str(path),
                dynamo=False,
                opset_version=OPSET_SCRIPT,
                input_names=["slices"],
                output_names=["logits"],
                dynamic_axes={"slices": axes, "logits": axes},
            )
    except (RuntimeError, torch.onnx.errors.OnnxExporterError) as error:
        raise InputError(
            f"PyTorch cannot export this TorchScript module to ONNX ({_line(error)})",
            mend="export it from the code that made it",
        ) from error


def _line(error: BaseException) -> str:
    text = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    return (text or type(error).__name__)[:200]


@contextmanager
def _quiet(torch: Any) -> Iterator[None]:
    """The exporters tell at length of packages they could use and of their own future."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "torch.export", "torch._dynamo", "onnxscript")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
