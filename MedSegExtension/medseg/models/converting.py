"""From one model format to another, with the card carried over and both sides run on the same slices.

What stands between the formats is a PyTorch module: the one that runs here, or, for ONNX, its graph rebuilt operator by
operator (`onnx_network`). An ONNX file that stays ONNX is never rebuilt.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..backends import require
from ..backends.wiring import Ports
from ..card import Architecture, ModelCard
from ..errors import Cancelled, InputError, MedSegError
from ..progress import Progress, ProgressCallback
from ..version import __version__
from .detect import Format
from .embed import embed_card
from .inspecting import static_report
from .keras_file import with_graph
from .model import Model
from .opening import open_model, ports_of
from .package import Package
from .ports import apply_ports, choose
from .probing import slice_size
from .report import ModelReport
from .writing import PARITY, check_target, move_into_place, target_format, write_model
from .writing.parity import Difference, check_parity, compare_outputs, sample_slices

#: What weights can be stored, or computed with, in.
PRECISIONS = ("float32", "float16", "int8")
#: Largest loss of Dice or clDice, in points of a hundred, that a smaller file may cost.
LARGEST_LOSS = 0.5

Stage = Callable[[str, float], None]


@dataclass(frozen=True)
class Conversion:
    """What was written, and how far its output lies from the original's on the same slices.

    ``loss`` is what lower precision costs on the cases given (`writing.measure_loss`), None where it was not measured.
    """

    source: Path
    source_format: str
    file: Path
    format: str
    precision: str
    bytes: int
    has_card: bool
    weights_sha256: str | None
    largest_difference: float
    largest_probability_difference: float | None
    slices: tuple[int, ...]
    loss: dict[str, Any] | None = None

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready data."""
        return {**asdict(self), "source": str(self.source), "file": str(self.file), "slices": list(self.slices)}


