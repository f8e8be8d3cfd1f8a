"""From one model format to another, with the card carried over and both sides run on the same slices.

What stands between the formats is a PyTorch module: a network built from its architecture, or a TorchScript module. So
everything can be made from these two, and nothing yet from ONNX, whose graph would have to become a module first.
"""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..backends import require
from ..card import ModelCard
from ..errors import InputError, MedSegError
from .checksum import weights_sha256
from .detect import Format
from .embed import embed_card
from .inspecting import static_report
from .keras_file import with_graph
from .model import Model
from .opening import open_model

#: Suffixes of the formats that can be written.
SUFFIXES: dict[str, Format] = {
    ".onnx": "onnx",
    ".safetensors": "safetensors",
    ".pt": "torchscript",
    ".ts": "torchscript",
}
#: Largest difference of probabilities that is still rounding.
PARITY = 1e-4
OPSET = 18
_SLICES = 2


@dataclass(frozen=True)
class Conversion:
    """What was written, and how far its output lies from the original's on the same random slices."""

    source: Path
    source_format: str
    file: Path
    format: str
    bytes: int
    has_card: bool
    weights_sha256: str | None
    largest_difference: float
    largest_probability_difference: float | None
    slices: tuple[int, ...]

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready data."""
        return {**asdict(self), "source": str(self.source), "file": str(self.file), "slices": list(self.slices)}


def target_format(out: Path) -> Format:
    """The format to write, by the suffix of ``out``. Raises InputError for one that cannot be written yet."""
    kind = SUFFIXES.get(out.suffix.lower())
    if kind is None:
        raise InputError(
            f"models cannot be written as {out.suffix or 'a folder'} yet",
            file=out,
            mend=f"give a file name that ends in one of {', '.join(SUFFIXES)}",
        )
    return kind


def convert_model(
    path: str | Path, out: str | Path, *, card: ModelCard | Mapping[str, Any] | str | Path | None = None
) -> Conversion:
    """Write the model at ``path`` as ``out``, in the format of its suffix, run both and compare.

    From safetensors, checkpoints, Keras and TorchScript to ONNX (batch and slice size free), TorchScript and
    safetensors; any format to itself, which carries a new ``card`` in. Nothing stands under the name ``out`` unless
    the outputs agree.

    Raises
    ------
    InputError : the model cannot be opened, or this conversion is not possible (yet); the mend says what is.
    MedSegError : the written model does not give the original's probabilities within 1e-4.
    """
    from ..io.atomic import atomic_path

    path, out = Path(path), Path(out)
    kind = target_format(out)
    report = static_report(path)
    if kind != report.format and report.format == "onnx":
        raise InputError(
            f"ONNX cannot be converted to {kind} yet",
            file=path,
            mend="convert the model it was exported from; ONNX itself runs everywhere here",
        )
    with tempfile.TemporaryDirectory(prefix=".medseg-", dir=_folder(out)) as folder:
        backend = "onnxruntime" if report.format == "onnx" else "torch"
        with open_model(path, card=card, backend=backend, device="cpu") as original:
            bare = Path(folder) / f"bare{out.suffix}"
            # Without a card a TorchScript file's first kernel tells; the run below would show it to be wrong.
            channels = original.in_channels or report.in_channels
            if channels is None:
                raise InputError(
                    "the number of input channels is not known without a card",
                    file=path,
                    mend="give a card with --card",
                )
            checksum = original.card.weights_sha256 if original.card else None
            if report.format == "keras" and original.card is not None:
                original.card = with_graph(original.card, path, kind == "safetensors")
            if kind == report.format:
                shutil.copyfile(path, bare)
            else:
                module = original.backend.module  # type: ignore[attr-defined]
                checksum = _write(module, original, kind, bare, channels)
            slices = _slices(original, channels, report.multiple_of)
            new = None if original.card is None else replace(original.card, weights_sha256=checksum)
            raw, probabilities = _compare(original, bare, new, slices, out)
            written = bare
            if new is not None:
                record = {
                    "from": report.format,
                    "largest_probability_difference": probabilities,
                    "slices": list(slices.shape),
                }
                new = replace(new, training={**new.training, "conversion": record})
                written = embed_card(bare, new, Path(folder) / f"carded{out.suffix}")
        with atomic_path(out) as temporary:
            shutil.copyfile(written, temporary)
    return Conversion(
        path, report.format, out, kind, out.stat().st_size, new is not None, checksum, raw, probabilities, slices.shape
    )


def _folder(out: Path) -> Path:
    if not out.parent.is_dir():
        raise InputError("the folder to write to does not exist", file=out.parent, mend="create it or correct the path")
    return out.resolve().parent


def _write(module: Any, model: Model, kind: Format, path: Path, channels: int) -> str:
    """Write ``module`` without a card and return the checksum of its weights."""
    torch = require("torch")
    scripted = isinstance(module, torch.jit.ScriptModule)
    state = {name: tensor.detach().cpu() for name, tensor in module.state_dict().items()}
    if kind == "safetensors":
        if model.card is None or model.card.architecture is None:
            raise InputError(
                "weights alone need a card that names their architecture",
                file=model.path,
                mend="give the card with --card, or convert to ONNX",
            )
        whole = {name: tensor.clone().contiguous() for name, tensor in state.items()}
        require("safetensors.torch", "torch").save_file(whole, str(path))
    else:
        step = int(getattr(module, "multiple_of", 32))
        # A batch of 1 or a square slice would be taken for constants.
        example = torch.zeros(2, channels, 4 * step, 6 * step)
        with warnings.catch_warnings(), torch.inference_mode():
            warnings.simplefilter("ignore")
            if kind == "torchscript":
                torch.jit.save(torch.jit.trace(module, example), str(path))
            elif scripted:
                _script_to_onnx(torch, module, example, path)
            else:
                _network_to_onnx(torch, module, example, step, path)
    return weights_sha256({name: tensor.numpy() for name, tensor in state.items()})


def _network_to_onnx(torch: Any, module: Any, example: Any, step: int, path: Path) -> None:
    dynamic = {0: torch.export.Dim("batch", min=1, max=4096)}
    for axis, name in ((2, "height"), (3, "width")):
        steps = torch.export.Dim(f"{name}_steps", min=1, max=8192 // step)
        dynamic[axis] = step * steps if step > 1 else steps
    # Weights inside the file: the exporter's own choice is a second file beside it.
    torch.onnx.export(
        module,
        (example,),
        str(path),
        dynamo=True,
        external_data=False,
        opset_version=OPSET,
        verbose=False,
        input_names=["slices"],
        output_names=["logits"],
        dynamic_shapes=(dynamic,),
    )


def _script_to_onnx(torch: Any, module: Any, example: Any, path: Path) -> None:
    """Scripted and traced modules go through PyTorch's older exporter, the only one that takes them."""
    free = {0: "batch", 2: "height", 3: "width"}
    try:
        torch.onnx.export(
            module,
            (example,),
            str(path),
            dynamo=False,
            opset_version=OPSET,
            input_names=["slices"],
            output_names=["logits"],
            dynamic_axes={"slices": free, "logits": free},
        )
    except (RuntimeError, torch.onnx.errors.OnnxExporterError) as error:
        line = next((text.strip() for text in str(error).splitlines() if text.strip()), type(error).__name__)
        raise InputError(
            f"PyTorch cannot export this TorchScript module to ONNX ({line})",
            mend="export it from the code that made it",
        ) from error


