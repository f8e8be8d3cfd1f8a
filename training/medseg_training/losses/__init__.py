"""What is made small in training."""

from .objective import Objective, build_loss
from .planes import make_planes, planes_needed
from .settings import Loss

__all__ = ["Loss", "Objective", "build_loss", "make_planes", "planes_needed"]
