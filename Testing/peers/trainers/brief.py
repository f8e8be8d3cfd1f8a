"""Trainers for nnU-Net that stop after minutes: found by nnU-Net itself through its variable nnUNet_extTrainer."""

from __future__ import annotations

import torch
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

_CUDA = torch.device("cuda")


class nnUNetTrainerBrief(nnUNetTrainer):
    """Everything as nnU-Net does it, but for the number of steps. (It reads the names of these parameters.)"""

    def __init__(
        self, plans: dict, configuration: str, fold: int, dataset_json: dict, device: torch.device = _CUDA
    ) -> None:
        super().__init__(plans, configuration, fold, dataset_json, device)
        self.num_epochs = 2
        self.num_iterations_per_epoch = 10
        self.num_val_iterations_per_epoch = 1


class nnUNetTrainerBriefest(nnUNetTrainerBrief):
    """For the larger network: enough that its output is no noise."""

    def __init__(
        self, plans: dict, configuration: str, fold: int, dataset_json: dict, device: torch.device = _CUDA
    ) -> None:
        super().__init__(plans, configuration, fold, dataset_json, device)
        self.num_epochs = 1
