"""An ONNX file with all its weights inside, from one that keeps them in files beside it."""

from __future__ import annotations

import shutil
from pathlib import Path

from ...backends import require
from ...errors import InputError
from ..onnx_file import MAX_BYTES, inspect_onnx, mapped
from ..onnx_graph import read_graph


def copy_inside(source: Path, target: Path) -> None:
    """Copy the ONNX file ``source`` to ``target``, with external data (checked to lie in its folder) taken inside.

    Raises InputError where it would be larger than ONNX allows, UnsafeModelError as the static checks do.
    """
    with mapped(source) as message:
        graph = read_graph(message)
        external = any(tensor.external is not None for tensor in graph.tensors)
        graph.initializers.clear()
        graph.tensors.clear()
        graph.nodes.clear()
    if not external:
        shutil.copyfile(source, target)
        return
    report = inspect_onnx(source)
    if report.unsafe:
        from ..isolated import refusal

        raise refusal(report)
    onnx = require("onnx")
    model = onnx.load(str(source))  # with its external data
    if model.ByteSize() > MAX_BYTES:
        raise InputError(
            "with its weights inside the file would be larger than 2 GiB, which ONNX does not allow",
            file=source,
            mend="use it with its data file beside it",
        )
    onnx.save(model, str(target), save_as_external_data=False)
