"""The state dict inside a checkpoint: bare, or under any of the keys that training code uses."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .checkpoint_pickle import StoredArray

MAX_VISITED = 200_000
_MAX_DEPTH = 6
#: Parts of a key that say a table of tensors is not the network's.
_OTHERS = re.compile(r"optim|sched|scaler|criterion|momentum|grad|exp_avg|discriminator|teacher_opt|rng|callback", re.I)
#: Weights averaged over training, which are the ones meant for use.
_AVERAGED = re.compile(r"(^|[^a-z])(ema|swa)([^a-z]|$)|averaged|shadow", re.I)
#: Tensors beside the weights that no network here reads.
_COUNTERS = ("num_batches_tracked", "n_averaged", "initted", "step")


@dataclass(frozen=True)
class StateDict:
    """A table of tensors: where it lies in the checkpoint, and the part of its names that all share."""

    place: str
    prefix: str
    tensors: dict[str, StoredArray]
    averaged: bool

    @property
    def where(self) -> str:
        """In words: ``state_dict, names begin with module.``."""
        place = f"under {self.place!r}" if self.place else "at the top"
        return place + (f", names begin with {self.prefix!r}" if self.prefix else "")


def state_dicts(root: Any) -> Iterator[StateDict]:
    """Each table that may be a network's weights, most likely first: averaged ones, then the largest.

    Of each table first all names, then those that begin with the same words, without these.
    """
    tables = list(_tables(root))
    tables.sort(key=lambda item: (not _AVERAGED.search(item[0]), -len(item[1])))
    for place, tensors in tables:
        parts = sorted(_prefixes(tensors), key=lambda p: (not _AVERAGED.search(p), p.count("."), p))
        for prefix in parts:
            part = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
            averaged = bool(_AVERAGED.search(place) or _AVERAGED.search(prefix))
            if any(len(tensor.shape) == 4 for tensor in part.values()):
                yield StateDict(place, prefix, part, averaged)


def nameless_averages(root: Any) -> str | None:
    """Where averaged weights lie in a list, without names (torch_ema's ``shadow_params``), which are not taken."""
    stack: list[tuple[str, Any, int]] = [("", root, 0)]
    for _ in range(MAX_VISITED):
        if not stack:
            break
        place, value, depth = stack.pop()
        if isinstance(value, (list, tuple)) and _AVERAGED.search(place):
            if any(isinstance(item, StoredArray) for item in value[:1]):
                return place
        elif isinstance(value, dict) and depth < _MAX_DEPTH:
            stack.extend(
                (f"{place}.{name}" if place else name, item, depth + 1)
                for name, item in value.items()
                if isinstance(name, str) and isinstance(item, (dict, list, tuple)) and not _OTHERS.search(name)
            )
    return None


def is_counter(name: str) -> bool:
    """Whether a tensor only counts, and may be missing or left over."""
    return name.rpartition(".")[2] in _COUNTERS


def _tables(root: Any) -> Iterator[tuple[str, dict[str, StoredArray]]]:
    stack, left, seen = [("", root, 0)], MAX_VISITED, set()
    while stack and left:
        place, value, depth = stack.pop()
        left -= 1
        if not isinstance(value, dict) or id(value) in seen or depth > _MAX_DEPTH:
            continue
        seen.add(id(value))
        tensors = {
            name: item for name, item in value.items() if isinstance(name, str) and isinstance(item, StoredArray)
        }
        if any(len(tensor.shape) == 4 for tensor in tensors.values()):
            yield place, tensors
        stack.extend(
            (f"{place}.{name}" if place else name, item, depth + 1)
            for name, item in value.items()
            if isinstance(name, str) and isinstance(item, dict) and not _OTHERS.search(name)
        )


def _prefixes(tensors: dict[str, StoredArray]) -> list[str]:
    """Beginnings of names that could be those of wrappers: none, and every one below which kernels lie."""
    kernels = [name.split(".") for name, tensor in tensors.items() if len(tensor.shape) == 4]
    counts = Counter(".".join(parts[:count]) + "." for parts in kernels for count in range(1, min(len(parts), 5)))
    # Several sets of weights may lie side by side, but none is a small part of the whole.
    return ["", *(prefix for prefix, count in counts.items() if count >= len(kernels) / 4)]
