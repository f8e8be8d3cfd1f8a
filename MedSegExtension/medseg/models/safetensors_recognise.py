"""Which network a safetensors file without a card belongs to: told as for checkpoints, by names and shapes."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from .checkpoint_pickle import StoredArray
from .report import ModelReport
from .safetensors_file import Header
from .state_dict_file import choose_table, describe_weights


@dataclass(frozen=True)
class Table:
    """A header in the shape of a checkpoint: one table of tensors, whose ``storage`` is the name in the file."""

    path: Path
    root: dict[str, Any]


def table_of(path: Path, header: Header) -> Table:
    """The tensors of a header as `state_dict_find.state_dicts` looks through them."""
    return Table(path, {
        name: StoredArray(name, tensor.dtype, prod(tensor.shape), 0, tensor.shape, ())
        for name, tensor in header.tensors.items()
    })  # fmt: skip


def recognise_safetensors(report: ModelReport, header: Header) -> None:
    """Fill the report with the network that the tensors are of, where they tell it."""
    found = choose_table(table_of(report.path, header))
    if found is None:
        return
    table, recognition = found
    if recognition is None:
        return
    describe_weights(report, table, recognition)
    # Whether the file's names are the network's own, as in files of this package.
    report.details["renamed"] = bool(table.prefix or recognition.left) or any(
        theirs != ours for theirs, ours in recognition.names.items()
    )
