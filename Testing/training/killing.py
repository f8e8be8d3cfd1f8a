"""Runs one training again and again and kills it with SIGKILL at chosen moments of its work. A program of its own.

    python killing.py CONFIG FOLDER SEED

First an undisturbed run in ``FOLDER/straight``, during which the calls inside each function of `STRATA` are counted.
Then ``FOLDER/killed``: each sitting is a forked process that kills itself after a random number of calls inside a
random one of these functions; at the end one sitting that is left alone. The moments follow from the seed. Forked,
because importing torch takes longer than all the rest; the moments within the import are the test's own.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

#: Functions inside which a sitting is killed, how often, and at which of their calls at the latest.
STRATA = {
    "load_training": (3, 1),
    "_step": (4, 6),
    "evaluate_cases": (3, 2),
    "save_checkpoint": (3, 2),
    "copy_checkpoint": (1, 1),
    "_flush": (2, 4),  # before the rename
    "replace": (1, 6),
    "add_metrics": (1, 1),
}


class Counter:
    """Counts the calls (of Python and of C) inside each function's first call."""

    def __init__(self) -> None:
        self.lengths: dict[str, int] = {}
        self._count = 0
        self._open: dict[int, tuple[str, int]] = {}

    def __call__(self, frame: FrameType, event: str, _argument: Any) -> None:
        self._count += 1
        name = frame.f_code.co_name
        if name in STRATA:
            if event == "call" and name not in self.lengths:
                self.lengths[name] = 0
                self._open[id(frame)] = name, self._count
            elif event == "return" and id(frame) in self._open:
                name, begun = self._open.pop(id(frame))
                self.lengths[name] = self._count - begun


class Killer:
    """Kills the process ``inside`` calls after the ``occurrence``-th call of ``function`` began."""

    def __init__(self, function: str, occurrence: int, inside: int) -> None:
        self.function, self.occurrence, self.left = function, occurrence, inside
        self._armed = False

    def __call__(self, frame: FrameType, event: str, _argument: Any) -> None:
        if not self._armed:
            if event == "call" and frame.f_code.co_name == self.function:
                self.occurrence -= 1
                self._armed = self.occurrence == 0
            if not self._armed:
                return
        self.left -= 1
        if self.left < 0:
            os.kill(os.getpid(), signal.SIGKILL)


def main(config_path: str, folder: Path, seed: int) -> None:
    import torch

    torch.set_num_threads(1)
    import torch.utils.tensorboard
    from medseg_training.config import load_config
    from medseg_training.training import train

    config = load_config(config_path)

    def sitting(run: Path, watch: Callable[[FrameType, str, Any], None] | None, answer: Path) -> int:
        """One forked process; its wait status."""
        child = os.fork()
        if child == 0:
            code = 1
            try:
                sys.setprofile(watch)
                train(config, run, quiet=True)
                sys.setprofile(None)
                if isinstance(watch, Counter):
                    answer.write_text(json.dumps(watch.lengths))
                code = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(code)
        return os.waitpid(child, 0)[1]

    lengths_file = folder / "lengths.json"
    assert sitting(folder / "straight", Counter(), lengths_file) == 0
    lengths = json.loads(lengths_file.read_text())
    draws = random.Random(seed)
    moments = [name for name, (count, _) in STRATA.items() for _ in range(count)]
    draws.shuffle(moments)
    kills = []
    for name in moments:
        occurrence = draws.randint(1, STRATA[name][1])
        inside = draws.randrange(max(1, lengths[name]))
        status = sitting(folder / "killed", Killer(name, occurrence, inside), lengths_file)
        kills.append([name, occurrence, inside, os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0])
    status = sitting(folder / "killed", None, lengths_file)
    print(json.dumps({"kills": kills, "end": os.waitstatus_to_exitcode(status)}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
