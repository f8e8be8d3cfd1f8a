"""Agreement of a segmentation with its reference. Definitions, units and the empty-mask policy: ``docs/metrics.md``.

Works on arrays; knows nothing of files.
"""

from __future__ import annotations

from ..skeleton import skeletonise
from .agreement import Agreement, evaluate_case, evaluate_labels
from .centreline import ClDice, betti0, cldice, cldice_parts
from .overlap import dice
from .summary import FIGURES, Spread, Summary, summarise, summarise_values
from .surface import SurfaceDistances, surface_distances, surface_voxels
from .trees import CalibreClass, TreeAgreement, add_up, compare_trees

__all__ = [
    "FIGURES",
    "Agreement",
    "CalibreClass",
    "ClDice",
    "Spread",
    "Summary",
    "SurfaceDistances",
    "TreeAgreement",
    "add_up",
    "betti0",
    "cldice",
    "cldice_parts",
    "compare_trees",
    "dice",
    "evaluate_case",
    "evaluate_labels",
    "skeletonise",
    "summarise",
    "summarise_values",
    "surface_distances",
    "surface_voxels",
]
