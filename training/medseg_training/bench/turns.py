"""The contenders as processes that take turns: each prepares itself once, and only one computes at a time."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .request import Point, Settings

#: How long a process may take to go after its input has ended.
GRACE_S = 3.0
#: Between two looks at whether a process still lives.
LOOK_S = 0.5


class Gone(Exception):
    """A contender cannot go on; the text says why, for the table."""


class Process:
    """One contender: requests in, answers out.

    Parameters
    ----------
    python : the interpreter of its environment.
    paths : folders for its ``PYTHONPATH``.
    folder : for its settings and its log.
    """

    def __init__(self, name: str, settings: Settings, python: str, paths: list[str], folder: Path) -> None:
        self.name, self.log = name, folder / f"{name}.log"
        file = folder / f"{name}.json"
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        if settings.device.startswith("cuda:"):
            # nnU-Net knows the first card only.
            environment["CUDA_VISIBLE_DEVICES"] = _card(settings.device)
            settings = Settings(**{**asdict(settings), "device": "cuda"})
        settings.write(file)
        if settings.threads is not None:
            environment |= {name: str(settings.threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
        environment["PYTHONPATH"] = os.pathsep.join(paths)
        options: dict[str, Any] = {"start_new_session": True} if os.name == "posix" else {}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [python, "-P", "-m", "medseg_training.bench.serve", name, str(file)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                encoding="utf-8",
                env=environment,
                **options,
            )
        self._answers: queue.Queue[str] = queue.Queue()
        # A thread, because a child of the contender may keep its output open after it has died.
        threading.Thread(target=self._listen, daemon=True).start()

    def ask(self, request: dict[str, Any], limit_s: float) -> dict[str, Any]:
        """Raises Gone where the process died or did not answer in time, and where it answers with an error."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
        except OSError:
            raise Gone(self._last_words()) from None
        waited = 0.0
        while True:
            try:
                answer = json.loads(self._answers.get(timeout=LOOK_S))
                break
            except queue.Empty:
                waited += LOOK_S
                if self.process.poll() is not None and self._answers.empty():
                    raise Gone(self._last_words()) from None
                if waited > limit_s:
                    self.end()
                    raise Gone(f"no answer within {limit_s:.0f} s") from None
        if "error" in answer:
            raise Gone(str(answer["error"]))
        return answer

    def measure(self, point: Point, seconds: float, limit_s: float) -> dict[str, Any]:
        return self.ask({"do": "measure", "point": asdict(point), "seconds": seconds}, limit_s)

    def end(self, grace_s: float = 0.0) -> None:
        """No process of the contender outlives this. It has nothing to save: what it wrote lies in our folder."""
        if self.process.stdin is not None:
            with contextlib.suppress(OSError):
                self.process.stdin.close()
        try:
            self.process.wait(grace_s)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            self.process.kill()
        if os.name == "posix":  # its loaders' processes
            with contextlib.suppress(OSError):
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._answers.put(line)

    def _last_words(self) -> str:
        status = self.process.poll()
        lines = [line.strip() for line in self.log.read_text("utf-8", "replace").splitlines() if line.strip()]
        if status is not None and status < 0:
            return f"ended by signal {-status}" + (" (out of memory, perhaps)" if status == -signal.SIGKILL else "")
        return f"ended with status {status}: {lines[-1][:300]}" if lines else f"ended with status {status}"


@contextlib.contextmanager
def ending(processes: dict[str, Process]) -> Iterator[None]:
    """End whatever is in ``processes`` when the block ends, however it ends."""
    grace_s = 0.0
    try:
        yield
        grace_s = GRACE_S
    finally:
        for process in processes.values():
            process.end(grace_s)


def own_paths() -> list[str]:
    """What this process imports from, for processes of the same environment; `-P` keeps the working folder out."""
    return [path for path in sys.path if path]


def foreign_paths(folder: Path) -> list[str]:
    """A folder with `medseg` and `medseg_training` alone, for another environment, and what the person set for it."""
    import medseg

    shim = folder / "packages"
    shim.mkdir()
    for package in (Path(medseg.__file__).parent, Path(__file__).parents[1]):
        try:
            (shim / package.name).symlink_to(package, target_is_directory=True)
        except OSError:  # Windows without the right to make links
            import shutil

            shutil.copytree(package, shim / package.name)
    return [str(shim), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]


def _card(device: str) -> str:
    """Of the cards that this process may see, the one that it calls ``device``."""
    index = int(device.partition(":")[2])
    visible = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    return visible[index] if index < len(visible) else str(index)
