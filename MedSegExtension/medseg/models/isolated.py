"""Looking into and converting model files from strangers: the framework's part happens in a worker with limits.

The static checks come first, here, in the process that asks (they import no framework); Keras files are looked at in
the worker as well, whose reader of HDF5 is a C library. Then the worker loads the file under a limit of memory (held on
Linux) and of time. A file that breaks its reader takes the worker with it and nothing else.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..card import ModelCard
from ..errors import DeviceOutOfMemory, InputError, MedSegError, MissingPackageError, UnsafeModelError, WorkerDied
from .detect import detect_format
from .inspecting import inspect_model
from .report import ModelReport, TensorInfo

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..client import WorkerClient
    from ..progress import Progress

#: What looking into a file and running one slice of it may take. The largest 2D networks in use need a twentieth.
INSPECT_BYTES = 8 * 2**30
INSPECT_SECONDS = 60.0
#: What a conversion may take: tracing needs some times the network, and cases are measured one after another.
CONVERT_BYTES = 24 * 2**30
CONVERT_SECONDS = 3600.0


#: Formats that nothing but PyTorch loads.
NEED_TORCH = ("torchscript", "pt2", "safetensors", "state_dict", "nnunet")


def inspect_isolated(
    path: str | Path,
    *,
    load: bool = True,
    timeout_s: float = INSPECT_SECONDS,
    memory_limit_bytes: int = INSPECT_BYTES,
) -> ModelReport:
    """As `inspect_model`, and the file is also loaded and run once in a worker: ``report.loaded`` says what came of it.

    With ``load`` false, and for a file that is unsafe or whose card is wrong, nothing is loaded. A package that is not
    installed is no fault of the file: it stands in ``loaded["missing"]``.

    Raises
    ------
    InputError, UnsafeModelError : as `inspect_model`;
        InputError also where looking at the file (HDF5 only) ended the worker, or took more than ``timeout_s``.
    """
    path = Path(path)
    format = detect_format(path)
    # What it will need is imported while the static checks run here. Keras files are read first, under limits.
    preload = "torch" if load and format in NEED_TORCH else None
    with _worker(preload) as client:
        if load:
            client.start()
        if format == "keras":
            asked = client.submit(
                "inspect", {"model": path, "memory_limit_bytes": memory_limit_bytes}, timeout_s=timeout_s
            )
            report = ModelReport.from_dict(_answer(client, asked, path)["report"])
        else:
            report = inspect_model(path)
        if not load or report.unsafe or report.card_error:
            return report
        hints = {"channels": report.in_channels, "multiple_of": report.multiple_of}
        asked = client.submit(
            "load", {"model": path, "memory_limit_bytes": memory_limit_bytes, **hints}, timeout_s=timeout_s
        )
        try:
            report.loaded = _answer(client, asked, path)
            report.warnings += [w for w in report.loaded.pop("warnings", ()) if w not in report.warnings]
            _fill_ends(report)
        except MissingPackageError as error:
            report.loaded = {"missing": error.what, "mend": error.mend}
        except MedSegError as error:
            report.loaded = {"error": error.what, "mend": error.mend}
    return report


def rehearse(
    path: str | Path,
    card: ModelCard | Mapping[str, Any] | str | Path | None = None,
    backend: str | None = None,
    *,
    timeout_s: float = INSPECT_SECONDS,
    memory_limit_bytes: int = INSPECT_BYTES,
) -> None:
    """Let a worker open the file and run one slice through it; raise what it refuses, and InputError where it died.

    `open_model` does so with ``isolate=True`` before it opens the file itself.
    """
    path = Path(path)
    given = card.to_dict() if isinstance(card, ModelCard) else dict(card) if isinstance(card, Mapping) else card
    with _worker() as client:
        payload = {"model": path, "card": given, "backend": backend, "memory_limit_bytes": memory_limit_bytes}
        try:
            _answer(client, client.submit("load", payload, timeout_s=timeout_s), path)
        except DeviceOutOfMemory:
            raise InputError(
                f"one slice through this model takes more than {memory_limit_bytes / 2**30:.0f} GiB of memory",
                file=path,
                mend="do not use it; a model of your own that needs as much opens without this trial "
                "(medseg segment --trusted, isolate=False)",
            ) from None


def convert_isolated(
    path: str | Path,
    out: str | Path,
    *,
    progress: Callable[[Progress], Any] | None = None,
    timeout_s: float = CONVERT_SECONDS,
    memory_limit_bytes: int = CONVERT_BYTES,
    card: str | Path | None = None,
    overwrite: bool = True,
    format: str | None = None,
    **options: Any,
) -> dict[str, Any]:
    """As `converting.convert_model`, in a worker; returns the `Conversion` as JSON-ready data.

    The worker writes into a folder of ours beside ``out``; only what is complete is moved to its place, and nothing
    stays behind when the worker dies. Raises as `convert_model`, and InputError where the worker
    died or took too long.
    """
    from .writing import check_target, move_into_place, target_format

    path, out = Path(path), Path(out)
    kind = target_format(out, format)
    check_target(out, kind, overwrite)
    if detect_format(path) != "keras":
        report = inspect_model(path)
        if report.unsafe:
            raise refusal(report)
    near = Path(os.path.realpath(out)).parent
    with tempfile.TemporaryDirectory(prefix=".medseg-", dir=near) as folder, _worker() as client:
        made = Path(folder) / out.name
        payload = {"model": path, "out": str(made), "memory_limit_bytes": memory_limit_bytes}
        payload["card"] = None if card is None else str(Path(card).absolute())
        payload["options"] = {**options, "format": kind}
        asked = client.submit("convert", payload, on_progress=progress, timeout_s=timeout_s)
        try:
            done = _answer(client, asked, path)["conversion"]
        except MedSegError as error:
            if error.file == str(made):
                raise type(error)(error.what, file=out, mend=error.mend) from None
            raise
        move_into_place(made, out, kind, overwrite)
    return {**done, "file": str(out)}


def _fill_ends(report: ModelReport) -> None:
    """Inputs and outputs as the run showed them, where the file does not say: weights alone have none."""
    channels = {"inputs": report.loaded["slice"][0], "outputs": report.loaded["output"][0]}
    if not report.inputs:
        report.inputs = (TensorInfo("slices", "float32", (None, channels["inputs"], None, None)),)
    if not report.outputs:
        report.outputs = (TensorInfo("output", "float32", (None, channels["outputs"], None, None)),)
    report.out_channels = report.out_channels or channels["outputs"]


def refusal(report: ModelReport) -> UnsafeModelError:
    """The line for a file with something unsafe in it."""
    more = f" (and {len(report.unsafe) - 1} more reasons)" if len(report.unsafe) > 1 else ""
    return UnsafeModelError(
        f"the model is refused: {report.unsafe[0]}{more}",
        file=report.path,
        mend="export it from its framework without this",
    )


@contextmanager
def _worker(preload: str | None = None) -> Iterator[WorkerClient]:
    from ..client import WorkerClient

    with WorkerClient(preload=preload) as client:
        yield client


def _answer(client: WorkerClient, asked: Any, path: Path) -> dict[str, Any]:
    try:
        return client.wait(asked)
    except WorkerDied as error:
        # The file did that to its reader: for who gave it, that is one more way in which it cannot be used.
        raise InputError(
            f"the process that read this file did not come back ({error.what})",
            file=path,
            mend="do not use this file, or save it again; --debug shows more",
        ) from error
    except MedSegError as error:
        if error.file is None and isinstance(error, InputError) and not isinstance(error, MissingPackageError):
            raise type(error)(error.what, file=path, mend=error.mend) from None
        raise
