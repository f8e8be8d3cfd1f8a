"""Figures of a measurement: the tree coloured by calibre, and calibre along the main ways."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .duct_tree import COLOURS, TreePicture, calibre_range

if TYPE_CHECKING:
    from ..ducts import DuctMeasurement, Finding

#: Colours of the ways in the plot, dark enough for paper.
_WAY_COLOURS = ("#1f5a99", "#c2571a", "#4b7f2c")
_MARK = "#b3122a"
_SCALE_MM = 20.0


def draw_tree(
    axes: Any, m: DuctMeasurement, marks: dict[str, Finding], picture: TreePicture, turn_degrees: float = 0.0
) -> Any:
    """Draw a picture of the tree with numbered findings, a scale bar and the sides; returns what a colour bar needs."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    height, width = picture.pixels.shape[:2]
    axes.imshow(picture.pixels, interpolation="antialiased")
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    axes.axis("off")
    if marks:
        places = picture.place(np.array([f.position_lps_mm for f in marks.values()]))
        labels = _spread(places, width, height)
        for mark, at, label in zip(marks, places, labels, strict=True):
            axes.annotate(
                mark,
                xy=(at[0], at[1]),
                xytext=(label[0], label[1]),
                color=_MARK,
                fontsize=7,
                fontweight="bold",
                ha="center",
                va="center",
                bbox={"boxstyle": "round,pad=0.15", "fc": "white", "ec": _MARK, "lw": 0.6, "alpha": 0.9},
                arrowprops={"arrowstyle": "-", "color": _MARK, "lw": 0.7, "shrinkA": 0, "shrinkB": 0},
            )
    bar = _SCALE_MM / picture.pixel_mm
    axes.plot([0.04 * width, 0.04 * width + bar], [0.97 * height] * 2, color="black", lw=2, solid_capstyle="butt")
    axes.text(0.04 * width + bar / 2, 0.955 * height, f"{_SCALE_MM:.0f} mm", ha="center", va="bottom", fontsize=7)
    # at 0 degrees the patient's right is on the left of the picture, as on a radiograph
    if abs(turn_degrees) < 45:
        axes.text(0.01 * width, 0.5 * height, "R", fontsize=8, color="0.4", va="center")
        axes.text(0.99 * width, 0.5 * height, "L", fontsize=8, color="0.4", va="center", ha="right")
    return ScalarMappable(Normalize(*calibre_range(m)), COLOURS)


def draw_ways(axes: Any, m: DuctMeasurement, marks: dict[str, Finding]) -> None:
    """Calibre from the lower end to the periphery; pale where the voxels give only a bound; findings numbered."""
    from ..ducts.ways import profiles

    ways = profiles(m)
    top = max([float(np.nanmax(w.diameter_mm)) for w in ways], default=1.0)
    marked: set[str] = set()
    for colour, way in zip(_WAY_COLOURS, ways, strict=False):
        axes.plot(way.distance_mm, way.diameter_mm, color=colour, lw=1.3, alpha=0.35)
        sure = np.where(way.resolved, way.diameter_mm, np.nan)
        axes.plot(way.distance_mm, sure, color=colour, lw=1.6, label=f"to the {way.name}")
        for mark, f in marks.items():
            if mark in marked or f.branch not in way.branches:
                continue
            nearest = int(np.argmin(np.linalg.norm(way.points_lps_mm - f.position_lps_mm, axis=1)))
            marked.add(mark)
            at, up = float(way.distance_mm[nearest]), float(np.nan_to_num(way.diameter_mm[nearest]))
            axes.annotate(
                mark, (at, up), (at, up + 0.16 * top), color=_MARK, fontsize=7, fontweight="bold", ha="center",
                arrowprops={"arrowstyle": "-", "color": _MARK, "lw": 0.7},
            )  # fmt: skip
    axes.axhspan(0, m.resolution_mm, color="0.92", lw=0)
    axes.set_ylim(0, 1.25 * top)
    axes.set_xlim(left=0)
    axes.set_xlabel("distance from the lower end (mm); grey: not resolved by the voxels", fontsize=7)
    axes.set_ylabel("calibre (mm)", fontsize=7)
    axes.tick_params(labelsize=7)
    axes.spines[["top", "right"]].set_visible(False)
    if ways:
        axes.legend(fontsize=7, frameon=False, loc="upper right")


def _spread(places: np.ndarray, width: int, height: int) -> np.ndarray:
    """Where the labels of points (N, 2) go: away from the middle of the picture, and apart from one another."""
    middle = np.array([width / 2, height / 2])
    away = places - middle
    away = away / np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-6)
    labels = places + away * 0.07 * width
    least = np.array([0.085 * width, 0.05 * height])
    for _ in range(60):
        moved = False
        for a in range(len(labels)):
            for b in range(a + 1, len(labels)):
                apart = labels[b] - labels[a]
                overlap = least - np.abs(apart)
                if (overlap > 0).all():
                    axis = int(np.argmin(overlap / least))
                    sign = 1.0 if apart[axis] >= 0 else -1.0
                    labels[a, axis] -= sign * overlap[axis] / 2
                    labels[b, axis] += sign * overlap[axis] / 2
                    moved = True
        if not moved:
            break
    return np.clip(labels, [0.03 * width, 0.03 * height], [0.97 * width, 0.93 * height])