def _slices(model: Model, channels: int, multiple_of: int | None) -> np.ndarray:
    """Random slices, the same each time, of a size that the model takes."""
    if model.fixed_size is not None:
        height, width = model.fixed_size
    elif model.card is not None and model.card.input.size.height and model.card.input.size.width:
        height, width = model.card.input.size.height, model.card.input.size.width
    else:
        step = max(multiple_of or 32, 32 if model.card is None else model.card.input.size.multiple_of)
        height, width = 4 * step, 3 * step
    rng = np.random.default_rng(0)
    return rng.standard_normal((_SLICES, channels, height, width), dtype=np.float32)


def _compare(
    original: Model, written: Path, card: ModelCard | None, slices: np.ndarray, out: Path
) -> tuple[float, float | None]:
    """Largest difference of raw outputs and, with a card, of probabilities. Raises MedSegError above `PARITY`."""
    from ..inference import activate

    theirs = original.run(slices)
    backend = "onnxruntime" if written.suffix.lower() == ".onnx" else "torch"
    with open_model(written, card=card, backend=backend, device="cpu") as model:
        ours = model.run(slices)
    raw = float(np.abs(theirs - ours).max())
    if card is None:
        probabilities, limit = None, PARITY * max(1.0, float(np.abs(theirs).max()))
        largest = raw
    else:
        activation = card.output.activation
        probabilities = largest = float(np.abs(activate(theirs, activation) - activate(ours, activation)).max())
        limit = PARITY
    if not largest <= limit:
        raise MedSegError(
            f"the written model differs from the original by {largest:.1e}, {limit:.1e} is allowed",
            file=out,
            mend="report it; nothing was written",
        )
    return raw, probabilities
