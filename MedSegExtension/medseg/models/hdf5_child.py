"""``python -P -m medseg.models.hdf5_child``: reads one HDF5 file where a crash of its library hurts nobody.

Standard input: one JSON object with ``path``, ``entry`` (a name in an archive, or null), ``values`` (whether data sets
are read), ``folder`` (where the answer goes: ``tree.json``, ``values.bin``) and ``limit`` (bytes of memory).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main() -> int:
    """Answer into the folder: ``{"tree": …}``, or ``{"error": …}`` in words."""
    asked = json.loads(sys.stdin.read())
    folder = Path(asked["folder"])
    from ..backends import require
    from ..errors import MedSegError
    from ..worker.limits import memory_limited
    from ..worker.messages import error_to_message
    from .hdf5_file import read_here
    from .hdf5_tree import as_json

    try:
        require("h5py", "keras")  # its own memory is not the file's
        with memory_limited(int(asked["limit"])):
            tree = read_here(Path(asked["path"]), asked["entry"], bool(asked["values"]))
            with (folder / "values.bin").open("wb") as stream:
                answer = {"tree": as_json(tree, stream if asked["values"] else None)}
    except MedSegError as error:
        answer = {"error": error_to_message(error)}
    except MemoryError:
        answer = {"error": {"kind": "InputError", "what": "it needs more memory than a model may", "mend": None}}
    (folder / "tree.json").write_text(json.dumps(answer), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
