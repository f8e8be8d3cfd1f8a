"""A worker whose network takes its time until it is told to go on; all the rest is the real engine.

A test that acts in the middle of a run must find it running, however busy the computer is. Started as
``python -P -m slow_worker`` with this folder on PYTHONPATH; the variable MEDSEG_TEST_GO names a file: as long as it is
not there, each slice takes `PAUSE_S` longer, and each step of a phantom a minute.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

PAUSE_S = 0.05


def main() -> int:
    import medseg.phantom as phantom
    from medseg.models.model import Model
    from medseg.worker.__main__ import main as work

    go = Path(os.environ["MEDSEG_TEST_GO"])

    def pause(times: int = 1) -> None:
        for _ in range(times):
            if not go.exists():
                time.sleep(PAUSE_S)

    run, make = Model.run, phantom.make_phantom

    def slow_run(self, batch):
        pause()
        return run(self, batch)

    def slow_phantom(seed, settings=None, progress=None):
        def tell(fraction):
            if progress is not None:
                progress(fraction)
            pause(round(60 / PAUSE_S) if fraction else 0)

        return make(seed, settings, tell)

    Model.run, phantom.make_phantom = slow_run, slow_phantom
    return work()


if __name__ == "__main__":
    sys.exit(main())
