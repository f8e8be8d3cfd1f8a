"""nnU-Net's own trainer for a given time: network, loss, optimiser, augmentation and batches are untouched.

nnU-Net finds this class through the environment variable ``nnUNet_extTrainer``. ``NNUNET_MINUTES`` is the time. The
learning rate falls by nnU-Net's polynomial (exponent 0.9) over the time instead of over 1,000 epochs, so that it ends
where the time ends. There is no validation in between: all the time trains.
"""

import json
import os
from pathlib import Path
from time import monotonic

import numpy as np
import torch
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

EXPONENT = 0.9


class nnUNetTrainerMinutes(nnUNetTrainer):
    """Trains for ``NNUNET_MINUTES`` minutes of wall time, then stops. Loading and preprocessing do not count."""

    def run_training(self):
        # nnUNetv2_train -device cpu takes a thread for every core of the machine, also where it may use one only.
        torch.set_num_threads(len(os.sched_getaffinity(0)))
        self.on_train_start()
        limit = 60 * float(os.environ["NNUNET_MINUTES"])
        self.network.train()
        losses, times = [], []
        begin = now = monotonic()
        while now - begin < limit:
            rate = self.initial_lr * (1 - (now - begin) / limit) ** EXPONENT
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            losses.append(float(self.train_step(next(self.dataloader_train))["loss"]))
            before, now = now, monotonic()
            times.append(now - before)
            if len(times) % 10 == 1:
                self.print_to_log_file(f"step {len(times)}  {(now - begin) / 60:.1f} min  loss {losses[-1]:.4f}")
        report = {
            "steps": len(times),
            "minutes": (now - begin) / 60,
            "seconds_per_step": float(np.median(times)),
            "batch_size": self.batch_size,
            "patch_size": [int(n) for n in self.configuration_manager.patch_size],
            "parameters": sum(p.numel() for p in self.network.parameters()),
            "last_loss": float(np.mean(losses[-10:])),
        }
        self.current_epoch = 1
        self.on_train_end()
        (Path(self.output_folder) / "minutes.json").write_text(json.dumps(report, indent=1))

    def perform_actual_validation(self, save_probabilities: bool = False):
        """nnUNetv2_predict does it, on cases that the planner never saw."""
