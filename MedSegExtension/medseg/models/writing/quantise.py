"""An ONNX file in int8 for processors: static quantisation by ONNX Runtime's own tool."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ...backends import require
from ...errors import InputError
from ..checksum import weights_sha256
from ..model import Model
from .measured_cases import find_measured_cases, spread

#: Slices that the ranges are measured on: of each case, and in all.
SLICES_PER_CASE = 24
SLICES = 96


def quantise(
    source: Path,
    target: Path,
    model: Model,
    cases: str | Path | None,
    tell: Callable[[str, float], object] | None = None,
) -> str:
    """Write the float32 ONNX file ``source`` as int8 to ``target``; returns the checksum of its tensors.

    Weights have one scale a channel, activations one a tensor, by the extremes seen on slices of ``cases`` prepared as
    ``model``'s card says. Operators stay as they are between QuantizeLinear and DequantizeLinear, so that any runtime
    reads the file. Raises InputError, MissingPackageError.
    """
    require("onnx")
    require("onnxruntime")
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    assert cases is not None
    slices = list(calibration_slices(model, cases))
    feed = input_name(source)
    loggers = [logging.getLogger(), logging.getLogger("onnxruntime")]
    before = [logger.level for logger in loggers]
    prepared = target.with_name("prepared.onnx")
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
            quantization.quantize_static(
                str(prepared),
                str(target),
                _reader(quantization, feed, slices, tell),
                quant_format=quantization.QuantFormat.QDQ,
                per_channel=True,
                activation_type=quantization.QuantType.QUInt8,
                weight_type=quantization.QuantType.QInt8,
                calibrate_method=quantization.CalibrationMethod.MinMax,
            )
    except (ValueError, RuntimeError, NotImplementedError) as error:
        line = next((text.strip() for text in str(error).splitlines() if text.strip()), type(error).__name__)
        raise InputError(f"ONNX Runtime cannot quantise this model ({line[:200]})", file=model.path) from error
    finally:
        prepared.unlink(missing_ok=True)
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
    return onnx_checksum(target)


def calibration_slices(model: Model, folder: str | Path) -> Iterator[np.ndarray]:
    """(1, C, H, W) float32 slices of the cases, prepared for ``model``. Raises InputError."""
    from ...preprocess import SlicePreparer
    from ..nnunet_card import read_preparation

    card = model.card
    if card is None:
        raise InputError(
            "slices need a model card, which says how they are prepared",
            file=model.path,
            mend="give the card with --card",
        )
    cases = find_measured_cases(folder)
    share = max(1, min(SLICES_PER_CASE, SLICES // len(cases)))
    for case in cases[:SLICES]:
        preparer = (model.preparer or SlicePreparer)(case.volumes(len(card.input.volumes)), card)
        for index in spread(len(preparer.indices), share):
            prepared = preparer.prepare(preparer.indices[index])[None]
            yield prepared if model.preparer is None else _centre(prepared, read_preparation(card, model.path)[0].patch)


def _centre(slices: np.ndarray, patch: tuple[int, int]) -> np.ndarray:
    """The patch in the middle of slices (B, C, H, W), with zeros around it where they are smaller."""
    from ..nnunet_patches import padding

    rows, columns = padding((slices.shape[2], slices.shape[3]), patch)
    whole = np.pad(slices, ((0, 0), (0, 0), rows, columns))
    top, left = ((whole.shape[axis + 2] - patch[axis]) // 2 for axis in (0, 1))
    return np.ascontiguousarray(whole[:, :, top : top + patch[0], left : left + patch[1]])


def _reader(quantization: Any, feed: str, slices: list[np.ndarray], tell: Callable[[str, float], object] | None) -> Any:
    class Reader(quantization.CalibrationDataReader):
        def __init__(self) -> None:
            self.next = 0

        def get_next(self) -> dict[str, np.ndarray] | None:
            if self.next >= len(slices):
                return None
            if tell is not None:
                tell("calibrate", 0.1 + 0.3 * self.next / len(slices))
            self.next += 1
            return {feed: slices[self.next - 1]}

    return Reader()


def input_name(path: Path) -> str:
    """What the image input of an ONNX file is called."""
    graph = require("onnx").load(str(path), load_external_data=False).graph
    stored = {tensor.name for tensor in graph.initializer}
    return next(info.name for info in graph.input if info.name not in stored)


def onnx_checksum(path: Path) -> str:
    """The checksum over the tensors that an ONNX file stores, by their names in it."""
    onnx = require("onnx")
    graph = onnx.load(str(path)).graph
    return weights_sha256({tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer})
