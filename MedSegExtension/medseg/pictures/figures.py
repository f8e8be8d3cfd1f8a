"""Figures as PNG files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..io import SegmentInfo, atomic_path
from ..volume import Volume
from .projection import View, coronal_stack, lit_surfaces, maximum_intensity_projection


def save_overview(volume: Volume, labels: Volume, segments: Sequence[SegmentInfo], path: Path, title: str) -> None:
    """Projection, projection with the segments over it, and the segments in 3D from two sides, in one PNG."""
    figure = _figure(14, 5.9)
    axes = figure.subplots(1, 3, gridspec_kw={"width_ratios": [1, 1, 0.8]})
    projection = maximum_intensity_projection(volume)
    _show(axes[0], projection, "maximum-intensity projection")
    _show(axes[1], projection, "segments")
    stack, _ = coronal_stack(labels)
    colors = {s.value: s.color for s in segments}
    for value, color in colors.items():
        outline = (stack == value).any(axis=0)
        axes[1].imshow(
            np.dstack([np.full(outline.shape, c) for c in color] + [0.55 * outline]), aspect=projection.aspect
        )
    front, side = lit_surfaces(labels, colors), lit_surfaces(labels, colors, turn_degrees=50)
    _show(axes[2], _side_by_side(front, side), "in 3D, from the front and turned by 50°")
    _legend(figure, segments)
    figure.suptitle(title, color="white", fontsize=12)
    _save(figure, path)


def save_slices(
    volume: Volume,
    labels: Volume,
    segments: Sequence[SegmentInfo],
    path: Path,
    title: str,
    reference: Volume | None = None,
    count: int = 4,
) -> None:
    """Coronal slices spread over the extent of the segments; filled is what was found, the white line the reference."""
    stack, (_, rows, columns) = coronal_stack(volume)
    found, _ = coronal_stack(labels)
    truth = coronal_stack(reference)[0] if reference is not None else None
    where = np.flatnonzero((found if truth is None else np.maximum(found, truth)).any(axis=(1, 2)))
    chosen = (
        where[np.linspace(0, where.size - 1, count + 2).round().astype(int)[1:-1]] if where.size else [len(stack) // 2]
    )
    figure = _figure(13, 7.4)
    axes = figure.subplots(2, len(chosen), squeeze=False)
    low, high = np.percentile(stack, [1, 99.7])
    for column, index in enumerate(chosen):
        image = np.clip((stack[index].astype(np.float32) - low) / max(high - low, 1e-6), 0, 1)
        for row in range(2):
            _show(
                axes[row, column],
                View(image, rows / columns),
                f"slice {int(index) + 1} of {len(stack)}" if row == 0 else "",
            )
        for segment in segments:
            mask = found[index] == segment.value
            overlay = np.dstack([np.full(mask.shape, c) for c in segment.color] + [0.6 * mask])
            axes[1, column].imshow(overlay, aspect=rows / columns)
            if truth is not None and (truth[index] == segment.value).any():
                axes[1, column].contour(truth[index] == segment.value, [0.5], colors="white", linewidths=0.5)
    _legend(figure, segments)
    figure.suptitle(title, color="white", fontsize=12)
    _save(figure, path)


def _figure(width: float, height: float) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=110, facecolor="black", layout="constrained")
    FigureCanvasAgg(figure)  # the software renderer, whatever the environment says
    return figure


def _show(axes: Any, view: View, title: str) -> None:
    axes.imshow(view.pixels, cmap="gray", vmin=0, vmax=1, aspect=view.aspect, interpolation="bilinear")
    axes.set_title(title, color="0.8", fontsize=9)
    axes.axis("off")


def _side_by_side(left: View, right: View) -> View:
    height = max(left.pixels.shape[0], right.pixels.shape[0])
    panels = []
    for view in (left, right):
        missing = height - view.pixels.shape[0]
        panels.append(np.pad(view.pixels, [(missing // 2, missing - missing // 2), (0, 0), (0, 0)]))
    # One above the other where side by side would be a ribbon.
    if panels[0].shape[1] + panels[1].shape[1] > 1.3 * height:
        width = max(p.shape[1] for p in panels)
        centred = [
            np.pad(p, [(0, 0), ((width - p.shape[1]) // 2, width - p.shape[1] - (width - p.shape[1]) // 2), (0, 0)])
            for p in panels
        ]
        return View(np.concatenate(centred), 1.0)
    return View(np.concatenate(panels, axis=1), 1.0)


def _legend(figure: Any, segments: Sequence[SegmentInfo]) -> None:
    from matplotlib.patches import Patch

    figure.legend(
        handles=[Patch(color=s.color, label=s.name) for s in segments],
        loc="outside lower center",
        ncols=len(segments),
        facecolor="black",
        edgecolor="none",
        labelcolor="white",
        fontsize=9,
    )


def _save(figure: Any, path: Path) -> None:
    with atomic_path(path) as temporary:
        figure.savefig(temporary, facecolor="black")
