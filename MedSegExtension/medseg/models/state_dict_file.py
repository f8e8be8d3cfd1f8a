"""PyTorch checkpoints with weights alone (``.pt``, ``.pth``): what they hold, which network it is, and loading it."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import replace
from itertools import islice
from math import prod
from pathlib import Path
from typing import Any, NoReturn, Protocol

import numpy as np

from ..backends import Backend, Choice, require
from ..backends.base import memory_errors
from ..card import Architecture, ModelCard
from ..errors import InputError
from .checkpoint_pickle import Checkpoint, Inert, StoredArray, open_checkpoint
from .report import ModelReport, TensorInfo
from .state_dict_find import StateDict, is_counter, nameless_averages, state_dicts
from .state_dict_recognise import Recognition, recognise

#: Formats that hold no network beside its weights.
WEIGHTS_ALONE = ("state_dict", "safetensors")
#: A view can be stored once and named often; all tensors together are at most this many times the file.
MAX_SHARING = 4
#: Tables of tensors that are looked at in one file.
MAX_TABLES = 200


def inspect_state_dict(path: Path) -> ModelReport:
    """The report of a checkpoint: which weights were chosen, which network they are. Nothing is executed.

    Raises InputError where it holds no weights of a 2D network, UnsafeModelError for a pickle that is refused.
    """
    with open_checkpoint(path) as checkpoint:
        chosen = choose_table(checkpoint)
        if chosen is None:
            _no_weights(checkpoint)
        found, recognition = chosen
        report = ModelReport(path=path, format="state_dict", framework="PyTorch weights")
        report.version = checkpoint.layout
        others = (
            sorted(name for name in checkpoint.root if isinstance(name, str))[:20]
            if found.place and isinstance(checkpoint.root, dict)
            else []
        )
        counted = [
            tensor
            for name, tensor in found.tensors.items()
            if not name.endswith(("running_mean", "running_var")) and not is_counter(name)
        ]
        report.parameters = sum(prod(tensor.shape) for tensor in counted)
        report.details = {
            "weights": found.where,
            "tensors": len(found.tensors),
            "averaged": found.averaged,
            "dtypes": sorted({tensor.dtype for tensor in found.tensors.values()}),
        }
        if others:
            report.details["beside_the_weights"] = others
        if found.averaged:
            report.warnings.append(f"the averaged weights {found.where} were taken, not the last ones of training")
        else:
            nameless = nameless_averages(checkpoint.root)
            if nameless is not None:
                report.warnings.append(
                    f"the averaged weights under {nameless[:80]!r} have no names: the last ones of training were taken"
                )
        describe_weights(report, found, recognition)
    return report


class Rooted(Protocol):
    """What holds tables of tensors: a checkpoint, or a safetensors header in its shape."""

    @property
    def root(self) -> Any: ...
    @property
    def path(self) -> Path: ...


def choose_table(checkpoint: Rooted) -> tuple[StateDict, Recognition | None] | None:
    """The table of weights to use: the first that is recognised, else the most likely one; None without kernels."""
    tables = list(islice(state_dicts(checkpoint.root), MAX_TABLES))
    if not tables:
        return None
    for table in tables:
        recognition = recognise({name: tensor.shape for name, tensor in table.tensors.items()})
        if recognition is not None:
            return table, recognition
    plain = [table for table in tables if not table.prefix]
    return (plain or tables)[0], None


def _no_weights(checkpoint: Checkpoint) -> NoReturn:
    root = checkpoint.root
    if isinstance(root, Inert):
        what = "it holds an object and no table of weights"
    elif isinstance(root, StoredArray):
        what = "it holds one tensor"
    elif isinstance(root, dict):
        what = f"it holds {', '.join(repr(name[:30]) for name in list(root)[:5] if isinstance(name, str)) or 'nothing'}"
    else:
        what = f"it holds a {type(root).__name__.lower()}"
    raise InputError(
        f"this checkpoint has no weights of a 2D network: {what}",
        file=checkpoint.path,
        mend="save model.state_dict() of a 2D segmentation network",
    )


def describe_weights(report: ModelReport, found: StateDict, recognition: Recognition | None) -> None:
    """What the weights tell about their network, into the report."""
    if recognition is None:
        kernels = [tensor.shape for tensor in found.tensors.values() if len(tensor.shape) == 4]
        report.details["network"] = "not recognised"
        report.details["first_kernel"], report.details["last_kernel"] = list(kernels[0]), list(kernels[-1])
        report.warnings.append(
            "which network these weights belong to is not recognised: name it as architecture in the "
            "card" + _first_names(found)
        )
        return
    arguments = recognition.arguments
    report.in_channels, report.out_channels = arguments["in_channels"], arguments["out_channels"]
    report.ends_in = recognition.ends_in
    report.multiple_of = recognition.multiple_of or _multiple(arguments)
    report.inputs = (TensorInfo("input", "float32", (None, report.in_channels, None, None)),)
    report.outputs = (TensorInfo("output", "float32", (None, report.out_channels, None, None)),)
    report.framework = f"PyTorch weights of a {recognition.family}"
    report.details["network"] = recognition.family
    report.details["architecture"] = {"name": recognition.architecture, "arguments": arguments}
    report.details["assumed"], report.details["unknown"] = list(recognition.assumed), list(recognition.unknown)
    if recognition.left:
        report.details["not_used"] = list(recognition.left)[:20]
    if recognition.assumed:
        report.warnings.append(
            "the weights do not tell, and was taken as its family has it: " + ", ".join(recognition.assumed)
        )
    for argument in recognition.unknown:
        report.warnings.append(f"the weights do not tell {argument}: add it to architecture.arguments in the card")


def add_architecture(report: ModelReport) -> None:
    """Put the recognised architecture into the draft of a card, and how sure it is."""
    architecture = report.details.get("architecture")
    if report.format not in WEIGHTS_ALONE or report.card_text is not None:
        return
    if architecture is None:
        report.missing = (*report.missing, "architecture")
        return
    report.draft["architecture"] = architecture
    sure = "likely" if report.details["assumed"] else "certain"
    report.inferred["architecture"] = (
        f"{sure}: names and shapes of all tensors are those of a {report.details['network']}"
    )
    if report.details["unknown"]:
        report.missing = (*report.missing, *(f"architecture.arguments.{name}" for name in report.details["unknown"]))


def complete_card(report: ModelReport, card: ModelCard | None) -> Architecture:
    """The architecture to build: the card's, completed from the weights where both name the same network.

    Raises InputError where neither tells; the mend is what to write into the card.
    """
    recognised = report.details.get("architecture")
    given = None if card is None else card.architecture
    if given is None and recognised is None:
        raise InputError(
            "which network these weights belong to is not recognised",
            file=report.path,
            mend=f"name it as architecture in a card beside it ({report.path.name}.card.json); known are "
            + ", ".join(_known()),
        )
    if recognised is None or (given is not None and given.name != recognised["name"]):
        assert given is not None
        return given
    arguments = {**recognised["arguments"], **(given.arguments if given is not None else {})}
    missing = [name for name in report.details.get("unknown", ()) if name not in arguments]
    if missing:
        raise InputError(
            f"the weights of this {report.details['network']} do not tell its {', '.join(missing)}",
            file=report.path,
            mend=f'add "architecture": {{"name": "{recognised["name"]}", "arguments": {{"{missing[0]}": …}}}} '
            "to the card",
        )
    return Architecture(recognised["name"], arguments)


def with_architecture(report: ModelReport, card: ModelCard) -> ModelCard:
    """The card with the architecture that was recognised, for a file of weights alone; others come back unchanged."""
    if report.format not in WEIGHTS_ALONE:
        return card
    return replace(card, architecture=complete_card(report, card))


def open_state_dict(report: ModelReport, choice: Choice, threads: int | None, precision: str) -> Backend:
    """The network of a checkpoint on PyTorch. Raises as `complete_card` and `load_state_dict_network`."""
    from ..backends.torch_backend import TorchBackend

    network = load_state_dict_network(report.path, complete_card(report, report.card))
    return TorchBackend(network, choice.device, threads=threads, precision=precision)


def _multiple(arguments: Mapping[str, Any]) -> int:
    """By how much the network shrinks a slice, from the arguments that say how many levels it has."""
    if "strides" in arguments:
        return prod(max(step) if isinstance(step, list) else step for step in arguments["strides"])
    if "decoder_widths" in arguments and "widths" not in arguments:
        return 2 ** len(arguments["decoder_widths"])
    if "blocks_up" in arguments:
        return 2 ** len(arguments["blocks_up"])
    if "blocks" in arguments:
        return 2 ** (len(arguments["blocks"]) + 1)
    if "features" in arguments:
        return 16
    return 2 ** (arguments["depth"] if "depth" in arguments else len(arguments["widths"]) - 1)


def load_state_dict_network(path: Path, architecture: Architecture) -> Any:
    """The network of ``architecture`` with the weights of ``path``, float32 on the CPU, in evaluation mode.

    The network is laid out without memory first and compared with the file, so that a card cannot ask for more than the
    file holds. Raises InputError where names or shapes differ, MissingPackageError without torch.
    """
    torch = require("torch")
    from ..networks import build_network

    with open_checkpoint(path) as checkpoint, memory_errors("cpu"):
        with torch.device("meta"):
            network = build_network(architecture)
        wanted = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
        chosen = fitting(checkpoint, architecture, wanted)
        total = sum(prod(array.shape) * 4 for array in chosen.values())
        if total > MAX_SHARING * max(path.stat().st_size, 1 << 20) * 2:
            raise InputError("the tensors are far larger than the file", file=path, mend="save it again")
        tensors = {name: torch.from_numpy(_float(checkpoint.load(array))) for name, array in chosen.items()}
        tensors |= {name: torch.zeros((), dtype=torch.long) for name in wanted if name not in tensors}
        network.load_state_dict(tensors, strict=True, assign=True)
    return network.eval().requires_grad_(False)


def _float(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float32) if array.dtype.kind == "f" else array


def fitting(
    checkpoint: Rooted, architecture: Architecture, wanted: Mapping[str, tuple[int, ...]]
) -> dict[str, StoredArray]:
    """For each tensor of the network the one in the file. Raises InputError naming the first differences."""
    needed = {name: shape for name, shape in wanted.items() if not is_counter(name)}
    best: list[str] = []
    for table in islice(state_dicts(checkpoint.root), MAX_TABLES):
        recognition = recognise({name: tensor.shape for name, tensor in table.tensors.items()})
        for names in ([recognition.names] if recognition and recognition.architecture == architecture.name else []) + [
            {name: name for name in table.tensors}
        ]:
            given = {ours: table.tensors[theirs] for theirs, ours in names.items()}
            problems = _differences(needed, given)
            if not problems:
                return {name: given[name] for name in needed}
            if not best or len(problems) < len(best):
                best = problems
    more = f" and {len(best) - 3} more" if len(best) > 3 else ""
    raise InputError(
        f"the weights do not fit the architecture {architecture.name}: {', '.join(best[:3])}{more}",
        file=checkpoint.path,
        mend="correct architecture.name and architecture.arguments in the card",
    )


def _differences(needed: Mapping[str, tuple[int, ...]], given: Mapping[str, StoredArray]) -> list[str]:
    lines = [f"{name} is missing" for name in needed if name not in given]
    lines += [
        f"{name} is {list(given[name].shape)} in the file and {list(shape)} in the network"
        for name, shape in needed.items()
        if name in given and given[name].shape != shape
    ]
    lines += [
        f"{name} is not part of it"
        for name in given
        if name not in needed
        and not is_counter(name)
        and not name.startswith(("deep_supervision_heads.", "classification_head."))
    ]
    return lines


def _known() -> list[str]:
    try:
        from ..networks import ARCHITECTURES
    except ImportError:  # torch is not installed
        return ["unet2d", "unet2d-b"]
    return list(ARCHITECTURES)


def _first_names(found: StateDict) -> str:
    names = [name for name, tensor in found.tensors.items() if len(tensor.shape) == 4]
    near = difflib.get_close_matches(
        names[0], ["inc.double_conv.0.weight", "encoder.conv1.weight", "model.0.conv.weight"]
    )
    return f" (its tensors begin with {names[0][:80]!r}" + (f", like {near[0]!r}" if near else "") + ")"
