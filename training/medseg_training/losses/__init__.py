"""What is made small in training."""

from .dice_cross_entropy import DiceCrossEntropy, build_loss

__all__ = ["DiceCrossEntropy", "build_loss"]