def convert_model(
    path: str | Path,
    out: str | Path,
    *,
    card: ModelCard | Mapping[str, Any] | str | Path | None = None,
    format: str | None = None,
    precision: str = "float32",
    cases: str | Path | None = None,
    calibration: str | Path | None = None,
    force: bool = False,
    overwrite: bool = True,
    progress: ProgressCallback | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Conversion:
    """Write the model at ``path`` as ``out``, run both and compare.

    Nothing stands under the name ``out`` unless the outputs agree. This loads the file in this process; the command
    does it in a worker (`isolated.convert_isolated`).

    Parameters
    ----------
    card : in place of the model's own.
    format : one of `writing.WRITABLE`; None goes by the suffix of ``out`` (none: the folder of a MONAI bundle).
    precision : "float32": probabilities within 1e-5 of the original's. "float16": weights stored in half the size,
        arithmetic in float32. "int8": ONNX for processors, quantised per channel (`writing.quantise`).
    cases : folder of images, with reference segmentations or without, on which the loss of Dice and clDice by a lower
        precision is measured (`writing.find_measured_cases` says how it is laid out).
    calibration : folder of images that the ranges of int8 are measured on; None: ``cases``.
    force : accept a loss above 0.5 points, and float16 without cases; it is written into the card all the same.
    overwrite : whether ``out`` may exist already.
    progress, cancelled : as in `medseg.segment`.

    Raises
    ------
    InputError : the model cannot be opened, this conversion is not possible, or the loss is above 0.5 points.
    MedSegError : the written model does not give the original's probabilities.
    """
    path, out = Path(path), Path(out)
    kind = target_format(out, format)
    _check_precision(kind, precision, cases, calibration, force)
    check_target(out, kind, overwrite)
    tell = _stages(progress, cancelled)
    report = static_report(path)
    with tempfile.TemporaryDirectory(prefix=".medseg-", dir=out.resolve().parent) as name:
        made = Path(name) / out.name
        tell("open", 0.0)
        backend = "onnxruntime" if _inner_format(report) == "onnx" else "torch"
        with open_model(path, card=card, backend=backend, device="cpu") as original:
            ports = ports_of(report, original.card)
            if ports is not None:
                apply_ports(report, original.card)
            channels = _channels(original, report)
            if report.format == "keras" and original.card is not None:
                wired = choose(report, original.card)
                original.card = with_graph(original.card, path, wired, kind == "safetensors")
            tell("write", 0.1)
            checksum = _write(original, report, kind, precision, channels, made, calibration or cases, tell, ports)
            size = _patch(original) or slice_size(original, report.multiple_of)
            slices = sample_slices(channels, size)
            new = None if original.card is None else replace(original.card, weights_sha256=checksum)
            tell("compare", 0.4)
            found, loss = _compare(original, made, new, slices, precision, cases, force, out, tell)
            if new is not None:
                record = _record(original.card, report, kind, precision, found, loss)
                new = replace(new, training={**new.training, "conversion": record})
                embed_card(made, new)
        tell("finish", 1.0)
        size_bytes = sum(f.stat().st_size for f in made.rglob("*") if f.is_file()) if made.is_dir() else _size(made)
        move_into_place(made, out, kind, overwrite)
    return Conversion(
        path,
        report.format,
        out,
        kind,
        precision,
        size_bytes,
        new is not None,
        checksum,
        found.raw,
        found.probability,
        found.slices,
        loss,
    )


def _size(file: Path) -> int:
    return file.stat().st_size


def _check_precision(kind: Format, precision: str, cases: Any, calibration: Any, force: bool) -> None:
    if precision not in PRECISIONS:
        raise InputError(f"there is no precision {precision!r}", mend=f"use {', '.join(PRECISIONS)}")
    if precision == "int8" and kind != "onnx":
        raise InputError("int8 is written as ONNX only", mend="give a name that ends in .onnx")
    if precision == "int8" and cases is None:
        raise InputError(
            "int8 needs cases, to measure the ranges of its numbers and what it costs",
            mend="give a folder of images with --cases",
        )
    if precision == "float16" and cases is None and not force:
        raise InputError(
            "what float16 costs must be measured on cases",
            mend="give a folder of images with --cases, or --force to go without",
        )
    if precision == "float32" and (cases is not None or calibration is not None):
        raise InputError(
            "cases measure what a lower precision costs; float32 is compared slice by slice",
            mend="leave --cases out, or give --precision float16 or int8",
        )


def _stages(progress: ProgressCallback | None, cancelled: Callable[[], bool] | None) -> Stage:
    def tell(stage: str, fraction: float) -> None:
        if cancelled is not None and cancelled():
            raise Cancelled
        if progress is not None:
            progress(Progress(stage, round(100 * fraction), 100, fraction))

    return tell


def _inner_format(report: ModelReport) -> str:
    """What the weights are: of a package, those inside of it."""
    return str(report.details.get("inner_format", report.format))


def _channels(model: Model, report: ModelReport) -> int:
    # Without a card a TorchScript file's first kernel tells; the comparison would show it to be wrong.
    channels = model.in_channels or report.in_channels
    if channels is None:
        raise InputError(
            "the number of input channels is not known without a card", file=model.path, mend="give a card with --card"
        )
    return channels


def _write(
    model: Model,
    report: ModelReport,
    kind: Format,
    precision: str,
    channels: int,
    path: Path,
    calibration: str | Path | None,
    tell: Stage,
    ports: Ports | None,
) -> str | None:
    """Write the model without its final card, and return the checksum of its weights.

    What is written has one input and one output, so that the card needs no names of them any more.
    """
    if model.preparer is not None and kind == "monai_bundle":
        raise InputError(
            "the transforms of a MONAI bundle cannot prepare volumes as nnU-Net does",
            file=report.path,
            mend="choose ONNX: its card takes nnU-Net's preparation along",
        )
    inner = _inner_format(report)
    if inner == kind == report.format != "onnx" and precision == "float32" and report.path.is_file():
        shutil.copyfile(report.path, path)
        return None if model.card is None else model.card.weights_sha256
    wanted = None
    if model.card is not None:
        wanted, model.card = model.card.output.tensor, model.card.without_tensors()
    if inner == "onnx":
        with _onnx_file(report) as source:
            return _from_onnx(source, model, report, kind, precision, channels, path, calibration, tell, ports)
    module = getattr(model.backend, "module", None)
    if inner == "nnunet":
        module = _folds(model, report)
    if _is_script(module):
        module = _one_output(module, model, channels, report.multiple_of, wanted)
    if module is None:
        raise InputError(f"{report.format} cannot be converted to {kind}", file=report.path, mend="use it as it is")
    if inner == "pt2" and kind == "safetensors" and report.format == "pt2":
        module = _named_again(report, model)
    if kind == "pt2" and _is_script(module):
        # PyTorch has no public way from TorchScript to an exported program but through ONNX.
        from .onnx_module import onnx_module

        plain = path.with_name("script.onnx")
        _module(module, model, report, "onnx", False, channels, plain)
        module, _ = onnx_module(plain, report.path)
        plain.unlink()
    if precision == "int8":
        from .writing.quantise import quantise

        plain = path.with_name("float32.onnx")
        _module(module, model, report, "onnx", False, channels, plain)
        checksum = quantise(plain, path, model, calibration, tell)
        plain.unlink()
        return checksum
    return _module(module, model, report, kind, precision == "float16", channels, path)


def _named_again(report: ModelReport, model: Model) -> Any:
    """The network of the card's architecture with the tensors of an exported program, which keeps their names."""
    from ..networks import build_network
    from .pt2_file import load_program

    if model.card is None or model.card.architecture is None:
        raise InputError(
            "weights alone need a card that names their architecture",
            file=report.path,
            mend="give the card with --card, or choose ONNX",
        )
    network = build_network(model.card.architecture)
    _, tensors = load_program(report.path)
    try:
        network.load_state_dict(tensors, strict=True)
    except RuntimeError:
        raise InputError(
            f"the tensors of the exported program are not those of {model.card.architecture.name}",
            file=report.path,
            mend="choose ONNX",
        ) from None
    return network.eval()


def _is_script(module: Any) -> bool:
    return isinstance(module, require("torch").jit.ScriptModule)


def _module(module: Any, model: Model, report: ModelReport, kind: Format, half: bool, channels: int, path: Path) -> str:
    try:
        return write_model(
            module,
            model.card,
            path,
            kind,
            half=half,
            channels=channels,
            multiple_of=report.multiple_of,
            fixed_size=model.fixed_size if report.format in ("pt2", "onnx") else None,
        ).weights_sha256
    except InputError as error:
        if error.file is None or error.file == str(path):
            raise type(error)(error.what, file=report.path, mend=error.mend) from error
        raise


def _folds(model: Model, report: ModelReport) -> Any:
    """What nnU-Net's folds answer to a patch, in the mean; the card names the network and takes its plans along."""
    from ..networks.nnunet import FoldMean
    from .nnunet_card import read_preparation

    assert report.card_text is not None
    own = ModelCard.from_json(report.card_text, report.path)
    plans, _ = read_preparation(own, report.path)
    networks: Any = model.backend.module.networks  # type: ignore[attr-defined]
    network = dict(plans.network)
    arguments = {
        "in_channels": network.pop("inputs"),
        "out_channels": plans.heads,
        **{name: [list(n) if isinstance(n, tuple) else n for n in v] if isinstance(v, list) else v
           for name, v in network.items()},
        "members": len(networks),
    }  # fmt: skip
    model.card = replace(model.card or own, preparation=own.preparation, architecture=Architecture("nnunet", arguments))
    return FoldMean(list(networks)).eval()


def _one_output(module: Any, model: Model, channels: int, multiple_of: int | None, wanted: str | None) -> Any:
    """The script module, or where it answers with several tensors one around it that gives the one in use."""
    torch = require("torch")
    from ..backends.torch_backend import one_tensor

    height, width = slice_size(model, multiple_of)
    with torch.inference_mode():
        example = torch.zeros(2, channels, height, width)
        if isinstance(module(example), torch.Tensor):
            return module

        class Chosen(torch.nn.Module):  # type: ignore[name-defined]
            def __init__(self) -> None:
                super().__init__()
                self.inner = module

            def forward(self, x: Any) -> Any:
                return one_tensor(torch, self.inner(x), wanted)

        return torch.jit.trace(Chosen().eval(), example)


def _from_onnx(
    source: Path,
    model: Model,
    report: ModelReport,
    kind: Format,
    precision: str,
    channels: int,
    path: Path,
    calibration: str | Path | None,
    tell: Stage,
    ports: Ports | None,
) -> str | None:
    if kind == "onnx":
        from .writing.onnx_half import store_half
        from .writing.onnx_inside import copy_inside
        from .writing.quantise import onnx_checksum, quantise

        if precision == "int8":
            plain = path.with_name("float32.onnx")
            copy_inside(source, plain, ports)
            quantise(plain, path, model, calibration, tell)
            plain.unlink()
        else:
            copy_inside(source, path, ports)
            if precision == "float16":
                store_half(path)
        if precision != "float32":
            return onnx_checksum(path)
        return None if model.card is None else model.card.weights_sha256
    from .onnx_module import onnx_module

    module, architecture = onnx_module(source, report.path, ports)
    if kind == "safetensors" and model.card is not None:
        # Weights of a graph whose layers were folded fit no named network: the graph travels in the card.
        model.card = replace(model.card, architecture=architecture)
    return _module(module, model, report, kind, precision == "float16", channels, path)


@contextmanager
def _onnx_file(report: ModelReport) -> Iterator[Path]:
    if report.format == "onnx":
        yield report.path
        return
    with Package(report.path).local(report.details["weights_file"]) as file:
        yield file


def _compare(
    original: Model,
    made: Path,
    card: ModelCard | None,
    slices: np.ndarray,
    precision: str,
    cases: str | Path | None,
    force: bool,
    out: Path,
    tell: Stage,
) -> tuple[Difference, dict[str, Any] | None]:
    """Both sides on the same slices and, with a lower precision, on the cases. Raises where they differ too much."""
    backend = "onnxruntime" if made.suffix.lower() == ".onnx" else "torch"
    with open_model(made, card=card, backend=backend, device="cpu") as written:
        before, after = _plain_run(original), _plain_run(written)
        try:
            found = compare_outputs(before, after, slices, card)
            if precision == "float32":
                check_parity(found, float(np.abs(before(slices[:1])).max()))
        except MedSegError as error:
            raise type(error)(error.what, file=out, mend=error.mend) from None
        if cases is None:
            return found, None
        from .writing.loss import check_loss, measure_loss

        loss = measure_loss(original, written, cases, lambda share: tell("measure", 0.4 + 0.6 * share))
    check_loss(loss, LARGEST_LOSS, force, out)
    return found, loss


def _patch(model: Model) -> tuple[int, int] | None:
    """The size of patches of a network of nnU-Net's; None for others."""
    from .nnunet_card import read_preparation

    if model.preparer is None or model.card is None or not model.card.preparation:
        return None
    return read_preparation(model.card, model.path)[0].patch


def _plain_run(model: Model) -> Callable[[np.ndarray], np.ndarray]:
    """What the network answers; of nnU-Net's to a patch, without mirrors and sums, which are rounded coarsely."""
    inner = getattr(model.backend, "inner", None)
    if inner is not None:
        return inner.run
    module = getattr(model.backend, "module", None)
    if model.format != "nnunet" or module is None:
        return model.run
    from ..backends.torch_backend import TorchBackend
    from ..networks.nnunet import FoldMean

    return TorchBackend(FoldMean(list(module.networks)), "cpu").run


def _record(
    before: ModelCard | None,
    report: ModelReport,
    kind: Format,
    precision: str,
    found: Difference,
    loss: dict[str, Any] | None,
) -> dict[str, Any]:
    """What the card's provenance says of the conversion; an earlier one stays inside as ``before``."""
    record: dict[str, Any] = {
        "from": report.format,
        "to": kind,
        "precision": precision,
        "largest_probability_difference": found.probability,
        "slices": list(found.slices),
        "software": {"medseg": __version__},
    }
    if precision == "float32":
        record["limit"] = PARITY
    elif loss is None:
        record["loss"] = "not measured"
    else:
        record["loss"] = loss
    if before is not None and "conversion" in before.training:
        record["before"] = before.training["conversion"]
    return record
