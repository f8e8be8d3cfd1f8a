"""A worker whose Python has what Slicer's brings and what the module asks for first, and nothing else.

Every other distribution of this environment cannot be imported. The list after the first line is what ONNX Runtime
brings along.
"""

from __future__ import annotations

import re
import sys
from importlib.metadata import PackageNotFoundError, packages_distributions, requires

SLICER = {"numpy", "scipy", "simpleitk", "pip", "setuptools", "packaging", "medseg"}
ASKED = {"onnxruntime", "fastjsonschema"}


def allowed() -> set[str]:
    """The distributions, with what those that are asked for need."""
    found, waiting = set(SLICER), list(ASKED)
    while waiting:
        name = waiting.pop().lower()
        if name in found:
            continue
        found.add(name)
        try:
            lines = requires(name) or []
        except PackageNotFoundError:
            continue
        waiting += [re.split(r"[ ;<>=!~\[(]", line)[0] for line in lines if "extra ==" not in line]
    return found


class Filtered:
    """One of Python's finders, to whom some packages are not there."""

    def __init__(self, finder, absent: set[str]) -> None:
        self.finder, self.absent = finder, absent

    def find_spec(self, name: str, path=None, target=None):
        return None if name.partition(".")[0] in self.absent else self.finder.find_spec(name, path, target)

    def __getattr__(self, name: str):
        return getattr(self.finder, name)


if __name__ == "__main__":
    there = allowed()
    owners = packages_distributions()
    absent = {module for module, names in owners.items() if not {name.lower() for name in names} & there}
    assert {"networkx", "torch", "typer", "skimage"} <= absent
    sys.meta_path[:] = [Filtered(finder, absent) for finder in sys.meta_path]
    from medseg.worker.__main__ import main

    sys.exit(main())
