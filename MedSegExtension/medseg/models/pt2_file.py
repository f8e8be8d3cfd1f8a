"""Exported programs (``.pt2``, ``torch.export.save`` of PyTorch 2.8 and later), run without PyTorch's loader."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any

from ..backends import Backend, Choice, require
from ..errors import InputError, UnsafeModelError
from .archive import check_archive, read_entry
from .ports import apply_ports, choose, is_image
from .pt2_program import DTYPES, Node, Program, ProgramRefused, build_module, check_program
from .report import CARD_KEY, ModelReport, TensorInfo
from .torchscript_file import root_of
from .yaml_text import read_json

MAX_GRAPH = 64 * 1024 * 1024
MAX_CARD = 4 * 1024 * 1024
_BYTES = {
    "uint8": 1,
    "int8": 1,
    "bool": 1,
    "int16": 2,
    "float16": 2,
    "bfloat16": 2,
    "int32": 4,
    "float32": 4,
    "int64": 8,
    "float64": 8,
}
_RESAVE = "save it again with torch.export.save of PyTorch 2.9 or newer, or export it to ONNX"


def is_pt2(names: list[str]) -> bool:
    """Whether the entries of an archive are those of an exported program, of today or of PyTorch 2.1 to 2.7."""
    leaves = {name.partition("/")[2] for name in names}
    return (
        "archive_format" in leaves
        or "serialized_exported_program.json" in {*names, *leaves}
        or any(leaf.startswith("models/") and leaf.endswith(".json") for leaf in leaves)
    )


def inspect_pt2(path: Path) -> ModelReport:
    """The report of an exported program. Raises InputError where it is damaged, UnsafeModelError where it is hostile.

    ``unsafe`` names pickles, compiled code and operators beyond the list of `pt2_program`.
    """
    report = ModelReport(path=path, format="pt2", framework="PyTorch exported program")
    with check_archive(path) as archive:
        names = archive.namelist()
        if any(name.rpartition("/")[2] == "serialized_exported_program.json" for name in names):
            raise InputError(
                "this exported program is of PyTorch 2.7 or older, which keeps weights in pickles",
                file=path,
                mend=_RESAVE,
            )
        root = root_of(path, archive)
        leaves = [name.removeprefix(root) for name in names]
        report.unsafe = tuple(_unsafe(leaves))
        if f"{root}extra/{CARD_KEY}" in names:
            report.card_text = read_entry(path, archive, f"{root}extra/{CARD_KEY}", MAX_CARD).decode("utf-8", "replace")
        if report.unsafe:
            return report
        if "models/model.json" not in leaves:
            raise InputError("the archive has no models/model.json", file=path, mend=_RESAVE)
        data = read_json(read_entry(path, archive, f"{root}models/model.json", MAX_GRAPH), path, "the graph", MAX_GRAPH)
        report.version = f"written by PyTorch {str(data.get('torch_version', '?'))[:40]}"
        try:
            program = check_program(data)
            stored = list(_stored(path, archive, root, program))
        except ProgramRefused as error:
            report.unsafe = (str(error),)
            return report
    _fill(report, program, {name: shape for name, _, shape, *_ in stored})
    return report


def open_pt2(report: ModelReport, choice: Choice, threads: int | None, precision: str) -> Backend:
    """The backend that runs a checked program. Raises InputError."""
    from ..backends.torch_backend import TorchBackend

    program, tensors = load_program(report.path)
    try:
        module = build_module(program, tensors, choose(report, report.card))
    except ProgramRefused as error:
        raise InputError(f"the exported program cannot run ({error})", file=report.path, mend=_RESAVE) from None
    return TorchBackend(module, choice.device, threads=threads, precision=precision)


def load_program(path: Path) -> tuple[Program, dict[str, Any]]:
    """The checked graph and its tensors in the types they were stored in. Raises InputError, UnsafeModelError."""
    torch = require("torch")
    with check_archive(path) as archive:
        root = root_of(path, archive)
        unsafe = list(_unsafe([name.removeprefix(root) for name in archive.namelist()]))
        if unsafe:
            raise UnsafeModelError(f"the model is refused: {unsafe[0]}", file=path, mend=_RESAVE)
        data = read_json(read_entry(path, archive, f"{root}models/model.json", MAX_GRAPH), path, "the graph", MAX_GRAPH)
        try:
            program = check_program(data)
            tensors = {}
            for name, dtype, shape, strides, offset, entry in _stored(path, archive, root, program):
                content = bytearray(read_entry(path, archive, entry, archive.getinfo(entry).file_size))
                flat = (
                    torch.frombuffer(content, dtype=getattr(torch, dtype))
                    if content
                    else torch.empty(0, dtype=getattr(torch, dtype))
                )
                tensors[name] = torch.as_strided(flat, shape, strides, offset).clone()
        except ProgramRefused as error:
            raise UnsafeModelError(f"the model is refused: {error}", file=path, mend=_RESAVE) from None
    return program, tensors


def _unsafe(leaves: list[str]) -> Iterator[str]:
    """What in the archive is executed or unpickled by a loader that is not this one."""
    for leaf in leaves:
        name = leaf.rpartition("/")[2]
        if leaf.startswith("data/aotinductor/") or name.endswith((".so", ".cubin", ".dll", ".dylib", ".pyd")):
            yield f"it holds compiled code ({leaf[:80]})"
        elif name.startswith(("custom_obj_", "opaque_obj_")) or leaf.endswith(".pkl"):
            yield f"it holds a pickled object ({leaf[:80]})"
        elif leaf in ("data/weights/model.pt", "data/constants/model.pt"):
            yield f"it holds its tensors in a pickle ({leaf})"


def _stored(
    path: Path, archive: zipfile.ZipFile, root: str, program: Program
) -> Iterator[tuple[str, str, tuple[int, ...], tuple[int, ...], int, str]]:
    """(name, dtype, shape, strides, offset, entry) of each tensor that the graph needs. Raises ProgramRefused."""
    configs: dict[str, tuple[str, Any]] = {}
    for folder, name in (
        ("data/weights/", "model_weights_config.json"),
        ("data/constants/", "model_constants_config.json"),
    ):
        entry = f"{root}{folder}{name}"
        if entry not in archive.namelist():
            continue
        data = read_json(read_entry(path, archive, entry, MAX_GRAPH), path, "the list of weights", MAX_GRAPH)
        table = data.get("config")
        for key, payload in (table if isinstance(table, dict) else {}).items():
            # Also tensors that the graph does not name: PyTorch's loader would read them.
            if not isinstance(payload, dict) or payload.get("use_pickle") is not False:
                raise ProgramRefused(f"its tensor {key[:60]!r} is a pickle")
            configs[key] = (folder, payload)
    for name in program.stored.values():
        if name not in configs:
            raise ProgramRefused(f"its tensor {name[:60]!r} is missing")
        folder, payload = configs[name]
        meta, file = payload.get("tensor_meta"), payload.get("path_name")
        entry = f"{root}{folder}{file}"
        if not isinstance(meta, dict) or not isinstance(file, str) or entry not in archive.namelist():
            raise ProgramRefused(f"the data of its tensor {name[:60]!r} is missing")
        dtype = DTYPES.get(meta.get("dtype", 0), "")
        shape, strides = _wholes(meta.get("sizes")), _wholes(meta.get("strides"))
        offset = _wholes([meta.get("storage_offset")])[0]
        if dtype not in _BYTES or len(shape) != len(strides):
            raise ProgramRefused(f"the type or shape of its tensor {name[:60]!r} is not known")
        reach = offset + 1 + sum((n - 1) * step for n, step in zip(shape, strides, strict=True)) if all(shape) else 0
        # More elements than bytes would be one value spread out: a bomb, and no weights.
        size = archive.getinfo(entry).file_size
        if reach * _BYTES[dtype] > size or prod(shape) * _BYTES[dtype] > size or size % _BYTES[dtype]:
            raise ProgramRefused(f"its tensor {name[:60]!r} of shape {list(shape)[:8]} does not fit its {size} bytes")
        yield name, dtype, shape, strides, offset, entry


def _wholes(values: Any) -> tuple[int, ...]:
    found = []
    for value in values if isinstance(values, list) and len(values) <= 16 else [None]:
        whole = value.get("as_int") if isinstance(value, dict) else None
        if not isinstance(whole, int) or isinstance(whole, bool) or not 0 <= whole <= 1 << 40:
            raise ProgramRefused("the size of a tensor is no number")
        found.append(whole)
    return tuple(found)


def _fill(report: ModelReport, program: Program, shapes: dict[str, tuple[int, ...]]) -> None:
    path = report.path
    for kind, names in (("inputs", program.inputs), ("outputs", program.outputs)):
        if not names:
            raise InputError(f"the model has no {kind}", file=path, mend="export a 2D segmentation network")
    report.inputs = tuple(TensorInfo(name, program.dtype(name), program.shape(name)) for name in program.inputs)
    report.outputs = tuple(TensorInfo(name, program.dtype(name), program.shape(name)) for name in program.outputs)
    for info in report.inputs:
        if is_image(info) and info.dtype != "float32":
            raise InputError(
                f"the model takes {info.dtype}, float32 is needed", file=path, mend="export the model in float32"
            )
    used: dict[str, int] = {}
    for node in program.nodes:
        used[node.target] = used.get(node.target, 0) + 1
    makers = {name: node for node in program.nodes for name in node.outputs if isinstance(name, str)}
    report.details = {
        "operators": used,
        "tensors": len(shapes),
        "outputs": {name: _ends(makers, name, program.outputs) for name in program.outputs},
    }
    apply_ports(report)
    steps = [_step(info.shape[2:]) for info in report.inputs if info.shape is not None and len(info.shape) == 4]
    report.multiple_of = None if report.fixed_size else max((step for step in steps if step), default=None)
    report.parameters = sum(
        prod(shape)
        for name, shape in shapes.items()
        if not name.endswith(("running_mean", "running_var", "num_batches_tracked"))
    )


_ACTIVATIONS = {"sigmoid": "sigmoid", "sigmoid_": "sigmoid", "softmax": "softmax", "_softmax": "softmax"}


def _ends(makers: dict[str, Node], name: str, outputs: tuple[str, ...]) -> dict[str, Any]:
    """The activation that an output comes from, and the other output that went into it."""
    node = makers.get(name)
    parts = [] if node is None else node.target.split(".")
    activation = _ACTIVATIONS.get(parts[3]) if len(parts) == 5 else None
    taken = next((v["name"] for *_, kind, v in node.arguments if kind == "as_tensor"), None) if node else None
    return {"ends_in": activation, "channels": None, "from": taken if activation and taken in outputs else None}


def _step(sizes: tuple[int | str | None, ...]) -> int | None:
    """The number in sizes such as ``8*s1``, the larger of the two."""
    heads = [str(size).partition("*")[0] for size in sizes]
    factors = [int(head) for head in heads if head.isdecimal() and len(head) < 5]
    return max(factors, default=1) if max(factors, default=1) > 1 else None
