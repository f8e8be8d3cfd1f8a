"""Our trainer, as `medseg train` runs it: the same class, with the bench's slices."""

from __future__ import annotations

import atexit
import contextlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from medseg.volume import Volume

from ..augment import Augmentation, Augmenter
from ..config import Config, parse_config
from ..data.case import Case, LoadedCase
from ..device import numerics
from ..display import Display
from ..rundir import RunDirectory
from ..store.build import StoreBuilder
from ..trainer import Trainer
from .policies import POLICIES
from .request import Point, Settings
from .window import measure

CARD: dict[str, Any] = {
    "name": "bench",
    "plane": "axial",
    "orientation": "PLS",
    "input": {"size": {"mode": "native", "multiple_of": 16}, "normalisation": {"kind": "zscore"}},
    # Two output channels, as nnU-Net has them: the networks are the same to the last weight.
    "output": {"activation": "softmax", "labels": [{"value": 1, "name": "duct"}]},
}
#: More steps than a window ever has.
_MANY = 1_000_000


class _Noted(Display):
    """Keeps what the trainer says, for the table."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__(quiet=True)
        self._lines = lines

    def line(self, text: str) -> None:
        self._lines.append(text)


class Contender:
    """One `Trainer` for each batch size, over one store."""

    def __init__(self, name: str, settings: Settings) -> None:
        self.settings = settings
        self.device = torch.device(settings.device)
        until_the_end = contextlib.ExitStack()
        atexit.register(until_the_end.close)
        until_the_end.enter_context(numerics(self.device, deterministic=False))
        self._trainers: dict[int, Trainer] = {}
        self._said: list[str] = []
        self._made: tuple[int, tuple[torch.Tensor, torch.Tensor]] | None = None
        self._windows = 0
        config = self._config(1)
        builder = StoreBuilder(config.draft, config.loss, settings.seed)
        images, labels = (np.load(Path(settings.data) / f"{part}.npy", mmap_mode="r") for part in ("images", "labels"))
        for n, (image, label) in enumerate(zip(images, labels, strict=True)):
            case = Case(f"case{n}", f"case{n}", (Path(f"case{n}"),), Path(f"case{n}"))
            builder.add(LoadedCase(case, (Volume(np.asarray(image)),), Volume(np.asarray(label))))
        self.store = builder.finish()

    def about(self) -> dict[str, Any]:
        notes = list(dict.fromkeys(self._said))
        return {
            "versions": {"torch": torch.__version__},
            "precision": self.settings.precision,
            "compiled": any(t.forward is not t.network for t in self._trainers.values()),
            "threads": torch.get_num_threads(),
            "notes": notes,
        }

    def measure(self, point: Point, seconds: float) -> dict[str, Any]:
        trainer = self._trainer(point.batch)
        plain = Augmentation() if point.mode == "plain" else trainer.config.augmentation
        trainer.augmenter = Augmenter(plain, trainer.sampler.crop)
        trainer.network.train()
        if point.mode == "made":
            made = self._made_batch(trainer, point.batch)

            def run(steps: int) -> None:
                trainer.meter.begin()
                for _ in range(steps):
                    trainer.learn(*made)
        else:

            def run(steps: int) -> None:
                trainer.meter.begin()
                self._windows += 1
                plan = trainer.sampler.plan(steps, trainer.randomness.plan(self._windows))
                with trainer.batches.epoch(plan) as batches:
                    for batch in batches:
                        images, planes = trainer.augment(batch)
                        if point.mode != "batches":
                            trainer.learn(images, planes)

        return measure(run, self.device, seconds)

    def _made_batch(self, trainer: Trainer, batch: int) -> tuple[torch.Tensor, torch.Tensor]:
        if self._made is None or self._made[0] != batch:
            plan = trainer.sampler.plan(1, trainer.randomness.plan(0))
            with trainer.batches.epoch(plan) as batches:
                self._made = batch, trainer.augment(next(batches))
        return self._made[1]

    def _trainer(self, batch: int) -> Trainer:
        if batch not in self._trainers:
            if self.device.type == "cuda":
                torch._dynamo.config.recompile_limit = 64  # a graph for each batch size
            display = _Noted(self._said)
            config = self._config(batch)
            run = RunDirectory(Path(self.settings.data) / "run")
            trainer = Trainer(config, config.draft, self.store, (), run, display, device=self.device)
            if self._trainers:  # the slices lie on the device once
                trainer.batches = next(iter(self._trainers.values())).batches
            self._trainers[batch] = trainer
        return self._trainers[batch]

    def _config(self, batch: int) -> Config:
        settings = self.settings
        edges = ("in_channels", "out_channels")
        return parse_config(
            {
                "data": settings.data,
                "card": CARD,
                "network": {
                    "name": settings.network,
                    "arguments": {k: v for k, v in settings.arguments.items() if k not in edges},
                },
                "augmentation": POLICIES[settings.augmentation],
                "sampling": {"batch_size": batch},
                "budget": {"epochs": _MANY, "steps_per_epoch": 100_000},
                "device": settings.device,
                "precision": settings.precision,
                "compile": "auto" if settings.compile else False,
                "seed": settings.seed,
            }
        )
