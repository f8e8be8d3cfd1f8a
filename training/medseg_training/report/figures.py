"""The figures of a report: their order, headings, decimals, and what the words mean."""

from __future__ import annotations

import math

#: What the table of patients shows: name in Agreement, heading, decimals.
FIGURES = (
    ("dice", "Dice", 3),
    ("iou", "IoU", 3),
    ("precision", "precision", 3),
    ("recall", "recall", 3),
    ("cldice", "clDice", 3),
    ("cldice_precision", "clDice precision", 3),
    ("cldice_sensitivity", "clDice sensitivity", 3),
    ("betti0_error", "parts, error", 1),
    ("nsd_1voxel", "NSD 1 voxel", 3),
    ("nsd_1mm", "NSD 1 mm", 3),
    ("hd95_mm", "HD95 (mm)", 1),
    ("assd_mm", "ASSD (mm)", 2),
    ("volume_difference_percent", "volume difference (%)", 1),
)
#: The first glance.
FIRST = ("dice", "cldice", "nsd_1voxel", "hd95_mm", "volume_difference_percent")

SPREADS = (
    ("mean", "mean"),
    ("SD", "sd"),
    ("median", "median"),
    ("lower quartile", "q25"),
    ("upper quartile", "q75"),
    ("95 % interval, low", "low"),
    ("95 % interval, high", "high"),
)

WORDS = (
    ("Dice", "twice the overlap over the sum of both volumes: 1 is the same mask, 0 nothing in common"),
    ("clDice", "the same for centrelines: how much of the tree is found and how much of what is found is tree"),
    ("NSD", "share of both surfaces that lie within the tolerance of each other"),
    ("HD95, ASSD", "distance of the surfaces in mm: that which 95 % do not exceed, and the mean"),
    ("parts, error", "how many separate parts more or fewer than in the reference (Betti 0)"),
    ("95 % interval", "of the mean, 10,000 bootstrap draws over patients; it says nothing of other hospitals"),
    ("empty masks", "a missed structure scores Dice 0, NSD 0 and the image's diagonal; where both are empty the case "
     "is not counted"),
)  # fmt: skip


def heading(name: str) -> str:
    return next(heading for n, heading, _ in FIGURES if n == name)


def digits_of(name: str) -> int:
    return next(digits for n, _, digits in FIGURES if n == name)


def number_text(value: float, digits: int) -> str:
    return "–" if math.isnan(value) else f"{value:.{digits}f}"
