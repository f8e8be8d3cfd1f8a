"""A stock MONAI pipeline: CacheDataset, DataLoader, dictionary transforms, automatic mixed precision.

``monai`` is as its tutorials write it. ``monai-tuned`` keeps no metadata and does in one warp what can be one.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .network import build
from .policies import augmentation, monai_transforms
from .request import Point, Settings
from .window import measure


class Contender:
    """Its own loop; the network, the data, the loss and the precision are ours."""

    def __init__(self, name: str, settings: Settings) -> None:
        import monai
        from monai.losses import DiceCELoss

        self.monai, self.settings, self.tuned = monai, settings, name == "monai-tuned"
        self.device = torch.device(settings.device)
        # What these switches give us they give MONAI too.
        torch.backends.cudnn.benchmark = torch.backends.cudnn.allow_tf32 = True
        torch.backends.cuda.matmul.allow_tf32 = True
        self.network = build(settings).to(self.device)
        self.loss = DiceCELoss(softmax=True, to_onehot_y=True)
        self.optimiser = torch.optim.AdamW(self.network.parameters(), 2e-3)
        self.datasets = {plain: self._dataset(plain) for plain in (False, True)}
        self._loader: tuple[tuple[bool, int, int], Any, Iterator[dict[str, Tensor]]] | None = None
        self._made: tuple[int, tuple[Tensor, Tensor]] | None = None

    def about(self) -> dict[str, Any]:
        return {
            "versions": {"monai": self.monai.__version__, "torch": torch.__version__},
            "precision": self.settings.precision,
            "compiled": False,
            "threads": torch.get_num_threads(),
            "notes": [],
        }

    def measure(self, point: Point, seconds: float) -> dict[str, Any]:
        self.network.train()
        if point.mode == "made":
            made = self._made_batch(point)

            def run(steps: int) -> None:
                for _ in range(steps):
                    self._step(*made)

            return measure(run, self.device, seconds)
        source, workers = self._batches(point), point.workers or 0

        def run_loader(steps: int) -> None:
            for batch in itertools.islice(source, steps):
                images, labels = (self._send(batch[part]) for part in ("image", "label"))
                if point.mode != "batches":
                    self._step(images, labels)

        # The DataLoader keeps two batches ready for each worker.
        return measure(run_loader, self.device, seconds, before=2 * workers)

    def _dataset(self, plain: bool) -> Any:
        """Everything that does not vary is done once and kept in memory."""
        from monai.data import CacheDataset
        from monai.transforms import Compose, EnsureTyped

        folder = Path(self.settings.data)
        images, labels = (np.load(folder / f"{part}.npy", mmap_mode="r") for part in ("images", "labels"))
        items = []
        for image, label in zip(images, labels, strict=True):
            mean, spread = float(image.mean()), float(image.std())
            items += [{"image": (one[None] - mean) / spread, "label": mark[None]} for one, mark in
                      zip(image, label, strict=True)]  # fmt: skip
        keep = EnsureTyped(["image", "label"], track_meta=not self.tuned)
        vary = [] if plain else monai_transforms(augmentation(self.settings.augmentation), tuned=self.tuned)
        transform = Compose([keep, *vary]).set_random_state(self.settings.seed)
        return CacheDataset(items, transform, progress=False, copy_cache=False)

    def _batches(self, point: Point) -> Iterator[dict[str, Tensor]]:
        """An endless stream; one loader at a time."""
        from monai.data import DataLoader

        workers = point.workers or 0
        key = point.mode == "plain", point.batch, workers
        if self._loader is None or self._loader[0] != key:
            self._loader = None  # its workers end
            more: dict[str, Any] = {"persistent_workers": True} if workers else {}
            loader = DataLoader(
                self.datasets[key[0]],
                batch_size=point.batch,
                sampler=torch.utils.data.RandomSampler(self.datasets[key[0]], num_samples=point.batch * 1000),
                num_workers=workers,
                pin_memory=self.device.type == "cuda",
                drop_last=True,
                **more,
            )
            self._loader = key, loader, itertools.chain.from_iterable(itertools.repeat(loader))
        return self._loader[2]

    def _made_batch(self, point: Point) -> tuple[Tensor, Tensor]:
        if self._made is None or self._made[0] != point.batch:
            batch = next(self._batches(Point("full", point.batch, 0)))
            self._made = point.batch, (self._send(batch["image"]), self._send(batch["label"]))
        return self._made[1]

    def _send(self, tensor: Any) -> Tensor:
        plain = tensor.as_tensor() if hasattr(tensor, "as_tensor") else tensor
        return plain.to(self.device, non_blocking=True)

    def _step(self, images: Tensor, labels: Tensor) -> None:
        self.optimiser.zero_grad(set_to_none=True)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.settings.precision == "bf16"):
            loss = self.loss(self.network(images).float(), labels)
        loss.backward()
        self.optimiser.step()
