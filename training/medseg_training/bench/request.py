"""What is asked of a contender: plain data, so that it crosses from one process and environment to another."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: What a window repeats. ``full``: load, augment, step. ``batches``: load and augment, no step. ``plain``: load and
#: step, nothing augmented. ``made``: the step alone, on one augmented batch.
MODES = ("full", "batches", "plain", "made")


@dataclass(frozen=True)
class Settings:
    """What all contenders share.

    Attributes
    ----------
    data : folder with ``images.npy`` (cases, slices, size, size) float32 and ``labels.npy``, uint8 0 and 1.
    network, arguments : an architecture of the engine and its arguments, channels included.
    augmentation : name of one of `policies.POLICIES`.
    precision : ``bf16`` or ``fp32``, of those who can choose.
    threads : of torch in each process; None as torch chooses.
    """

    data: str
    network: str
    arguments: dict[str, Any]
    size: int
    augmentation: str
    device: str
    precision: str
    threads: int | None
    compile: bool
    seed: int

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(dataclasses.asdict(self)), encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Settings:
        return cls(**json.loads(path.read_text(encoding="utf-8")))


@dataclass(frozen=True)
class Point:
    """One thing to measure. ``workers`` is None where a contender has none."""

    mode: str
    batch: int
    workers: int | None = None
