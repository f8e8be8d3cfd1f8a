"""TorchScript archives: static checks of archive, pickles and code, and what they tell. Nothing is executed."""

from __future__ import annotations

import zipfile
from math import prod
from pathlib import Path
from typing import Any

from ..errors import InputError, UnsafeModelError
from .archive import check_archive, read_entry
from .one_reading import check_one_reading
from .pickle_scan import PickleRefused, TensorStub, check_pickle, read_inert, tensors_of
from .report import CARD_KEY, ModelReport, TensorInfo
from .script_scan import MAX_CODE, CodeRefused, check_code

MAX_PICKLE = 64 * 1024 * 1024
MAX_CARD = 4 * 1024 * 1024


def inspect_torchscript(path: Path) -> ModelReport:
    """The report of an archive. Raises InputError where it is damaged, UnsafeModelError where the archive itself is."""
    report = ModelReport(path=path, format="torchscript", framework="PyTorch TorchScript")
    with check_archive(path) as archive:
        check_one_reading(path, archive)
        root = root_of(path, archive)
        names = [name.removeprefix(root) for name in archive.namelist()]
        code = [name for name in names if name.startswith("code/") and not name.endswith((".pkl", ".debug_pkl"))]
        report.unsafe = tuple(_unsafe(path, archive, root, names, code))
        version = read_entry(path, archive, f"{root}version", 64) if "version" in names else b"?"
        report.version = f"archive version {version.decode('ascii', 'replace').strip()}"
        card = f"{root}extra/{CARD_KEY}"
        if card in archive.namelist():
            report.card_text = read_entry(path, archive, card, MAX_CARD).decode("utf-8", "replace")
        if not report.unsafe:
            _fill(report, path, archive, root, names)
    report.details["code_files"] = len(code)
    return report


def root_of(path: Path, archive: zipfile.ZipFile) -> str:
    """The one folder, with its slash, that holds everything in a PyTorch archive. Raises UnsafeModelError."""
    roots = {name.partition("/")[0] for name in archive.namelist()}
    if len(roots) != 1:
        raise UnsafeModelError(
            "the archive is refused: its entries lie in more than one folder",
            file=path,
            mend="get the file from its author again",
        )
    return roots.pop() + "/"


def _unsafe(path: Path, archive: zipfile.ZipFile, root: str, names: list[str], code: list[str]) -> list[str]:
    found: list[str] = []
    budget = MAX_CODE
    for name in code:
        source = read_entry(path, archive, root + name, budget)
        budget -= len(source)
        try:
            check_code(source.decode("utf-8"))
        except (CodeRefused, UnicodeDecodeError) as error:
            found.append(f"{name}: {error}")
    for name in names:
        if name.endswith((".pkl", ".debug_pkl")):
            try:
                check_pickle(read_entry(path, archive, root + name, MAX_PICKLE))
            except PickleRefused as error:
                found.append(f"{name}: {error}")
    return found


def _fill(report: ModelReport, path: Path, archive: zipfile.ZipFile, root: str, names: list[str]) -> None:
    try:
        module = read_inert(read_entry(path, archive, f"{root}data.pkl", MAX_PICKLE))
        constants = read_inert(read_entry(path, archive, f"{root}constants.pkl", MAX_PICKLE))
    except PickleRefused as error:
        raise InputError(
            f"the TorchScript file is damaged: {error}", file=path, mend="copy or export it again"
        ) from None
    own = tensors_of(module)
    _check_sizes(path, archive, root, own)
    # A frozen module keeps its weights among the constants.
    tensors = own or tensors_of(constants)
    report.parameters = sum(
        prod(t.shape)
        for name, t in tensors.items()
        if not name.endswith(("running_mean", "running_var", "num_batches_tracked"))
    )
    report.details["tensors"] = len(tensors)
    kernels = [t.shape for t in tensors.values() if len(t.shape) == 4]
    if kernels:
        # The order of definition is the order of use in nearly every network; the first run confirms or corrects it.
        report.details["first_kernel"], report.details["last_kernel"] = list(kernels[0]), list(kernels[-1])
        report.in_channels, report.out_channels = kernels[0][1], kernels[-1][0]
    example = _example(path, archive, root, names)
    if example is not None and len(example.shape) == 4:
        report.in_channels = example.shape[1]
        report.details["traced_with"] = list(example.shape)
    shape: tuple[Any, ...] = (None, report.in_channels, None, None)
    report.inputs = (TensorInfo("input", "float32", shape),)
    report.outputs = (TensorInfo("output", "float32", (None, report.out_channels, None, None)),)


def _example(path: Path, archive: zipfile.ZipFile, root: str, names: list[str]) -> TensorStub | None:
    """The input a traced module was traced with, as its archive describes it."""
    if "traced_inputs.pkl" not in names:
        return None
    try:
        inputs = read_inert(read_entry(path, archive, f"{root}traced_inputs.pkl", MAX_PICKLE))
    except PickleRefused:
        return None
    return next(iter(tensors_of(inputs).values()), None)


def _check_sizes(path: Path, archive: zipfile.ZipFile, root: str, tensors: dict[str, TensorStub]) -> None:
    """No tensor claims more elements than the whole archive has bytes (views may share; none may be larger)."""
    folders = (f"{root}data/", f"{root}constants/")
    stored = sum(entry.file_size for entry in archive.infolist() if entry.filename.startswith(folders))
    for name, tensor in tensors.items():
        if tensor.shape and prod(tensor.shape) > max(stored, 1):
            raise InputError(
                f"the TorchScript file is damaged: tensor {name} of shape {list(tensor.shape)} is larger than the file",
                file=path,
                mend="copy or export it again",
            )
