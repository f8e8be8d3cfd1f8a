"""Synthetic MR cholangiography with exact truth, a different anatomy for each seed.

What is modelled, the figures with their sources, and what is not modelled: ``docs/phantom.md``.
"""

from __future__ import annotations

from .files import case_paths, is_complete, write_phantom
from .generator import Phantom, make_phantom
from .settings import PhantomSettings

__all__ = ["Phantom", "PhantomSettings", "case_paths", "is_complete", "make_phantom", "write_phantom"]
