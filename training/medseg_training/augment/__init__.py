"""Augmentation of a whole batch at once, on the device where the batch lies."""

from .batch import Warp, draw_warp, vary_intensity, warp_crop

__all__ = ["Warp", "draw_warp", "vary_intensity", "warp_crop"]
