"""The main job from nothing: a phantom, the model that ships, 3D segments, measurements, pictures and a report."""

from .run import DemoFiles, run_demo

__all__ = ["DemoFiles", "run_demo"]
