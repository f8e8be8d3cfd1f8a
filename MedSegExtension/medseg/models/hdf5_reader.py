"""HDF5 files read in a process of their own, with a limit of memory and of time.

Their reader is a C library that crashes on files made for it (fuzzing found some within minutes). So nobody opens one
in the process that asks; what comes back are plain values. A worker that looks into a file under limits is such a
process already, and reads there (`reading_here`).
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import InputError
from ..worker.messages import error_from_message
from .hdf5_tree import Group, from_json

#: What reading the weights of a model may take.
READ_BYTES = 8 * 2**30
READ_SECONDS = 60.0

_HERE = 0


@contextmanager
def reading_here() -> Iterator[None]:
    """Within the block files are opened in this very process: it is a worker with limits, and may die."""
    global _HERE
    _HERE += 1
    try:
        yield
    finally:
        _HERE -= 1


def read_hdf5(path: Path, entry: str | None = None, values: bool = False) -> Group:
    """The checked content of the HDF5 file at ``path``, or of the one called ``entry`` in the archive at ``path``.

    ``values``: whether the numbers of the data sets are read too.

    Raises
    ------
    InputError : damaged or cut short; or the process that read it died, or took more than its limits.
    UnsafeModelError : it leads to other files, or would take far more memory than it has bytes.
    MissingPackageError : h5py is not installed.
    """
    interpreter = _interpreter()
    if _HERE or interpreter is None:
        from .hdf5_file import read_here

        return read_here(path, entry, values)
    from ..worker.process import _window_options, worker_environment

    with tempfile.TemporaryDirectory(prefix="medseg-hdf5-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        asked = {"path": str(path.absolute()), "entry": entry, "values": values, "folder": name, "limit": READ_BYTES}
        try:
            ended = subprocess.run(
                [interpreter, "-P", "-m", "medseg.models.hdf5_child"],
                input=json.dumps(asked).encode(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=READ_SECONDS,
                env=worker_environment([interpreter]),
                cwd=folder,
                check=False,
                **_window_options(),
            )
        except subprocess.TimeoutExpired:
            raise _gone(path, f"it took longer than {READ_SECONDS:g} s") from None
        except OSError as error:
            raise InputError(
                f"no process can be started to read this HDF5 file ({error.strerror})",
                file=path,
                mend="close other programs and try again",
            ) from None
        answer = folder / "tree.json"
        if ended.returncode or not answer.is_file():
            raise _gone(path, f"it ended with {ended.returncode}")
        data = json.loads(answer.read_text(encoding="utf-8"))
        if "error" in data:
            said = data["error"]
            raise error_from_message({**said, "file": str(path), "mend": said["mend"] or "do not use this file"})
        return from_json(data["tree"], folder / "values.bin" if values else None)


def _gone(path: Path, why: str) -> InputError:
    return InputError(
        f"the process that read this HDF5 file did not come back ({why})",
        file=path,
        mend="do not use this file, or save it again",
    )


def _interpreter() -> str | None:
    """A Python to start: this one, or in Slicer's own process the one beside it; None where there is none."""
    here = Path(sys.executable or "")
    if "python" in here.name.lower():
        return str(here)
    for name in ("PythonSlicer", "PythonSlicer.exe"):
        if (here.parent / name).is_file():
            return str(here.parent / name)
    return None
