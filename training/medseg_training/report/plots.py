"""Plots of the report, as SVG text."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .certainty import Counts, calibration, precision_recall, roc
from .collect import Training

#: Okabe and Ito's colours, which people who see colours differently can tell apart.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999999")


def curves(training: Training) -> str:
    """Training loss and validation Dice by epoch, a line for each run or fold."""
    judged = any(line.get("validation", {}).get("dice") for lines in training.curves.values() for line in lines)
    figure, both = _figure(9.5 if judged else 5.0, 3.2, 1, 2 if judged else 1)
    loss, dice = both if judged else (both, None)
    for n, (name, lines) in enumerate(training.curves.items()):
        colour = COLOURS[n % len(COLOURS)]
        epochs = [line["epoch"] for line in lines if "loss" in line]
        loss.plot(epochs, [line["loss"] for line in lines if "loss" in line], color=colour, label=name, lw=1.3)
        seen = [(line["epoch"], line["validation_loss"]) for line in lines if "validation_loss" in line]
        if seen:
            called = f"{name}, validation"
            loss.plot(*zip(*seen, strict=True), color=colour, ls="--", marker=".", lw=1.3, label=called)
        for k, value in enumerate(training.labels):
            points = [
                (line["epoch"], line["validation"]["dice"].get(str(value)))
                for line in lines
                if line.get("validation", {}).get("dice")
            ]
            points = [(epoch, score) for epoch, score in points if score is not None]
            if points and dice is not None:
                only = len(training.labels) == 1
                style = ("-", "--", ":", "-.")[k % 4]
                label = name if only else f"{name}, {training.labels[value]}"
                dice.plot(*zip(*points, strict=True), color=colour, ls=style, marker=".", lw=1.3, label=label)
    validated = any("validation_loss" in line for lines in training.curves.values() for line in lines)
    title = "Loss: training (line), validation patients (dashed)" if validated else "Loss in training"
    loss.set(title=title, xlabel="epoch", ylabel="loss", yscale="log" if _spans(loss) else "linear")
    if dice is not None:
        dice.set(title="Dice of the validation patients", xlabel="epoch", ylabel="Dice", ylim=(0, 1))
    for axes in filter(None, (loss, dice)):
        axes.grid(alpha=0.3)
        if 0 < len(axes.lines) <= 10:
            axes.legend(fontsize=8)
    return _svg(figure)


def patients(trainings: Sequence[Training], part: str, label: int, figure_name: str, title: str) -> str:
    """A dot for each patient, joined by a line from training to training, and a bar for the mean."""
    figure, axes = _figure(max(3.4, 1.1 * len(trainings) + 1.8), 3.4)
    every = [training.by_patient(part, label, figure_name) for training in trainings]
    # A little apart, so that patients who score alike can be told apart; the same for a patient in every column.
    names = sorted({name for each in every for name in each})
    beside = dict(zip(names, np.random.default_rng(0).uniform(-0.12, 0.12, len(names)), strict=True))
    for name in names:
        points = [(n + beside[name], each[name]) for n, each in enumerate(every) if name in each]
        axes.plot(*zip(*points, strict=True), color="#8c959f", lw=0.6, alpha=0.6, zorder=1)
    for n, each in enumerate(every):
        colour = COLOURS[n % len(COLOURS)]
        axes.plot([n + beside[name] for name in each], list(each.values()), "o", color=colour, alpha=0.75, ms=5)
        if each:
            axes.hlines(np.mean(list(each.values())), n - 0.25, n + 0.25, color=colour, lw=2, zorder=3)
    axes.set_xticks(range(len(trainings)), [t.name for t in trainings], rotation=25 if len(trainings) > 3 else 0)
    axes.set(title=title, ylabel=title.partition(",")[0], xlim=(-0.6, len(trainings) - 0.4))
    axes.grid(axis="y", alpha=0.3)
    return _svg(figure)


def certainty(counts: Mapping[str, Counts]) -> str:
    """ROC, precision and recall, calibration: a line for each label."""
    figure, (left, middle, right) = _figure(10.5, 3.4, 1, 3)
    for n, (name, each) in enumerate(counts.items()):
        colour = COLOURS[n % len(COLOURS)]
        x, y, area = roc(each)
        left.plot(x, y, color=colour, label=f"{name}: area {area:.4f}")
        x, y, area = precision_recall(each)
        middle.plot(x, y, color=colour, label=f"{name}: average precision {area:.3f}")
        said, was, _, error = calibration(each)
        right.plot(said, was, "o-", color=colour, ms=4, label=f"{name}: error {error:.3f}")
    right.plot([0, 1], [0, 1], color="#999999", lw=0.8, ls="--")
    left.set(title="ROC", xlabel="false-positive rate", ylabel="true-positive rate")
    middle.set(title="Precision and recall", xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02))
    right.set(title="Calibration", xlabel="probability said", ylabel="share that was inside", xlim=(0, 1), ylim=(0, 1))
    for axes in (left, middle, right):
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8, loc="lower right" if axes is not middle else "lower left")
    return _svg(figure)


def agreement_of_volumes(training: Training, part: str, label: int) -> str:
    """Bland and Altman 1986: difference of the volumes against their mean, with limits of agreement."""
    rows = [row.figures[label] for row in training.part(part)]
    pairs = [(r["volume_prediction_ml"], r["volume_reference_ml"]) for r in rows]
    pairs = [(a, b) for a, b in pairs if a == a and b == b and a + b > 0]
    figure, axes = _figure(4.6, 3.4)
    mean = np.array([(a + b) / 2 for a, b in pairs])
    difference = np.array([a - b for a, b in pairs])
    axes.plot(mean, difference, "o", color=COLOURS[0], ms=5)
    if len(pairs) > 1:
        middle, spread = difference.mean(), 1.96 * difference.std(ddof=1)
        for value, style, name in (
            (middle, "-", "mean"),
            (middle - spread, "--", ""),
            (middle + spread, "--", "±1.96 SD"),
        ):
            axes.axhline(value, color="#d55e00", ls=style, lw=1, label=f"{name} {value:+.2f} ml" if name else None)
        axes.legend(fontsize=8)
    axes.set(title="Volumes", xlabel="mean of both (ml)", ylabel="prediction − reference (ml)")
    axes.grid(alpha=0.3)
    return _svg(figure)


def _spans(axes: Any) -> bool:
    values = [v for line in axes.lines for v in line.get_ydata() if v > 0]
    return bool(values) and max(values) / min(values) > 20


def _figure(width: float, height: float, rows: int = 1, columns: int = 1) -> tuple[Any, Any]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns)


def _svg(figure: Any) -> str:
    import matplotlib

    out = io.StringIO()
    # Fixed, so that the same runs give the same file; text stays text, so that it can be searched.
    with matplotlib.rc_context({"svg.hashsalt": "medseg", "svg.fonttype": "none"}):
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    text = out.getvalue()
    return text[text.index("<svg") :]
