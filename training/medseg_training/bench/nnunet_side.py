"""nnU-Net v2's own 2D trainer, loader and augmentation. Runs in nnU-Net's environment: imports nothing of ours that
needs more than torch.

nnU-Net reads the cases as files, takes their fingerprint, plans and preprocesses by itself. Of its plan only the patch
(the whole slice) and the batch are changed, and of its trainer the network, which is ours and has no deep supervision.
"""

from __future__ import annotations

import json
import os
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .request import Point, Settings
from .window import measure

DATASET = "Dataset001_Bench"
#: Where it reads the number of its loader processes.
WORKERS = "nnUNet_n_proc_DA"


class Contender:
    """One trainer for each batch size, with and without its augmentation."""

    def __init__(self, name: str, settings: Settings) -> None:
        self.settings, self.device = settings, torch.device(settings.device)
        self.root = Path(settings.data) / "nnunet"
        for part in ("raw", "preprocessed", "results"):
            (self.root / part).mkdir(parents=True)
            os.environ[f"nnUNet_{part}"] = str(self.root / part)
        os.environ[WORKERS] = "1"  # for planning too; it takes no 0 there
        torch.backends.cudnn.benchmark = True  # as its own program sets it
        if self.device.type == "cuda":
            # It compiles there. Several batch sizes in one process must not make its graphs dynamic, which are slower.
            torch._dynamo.config.automatic_dynamic_shapes = False
            torch._dynamo.config.recompile_limit = 64
        self._prepare()
        self._trainers: dict[tuple[bool, int], Any] = {}
        self._loader: tuple[tuple[bool, int, int], Any] | None = None
        self._made: tuple[int, dict[str, Any]] | None = None

    def about(self) -> dict[str, Any]:
        return {
            "versions": {"nnunetv2": version("nnunetv2"), "torch": torch.__version__},
            # Its own decision: half precision with a scaler on CUDA, single precision elsewhere.
            "precision": "fp16" if self.device.type == "cuda" else "fp32",
            "compiled": any(trainer._do_i_compile() for trainer in self._trainers.values()),
            "threads": torch.get_num_threads(),
            "notes": [],
        }

    def measure(self, point: Point, seconds: float) -> dict[str, Any]:
        plain = point.mode == "plain"
        # One network for each batch size; without augmentation only the loader is another.
        trainer = self._trainer_of(False, point.batch)
        trainer.network.train()
        if point.mode == "made":
            if self._made is None or self._made[0] != point.batch:
                made = next(self._loader_of(plain, point.batch, point.workers or 0))
                self._made = point.batch, {part: made[part].to(self.device) for part in ("data", "target")}
            batch = self._made[1]

            def run(steps: int) -> None:
                for _ in range(steps):
                    trainer.train_step(batch)

            return measure(run, self.device, seconds)
        workers = point.workers or 0
        loader = self._loader_of(plain, point.batch, workers)

        def run_loader(steps: int) -> None:
            for _ in range(steps):
                batch = next(loader)
                if point.mode == "batches":
                    for part in ("data", "target"):
                        batch[part].to(self.device, non_blocking=True)
                else:
                    trainer.train_step(batch)

        # It keeps max(6, workers // 2) batches ready, and each worker one more.
        return measure(run_loader, self.device, seconds, before=max(6, workers // 2) + workers if workers else 0)

    def _prepare(self) -> None:
        import SimpleITK as sitk
        from nnunetv2.experiment_planning.plan_and_preprocess_api import (
            extract_fingerprints,
            plan_experiments,
            preprocess,
        )

        raw = self.root / "raw" / DATASET
        data = Path(self.settings.data)
        images, labels = (np.load(data / f"{part}.npy", mmap_mode="r") for part in ("images", "labels"))
        for part in ("imagesTr", "labelsTr"):
            (raw / part).mkdir(parents=True)
        for n, (image, label) in enumerate(zip(images, labels, strict=True)):
            sitk.WriteImage(sitk.GetImageFromArray(np.asarray(image)), raw / "imagesTr" / f"case_{n:03}_0000.nii")
            sitk.WriteImage(sitk.GetImageFromArray(np.asarray(label)), raw / "labelsTr" / f"case_{n:03}.nii")
        described = {
            "channel_names": {"0": "MR"},
            "labels": {"background": 0, "duct": 1},
            "numTraining": len(images),
            "file_ending": ".nii",
        }
        (raw / "dataset.json").write_text(json.dumps(described))
        processes = max(1, min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1))
        extract_fingerprints([1], num_processes=processes, show_progress_bar=False)
        plan_experiments([1])
        preprocess([1], configurations=("2d",), num_processes=(processes,), show_progress_bar=False)
        folder = self.root / "preprocessed" / DATASET
        self.plans = json.loads((folder / "nnUNetPlans.json").read_text())
        self.described = json.loads((folder / "dataset.json").read_text())

    def _trainer_of(self, plain: bool, batch: int) -> Any:
        if (plain, batch) not in self._trainers:
            plans = json.loads(json.dumps(self.plans))
            plans["continue_training"] = False
            plans["configurations"]["2d"] |= {"batch_size": batch, "patch_size": [self.settings.size] * 2}
            trainer = _trainer_class(self.settings, plain)(plans, "2d", "all", self.described, self.device)
            trainer.initialize()
            self._trainers[plain, batch] = trainer
        return self._trainers[plain, batch]

    def _loader_of(self, plain: bool, batch: int, workers: int) -> Any:
        key = plain, batch, workers
        if self._loader is None or self._loader[0] != key:
            self._end_loader()
            os.environ[WORKERS] = str(workers)
            train, validate = self._trainer_of(plain, batch).get_dataloaders()
            _end(validate)  # nobody asks it for anything here, and it would take the processors' time
            self._loader = key, train
        return self._loader[1]

    def _end_loader(self) -> None:
        if self._loader is not None:
            _end(self._loader[1])
            self._loader = None


def _end(loader: Any) -> None:
    if hasattr(loader, "_finish"):
        loader._finish()


def _trainer_class(settings: Settings, plain: bool) -> Any:
    """nnU-Net's trainer, or its own variant without augmentation, with our network."""
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
    from nnunetv2.training.nnUNetTrainer.variants.data_augmentation.nnUNetTrainerNoDA import nnUNetTrainerNoDA

    from .network import build

    class Bench(nnUNetTrainerNoDA if plain else nnUNetTrainer):  # type: ignore[misc]
        def __init__(
            self, plans: dict, configuration: str, fold: int, dataset_json: dict, device: torch.device
        ) -> None:  # it reads the names of these parameters
            super().__init__(plans, configuration, fold, dataset_json, device)
            self.enable_deep_supervision = False

        @staticmethod
        def build_network_architecture(
            plans_manager: Any,
            configuration_manager: Any,
            num_input_channels: int,
            num_output_channels: int,
            enable_deep_supervision: bool = True,
        ) -> Any:
            return build(settings)

        def set_deep_supervision_enabled(self, enabled: bool) -> None:
            pass

    return Bench
