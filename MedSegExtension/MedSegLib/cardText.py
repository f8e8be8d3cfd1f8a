"""A model's card as a person reads it: HTML for the window, from the report that `MedSegLogic.inspect` gives."""

from __future__ import annotations

from html import escape
from pathlib import Path

from slicer.i18n import tr as _

from .messages import asSentence, inLanguage


def cardHtml(report: dict, canChange: bool = False) -> str:
    """What the model segments, for which images, how good, on whom, licence and warnings.

    :param report: the dictionary of ``medseg inspect --json``.
    :param canChange: whether there is a link to change what a person answered.
    """
    card = report.get("card")
    if card is None:
        return _withoutCard(report)
    parts = [f"<b>{escape(card['name'])}</b> {escape(card.get('version', ''))}"]
    if card.get("description"):
        parts.append(escape(card["description"]))
    rows = [
        (_("Finds"), _labels(card)),
        (_("For"), _images(card)),
        (_("How good"), _quality(card)),
        (_("Trained on"), _training(card)),
        (_("Meant for"), escape(card.get("intended_use", ""))),
        (_("Licence"), escape(card.get("licence", "")) or _("not stated")),
        (_("File"), _file(report)),
    ]
    parts.append(_table(rows))
    if canChange:
        parts.append(f'<a href="#answers">{escape(_("Change the answers"))}</a>')
    parts += [f"⚠ {escape(asSentence(warning))}" for warning in report.get("warnings", [])]
    return "<br>".join(parts)


def cardName(report: dict | None) -> str:
    """The model's name for a heading or a message."""
    if not report:
        return ""
    card = report.get("card") or report.get("draft") or {}
    return str(card.get("name") or Path(report.get("path", "")).name)


def syntheticSentence(report: dict | None) -> str:
    """What must stand beside a result of a model that knows no patient; empty for others."""
    card = (report or {}).get("card") or {}
    if card.get("training", {}).get("synthetic"):
        return _("The model was trained on synthetic cases only; it knows no patient.")
    return ""


def _table(rows) -> str:
    cells = "".join(f"<tr><td><i>{name}:</i>&nbsp;</td><td>{text}</td></tr>" for name, text in rows if text)
    return f"<table>{cells}</table>"


def _labels(card: dict) -> str:
    names = []
    for label in card["output"]["labels"]:
        red, green, blue = label.get("color", (128, 128, 128))
        names.append(f'<font color="#{red:02x}{green:02x}{blue:02x}">■</font> {escape(label["name"])}')
    return ", ".join(names)


def planeName(plane: str) -> str:
    """An anatomical plane in the person's language."""
    names = {
        "axial": _("axial"),
        "coronal": _("coronal"),
        "sagittal": _("sagittal"),
        "acquisition": _("as the image was acquired"),
    }
    return names.get(plane, plane)


def _images(card: dict) -> str:
    texts = [escape(card[name]) for name in ("modality", "contrast", "body_region") if card.get(name)]
    texts.append(_("slices: {plane}").format(plane=planeName(card["plane"])))
    spacing = card.get("spacing_range_mm", {})
    if spacing.get("in_plane"):
        low, high = spacing["in_plane"]
        texts.append(_("pixels {low:g} to {high:g} mm").format(low=low, high=high))
    if spacing.get("between_slices"):
        low, high = spacing["between_slices"]
        texts.append(_("slices {low:g} to {high:g} mm apart").format(low=low, high=high))
    volumes = card["input"].get("volumes", ["volume"])
    if len(volumes) > 1:
        texts.append(_("needs {count} volumes: {names}").format(count=len(volumes), names=escape(", ".join(volumes))))
    return "; ".join(texts)


def _quality(card: dict) -> str:
    measured = card.get("training", {}).get("metrics", {}).get("validation", {})
    lines = []
    for label in card["output"]["labels"]:
        entry = measured.get(str(label["value"])) if isinstance(measured, dict) else None
        dice = entry.get("dice") if isinstance(entry, dict) else None
        if not isinstance(dice, dict) or "mean" not in dice:
            continue
        line = f"{escape(label['name'])}: Dice {dice['mean']:.2f}"
        if dice.get("interval_95"):
            low, high = dice["interval_95"]
            line += f" ({low:.2f}–{high:.2f})"
        lines.append(line)
    if not lines:
        return _("not stated")
    count = next((e["dice"].get("n") for e in measured.values() if isinstance(e, dict) and "dice" in e), None)
    text = "; ".join(lines)
    return text if count is None else _("{figures}, on {count} validation cases").format(figures=text, count=count)


def _training(card: dict) -> str:
    training = card.get("training", {})
    texts = [escape(str(training["data"]))] if training.get("data") else []
    cases = training.get("folds", {}).get("cases", {}).get("training")
    if cases:
        texts.append(_("{count} cases").format(count=cases))
    if training.get("synthetic"):
        texts.append(f"<b>{_('synthetic cases only: it knows no patient')}</b>")
    return "; ".join(texts) or _("not stated")


def _file(report: dict) -> str:
    texts = [escape(report.get("framework") or report.get("format", ""))]
    if report.get("parameters"):
        texts.append(_("{millions:.1f} million parameters").format(millions=report["parameters"] / 1e6))
    if report.get("card_source"):
        texts.append(_("card {where}").format(where=escape(inLanguage(report["card_source"]))))
    return ", ".join(texts)


def _withoutCard(report: dict) -> str:
    parts = [f"<b>{escape(Path(report.get('path', '')).name)}</b>", _file(report)]
    if report.get("card_error"):
        parts.append("⚠ " + escape(inLanguage(report["card_error"])))
    else:
        parts.append(_("This file does not say how its network wants its images. Please answer below."))
    parts += [f"⚠ {escape(asSentence(warning))}" for warning in report.get("warnings", [])]
    return "<br>".join(parts)
