"""Measuring ducts: centreline graph, calibre, candidate strictures and dilatations, parts and gaps, surface.

>>> from medseg.ducts import measure_ducts, write_measurement
>>> m = measure_ducts(labels, label=1)            # labels: Volume with a label map
>>> [(b.name, b.length_mm, b.mean_diameter_mm) for b in m.branches]
>>> write_measurement(m, "out", "case")
"""

from __future__ import annotations

from .measure import measure_ducts
from .model import Branch, Bridge, Component, DuctMeasurement, Finding, Node, bounded
from .origin import Origin
from .ways import Profile, profile_to, profiles
from .write import write_measurement

__all__ = [
    "Branch",
    "Bridge",
    "Component",
    "DuctMeasurement",
    "Finding",
    "Node",
    "Origin",
    "Profile",
    "bounded",
    "measure_ducts",
    "profile_to",
    "profiles",
    "write_measurement",
]
