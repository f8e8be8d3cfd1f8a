"""The engine's worker in a Python that lacks numpy."""

from __future__ import annotations

import sys


class Absent:
    """Says of numpy what Python says of what is not installed."""

    def find_spec(self, name, path=None, target=None):
        if name == "numpy":
            raise ModuleNotFoundError("No module named 'numpy'", name=name)


sys.meta_path.insert(0, Absent())

from medseg.worker.__main__ import main  # noqa: E402

sys.exit(main())
