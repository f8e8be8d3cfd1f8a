"""The main job from nothing: a phantom, the model that ships, 3D segments, measurements, pictures and a report."""

from .files import DemoFiles
from .run import run_demo

__all__ = ["DemoFiles", "run_demo"]
