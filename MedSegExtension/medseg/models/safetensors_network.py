"""From a safetensors checkpoint and the architecture in its card to a network that runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..backends import require
from ..backends.base import memory_errors
from ..card import Architecture, ModelCard
from ..errors import InputError
from .checksum import weights_sha256
from .report import ModelReport
from .safetensors_file import read_header


def fill_from_architecture(report: ModelReport, card: ModelCard) -> None:
    """Channels of the network as the card's architecture gives them. Raises InputError where there is none."""
    if card.architecture is None:
        raise InputError(
            "the card of a safetensors file must name the architecture its weights belong to",
            file=report.path,
            mend="add architecture.name and architecture.arguments to the card",
        )
    arguments = card.architecture.arguments
    report.framework = f"weights of {card.architecture.name}"
    if "graph" in arguments:  # whole graphs have no such arguments: the card's channels are the network's
        report.in_channels, report.out_channels = card.in_channels, None
        return
    report.in_channels = _channels(arguments.get("in_channels", 1))
    report.out_channels = _channels(arguments.get("out_channels", 1))


def _channels(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def load_recognised(path: Path, architecture: Architecture) -> Any:
    """The network of ``architecture``, told by the names in ``path``, which may not be ours. Raises as below."""
    torch = require("torch")
    loader = require("safetensors.torch", "torch")
    from ..networks import build_network
    from .safetensors_recognise import table_of
    from .state_dict_file import fitting

    with torch.device("meta"):
        network = build_network(architecture)
    wanted = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    chosen = fitting(table_of(path, read_header(path)), architecture, wanted)
    with memory_errors("cpu"):
        stored = loader.load_file(str(path))
        tensors = {name: stored[array.storage].float() for name, array in chosen.items()}
        tensors |= {name: torch.zeros((), dtype=torch.long) for name in wanted if name not in tensors}
        network.load_state_dict(tensors, strict=True, assign=True)
    return network.eval().requires_grad_(False)


def load_network(path: Path, card: ModelCard) -> tuple[Any, list[str]]:
    """The network of ``card.architecture`` with the weights of ``path``, in float32 on the CPU, and warnings.

    The network is laid out without memory first and compared with the file's header, so that a card cannot ask for
    more than the file holds.

    Raises
    ------
    InputError : names, shapes or types differ; the first differences are named.
    MissingPackageError : torch or safetensors is not installed.
    """
    torch = require("torch")
    loader = require("safetensors.torch", "torch")
    from ..networks import build_network

    if card.architecture is None:
        raise InputError("the card names no architecture", file=path, mend="add architecture to the card")
    header = read_header(path)
    with torch.device("meta"):
        try:
            network = build_network(card.architecture)
        except InputError as error:
            raise InputError(error.what, file=path, mend=error.mend) from error
    wanted = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    given = {name: tensor.shape for name, tensor in header.tensors.items()}
    # Weights without the counters that only training reads are complete as well.
    counters = {name for name in wanted if name.endswith("num_batches_tracked")} - given.keys()
    _compare(path, card, {name: shape for name, shape in wanted.items() if name not in counters}, given)
    with memory_errors("cpu"):
        tensors = loader.load_file(str(path))
        warnings = _check_sum(tensors, card)
        tensors = {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}
        tensors |= {name: torch.zeros((), dtype=torch.long) for name in counters}
        network.load_state_dict(tensors, strict=True, assign=True)
    return network.eval().requires_grad_(False), warnings


def _check_sum(tensors: dict[str, Any], card: ModelCard) -> list[str]:
    """A warning where the card was written for other weights."""
    if card.weights_sha256 is None or any(str(tensor.dtype) == "torch.bfloat16" for tensor in tensors.values()):
        return []  # numpy, which the checksum is defined on, has no bfloat16
    if weights_sha256({name: tensor.numpy() for name, tensor in tensors.items()}) == card.weights_sha256:
        return []
    return ["the checksum in the card is not that of the weights: the card may belong to another model"]


def _compare(
    path: Path, card: ModelCard, wanted: dict[str, tuple[int, ...]], given: dict[str, tuple[int, ...]]
) -> None:
    assert card.architecture is not None
    lines = [f"{name} is missing" for name in wanted if name not in given]
    lines += [f"{name} is not part of it" for name in given if name not in wanted]
    lines += [
        f"{name} is {list(given[name])} in the file and {list(shape)} in the network"
        for name, shape in wanted.items()
        if name in given and given[name] != shape
    ]
    if lines:
        more = f" and {len(lines) - 3} more" if len(lines) > 3 else ""
        raise InputError(
            f"the weights do not fit the architecture {card.architecture.name} of the card: "
            f"{', '.join(lines[:3])}{more}",
            file=path,
            mend="correct architecture.arguments in the card",
        )
