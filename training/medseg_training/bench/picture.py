"""The outcome as a page with pictures: somebody looks before they read."""

from __future__ import annotations

import io
from typing import Any

from ..report.page import drawing, facts, heading, page, paragraph, table
from ..report.plots import COLOURS
from .outcome import unit_of
from .table import HEADS, MEANING, MODES, NAMES, by, cells, conditions, ratios, shares

_STYLES = {"full": "-", "plain": ":", "made": "--"}


def write_page(outcome: dict[str, Any]) -> str:
    """The whole HTML document."""
    missing = dict.fromkeys(f"{NAMES[r['contender']]}: {r['reason']}" for r in outcome["rows"] if r["reason"])
    notices = [f"Not run: {text}" for text in missing]
    sections = [heading("Speed by batch size"), *_speed(outcome)]
    for title, (heads, rows) in (
        (f"Part of the augmented step that loads and augments, by {by(outcome)}", shares(outcome)),
        (f"How many times as fast, by {by(outcome)}", ratios(outcome)),
    ):
        if rows:
            sections += [heading(title), table(heads, rows)]
    sections += [heading("All figures"), table(HEADS, cells(outcome)), paragraph(MEANING, small=True)]
    sections += [heading("How it was measured"), facts(conditions(outcome))]
    return page("How fast training is here", notices, sections)


def _speed(outcome: dict[str, Any]) -> list[str]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    unit = unit_of(outcome)
    speeds = {(r["contender"], r["mode"], r["batch"]): r[unit] for r in outcome["rows"] if r[unit]}
    if not speeds:
        return [paragraph("Nothing was measured.")]
    batches = sorted({batch for _, _, batch in speeds})
    figure = Figure(figsize=(10.5, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    if len(batches) > 1:
        _lines(left, speeds, batches)
    else:
        _bars(left, speeds, [(MODES[mode], mode, batches[0]) for mode in _STYLES])
    _bars(right, speeds, [(f"batch {batch}", "batches", batch) for batch in batches])
    per = "processor second" if unit == "slices_per_cpu_s" else "second"
    for axes, title in ((left, "Training steps"), (right, "Loading and augmenting alone")):
        axes.set(title=title, ylabel=f"slices per {per}", ylim=(0, None))
        axes.grid(axis="y", alpha=0.3)
        axes.legend(fontsize=8)
    styles = "" if len(batches) == 1 else "Whole lines: augmented step; dotted: plain step; dashed: step on made data. "
    return [drawing(_svg(figure), f"Medians of all windows. {styles}{MEANING}")]


def _lines(axes: Any, speeds: dict[tuple[str, str, int], float], batches: list[int]) -> None:
    for name in NAMES:
        for mode, style in _STYLES.items():
            points = [(batch, speeds[name, mode, batch]) for batch in batches if (name, mode, batch) in speeds]
            if points:
                label = NAMES[name] if mode == "full" else None
                axes.plot(*zip(*points, strict=True), style, color=_colour(name), marker="o", ms=3.5, label=label)
    axes.set(xlabel="batch size", xscale="log")
    axes.set_xticks(batches, [str(batch) for batch in batches])
    axes.minorticks_off()


def _bars(axes: Any, speeds: dict[tuple[str, str, int], float], groups: list[tuple[str, str, int]]) -> None:
    """A group for each (text, mode, batch), a bar for each contender."""
    names = [name for name in NAMES if any(name == known for known, _, _ in speeds)]
    width = 0.8 / len(names)
    for n, name in enumerate(names):
        heights = [speeds.get((name, mode, batch), 0.0) for _, mode, batch in groups]
        places = [k + (n - (len(names) - 1) / 2) * width for k in range(len(groups))]
        bars = axes.bar(places, heights, width, color=_colour(name), label=NAMES[name])
        axes.bar_label(bars, [f"{h:.3g}" if 0 < h < 1000 else f"{h:.0f}" if h else "" for h in heights], fontsize=7)
    axes.set_xticks(range(len(groups)), [text for text, _, _ in groups])


def _colour(name: str) -> str:
    return COLOURS[list(NAMES).index(name)]


def _svg(figure: Any) -> str:
    import matplotlib

    out = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": "medseg", "svg.fonttype": "none"}):
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    text = out.getvalue()
    return text[text.index("<svg") :]
