"""Run by the test in a process of its own: looks at each file and tries to open it; one JSON line before and after."""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from pathlib import Path

#: Hard limit of the address space; torch and the runtimes map about 3 GB of libraries.
ADDRESS_SPACE = 12 << 30


def main(listing: Path) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    # Libraries are loaded before anything is measured.
    import onnxruntime  # noqa: F401
    import torch
    from medseg.errors import MedSegError, UnsafeModelError
    from medseg.models import inspect_model, open_model
    from medseg.models.hdf5_reader import reading_here

    torch.set_num_threads(1)
    protocol = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # a chatty library must not break the lines
    near = reading_here()  # this is the process that may die; another one for each file would take minutes
    near.__enter__()
    for name, path in json.loads(listing.read_text()).items():
        protocol.write(json.dumps({"start": name}) + "\n")
        before, begun = _peak(), time.process_time()
        outcome, line = "opened", ""
        try:
            report = inspect_model(path)
            if report.unsafe:
                outcome, line = "unsafe", "; ".join(report.unsafe)
            # A flipped byte in weights is no damage that can be seen; loading such files is the worker's matter.
            if not name.startswith("flip-"):
                open_model(path, device="cpu").close()
        except UnsafeModelError as error:
            outcome, line = "unsafe", error.line()
        except MedSegError as error:
            outcome, line = "refused", error.line()
        except BaseException as error:
            outcome, line = "crashed", f"{type(error).__name__}: {error}"
        protocol.write(
            json.dumps(
                {
                    "end": name,
                    "outcome": outcome,
                    "line": line[:2000],
                    "seconds": time.process_time() - begun,
                    "mib": (_peak() - before) / 1024,
                }
            )
            + "\n"
        )


def _peak() -> int:
    """Peak resident memory in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    main(Path(sys.argv[1]))
