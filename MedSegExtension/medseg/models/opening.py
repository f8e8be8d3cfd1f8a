"""`open_model`: static checks, card, backend."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..backends import PRECISIONS, Backend, Choice, choose_device
from ..backends.wiring import Ports
from ..card import ModelCard
from ..errors import InputError, UnsafeModelError
from .bioimageio_package import open_bioimageio
from .card_lookup import find_card
from .inspecting import WITH_PORTS, static_report, use_card
from .keras_file import open_keras_model
from .model import Model
from .monai_bundle import open_monai_bundle
from .nnunet_folder import open_nnunet, preparer_of
from .ports import check_clear, choose
from .pt2_file import open_pt2
from .report import ModelReport
from .state_dict_file import complete_card, open_state_dict, with_architecture
from .unchanged import Seen, check_unchanged, seen

if TYPE_CHECKING:
    from ..preprocess import Preparer


def backends_for(format: str) -> tuple[str, ...]:
    """The backends that run a format, fastest on this kind of processor first."""
    if format == "onnx":
        # OpenVINO's kernels are the fastest where they were made for the processor.
        x86 = platform.machine().lower() in ("x86_64", "amd64")
        return ("openvino", "onnxruntime") if x86 else ("onnxruntime", "openvino")
    return ("torch",)


#: Formats whose files know how to open themselves.
_OPENERS: dict[str, Callable[[ModelReport, Choice, int | None, str], Backend]] = {
    "pt2": open_pt2,
    "bioimageio": open_bioimageio,
    "monai_bundle": open_monai_bundle,
    "nnunet": open_nnunet,
    "state_dict": open_state_dict,
    "keras": open_keras_model,
}


def open_model(
    path: str | Path,
    *,
    card: ModelCard | Mapping[str, Any] | str | Path | None = None,
    backend: str | None = None,
    device: str = "auto",
    isolate: bool = False,
    threads: int | None = None,
    precision: str = "float32",
) -> Model:
    """Open a model file or package of any format that `inspect_model` knows.

    The static checks of `inspect_model` always run first and refuse what could run code or exhaust the machine. Then
    the framework loads the file, by default in this very process: with ``isolate=False`` a flaw in the framework's own
    reader is not walled off. With ``isolate=True`` a worker process opens the file first, under limits of memory (8
    GiB, held on Linux) and time (60 s), and runs one slice: what breaks a reader breaks it there, and is refused here.
    The model itself then runs in this process; the worker (`medseg.client`) keeps that apart too.

    Parameters
    ----------
    path : the model file; its format is told by content.
    card : a card, a card's JSON data or a card file, in place of the one inside or beside the file.
    backend : "torch", "onnxruntime" or "openvino"; None takes the fastest that is installed and runs this format.
    device : "auto" (a GPU where one works, else the CPU), "cpu", "cuda", "cuda:1", "mps".
    isolate : whether a worker tries the file first; it costs about two seconds.
    threads : CPU threads; None leaves it to the backend.
    precision : "float32", or "bfloat16" where the backend can.

    Raises
    ------
    InputError : damaged, not usable, or card and file contradict each other; the line says what and how to mend it.
    UnsafeModelError : refused because it could run code or exhaust the machine.
    MissingPackageError : the format's backend is not installed.
    """
    path = Path(path)
    if isolate:
        from .isolated import rehearse

        rehearse(path, card, backend)
    if precision not in PRECISIONS:
        raise InputError(f"there is no precision {precision!r}", mend=f"use one of {', '.join(PRECISIONS)}")
    before = seen(path)
    report = static_report(path)
    if path.is_dir() and isinstance(report.details.get("weights_file"), str):
        before |= seen(path / report.details["weights_file"])
    if report.unsafe:
        more = f" (and {len(report.unsafe) - 1} more reasons)" if len(report.unsafe) > 1 else ""
        raise UnsafeModelError(
            f"the model is refused: {report.unsafe[0]}{more}",
            file=path,
            mend="export it from its framework without this",
        )
    found, source = find_card(report, card)
    if found is None and report.format == "safetensors" and "architecture" not in report.details:
        raise InputError(
            "a safetensors file needs a card that names the architecture: its weights are not recognised",
            file=path,
            mend=f"put it beside the file as {path.name}.card.json",
        )
    found = _completed(report, found, source)
    if found is None:
        check_clear(report)
    else:
        use_card(report, found)
        found = with_architecture(report, found)
        report.card, report.card_source = found, source
    choice = choose_device(device, _candidates(report, backend))
    reopen: Callable[[Choice], Backend] = partial(
        _unchanged_backend, before, report, threads=threads, precision=precision
    )
    prepare = None
    if report.format == "nnunet":
        prepare = preparer_of(path)
    elif found is not None and found.preparation:
        reopen, prepare = _planned(report, found, reopen)
    in_channels, out_channels = report.in_channels, report.out_channels
    if report.format == "torchscript":
        # What such a file tells about its channels is a guess, which must not refuse a batch.
        in_channels, out_channels = None if found is None else found.in_channels, None
    model = Model(
        path,
        report.format,
        card=found,
        draft=report.draft,
        missing=report.missing,
        choice=choice,
        reopen=reopen,
        in_channels=in_channels,
        out_channels=out_channels,
        fixed_size=report.fixed_size if prepare is None else None,
        fixed_batch=report.fixed_batch,
        warnings=report.warnings,
    )
    model.preparer = prepare
    return model


def _completed(report: ModelReport, card: ModelCard | None, source: str) -> ModelCard | None:
    """A card from elsewhere keeps what nobody writes by hand of the one inside: nnU-Net's plans, the architecture."""
    if card is None or report.card_text is None or source == "inside the file":
        return card
    try:
        inside = ModelCard.from_json(report.card_text, report.path)
    except InputError:  # the other card is there to stand in for it
        return card
    return replace(
        card,
        preparation=card.preparation or inside.preparation,
        architecture=card.architecture or inside.architecture,
    )


def _planned(
    report: ModelReport, card: ModelCard, reopen: Callable[[Choice], Backend]
) -> tuple[Callable[[Choice], Backend], Callable[..., Preparer]]:
    """A network converted from nnU-Net: its backend patch by patch, and its own preparation. Raises InputError."""
    from .nnunet_card import read_preparation
    from .nnunet_patches import PatchBackend
    from .nnunet_prepare import planned_preparer

    plans, mirror = read_preparation(card, report.path)
    takes, gives = report.in_channels, report.out_channels
    if takes not in (None, len(plans.channels)) or gives not in (None, plans.heads):
        raise InputError(
            f"the card's preparation is for {len(plans.channels)} channels and {plans.heads} outputs, the model takes "
            f"{takes} and gives {gives}",
            file=report.path,
            mend="convert the nnU-Net folder again",
        )
    if report.fixed_size not in (None, plans.patch) or report.fixed_batch not in (None, 1):
        raise InputError(
            "the model is fixed to another size than the patches of its card",
            file=report.path,
            mend="convert the nnU-Net folder again",
        )
    return lambda choice: PatchBackend(reopen(choice), plans.patch, mirror), planned_preparer(plans)


def _candidates(report: ModelReport, backend: str | None) -> tuple[str, ...]:
    # A package runs on what its weights run on.
    known = backends_for(report.details.get("inner_format", report.format))
    if backend is None:
        return known
    if backend not in known:
        raise InputError(
            f"backend {backend!r} cannot run {report.format} files",
            file=report.path,
            mend=f"use {' or '.join(known)}, or convert the model",
        )
    return (backend,)


def ports_of(report: ModelReport, card: ModelCard | None) -> Ports | None:
    """Which inputs and output to use, where the graph has several; None where there is nothing to choose."""
    inner = report.details.get("inner_format", report.format)
    if inner not in WITH_PORTS or (len(report.inputs) == 1 and len(report.outputs) == 1):
        return None
    return choose(report, card)


def _unchanged_backend(
    before: Seen, report: ModelReport, choice: Choice, threads: int | None, precision: str
) -> Backend:
    """As `_backend`, for the file that was checked: looked at before it is loaded, and once more after."""
    check_unchanged(before)
    backend = _backend(report, choice, threads, precision)
    try:
        check_unchanged(before)
    except UnsafeModelError:
        backend.close()
        raise
    return backend


def _backend(report: ModelReport, choice: Choice, threads: int | None, precision: str) -> Backend:
    """The backend of ``choice`` with the model loaded; each framework is imported here and not before."""
    path = report.path
    wired = ports_of(report, report.card)
    if report.format in _OPENERS:
        return _OPENERS[report.format](report, choice, threads, precision)
    if choice.backend == "onnxruntime":
        from ..backends.onnxruntime_backend import OnnxRuntimeBackend

        return OnnxRuntimeBackend(path, choice.device, threads=threads, precision=precision, ports=wired)
    if choice.backend == "openvino":
        from ..backends.openvino_backend import OpenVinoBackend

        return OpenVinoBackend(path, choice.device, threads=threads, precision=precision, ports=wired)
    from ..backends.torch_backend import TorchBackend, open_torchscript

    if report.format == "torchscript":
        wanted = None if report.card is None else report.card.output.tensor
        return open_torchscript(path, choice.device, threads=threads, precision=precision, output=wanted)
    from .safetensors_network import load_network, load_recognised

    if report.details.get("renamed") or report.card is None:
        network = load_recognised(path, complete_card(report, report.card))
        return TorchBackend(network, choice.device, threads=threads, precision=precision)
    assert report.card is not None
    network, warnings = load_network(path, report.card)
    report.warnings += [warning for warning in warnings if warning not in report.warnings]
    return TorchBackend(network, choice.device, threads=threads, precision=precision)
