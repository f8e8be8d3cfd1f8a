"""What is looked at in each case once its voxels are there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from medseg.fit import check_fit
from medseg.volume import Volume

from .case import Case, Problem
from .geometry import same_place

if TYPE_CHECKING:
    from medseg.card import ModelCard


def choose_channels(
    case: Case, channels: list[Volume], wanted: tuple[str, ...], chosen: Sequence[int | str] | None
) -> tuple[list[Volume], Problem | None]:
    """The card's input volumes out of the channels of the data."""
    names = case.reader.channel_names
    if chosen is not None:
        if len(chosen) != len(wanted):
            what = f"the configuration chooses {len(chosen)} channels for {len(wanted)} input volumes of the card"
            return [], Problem(case.image, what, "correct channels or card.input.volumes")
        numbers = []
        for channel in chosen:
            folded = [name.casefold() for name in names]
            number = channel if isinstance(channel, int) else _find(folded, channel.casefold())
            if number is None or not 0 <= number < len(channels):
                there = ", ".join(names) if names else f"0 to {len(channels) - 1}"
                return [], Problem(case.image, f"has no channel {channel!r}", f"correct channels; here are {there}")
            numbers.append(number)
        return [channels[n] for n in numbers], None
    if len(channels) == len(wanted):
        return channels, None
    if len(wanted) == 1 and all(np.array_equal(channels[0].array, other.array) for other in channels[1:]):
        return channels[:1], None  # grey saved as colour
    called = f" ({', '.join(names)})" if names else ""
    return [], Problem(
        case.image,
        f"has {len(channels)} channels{called}, the card's input.volumes names {len(wanted)} ({', '.join(wanted)})",
        "add the missing ones, set channels, or correct card.input.volumes",
    )


def image_problems(case: Case, images: Sequence[Volume], card: ModelCard) -> list[Problem]:
    """NaN, constant and displaced channels, and what does not fit the card."""
    problems = []
    for number, image in enumerate(images):
        file = case.images[number] if len(case.images) == len(images) else case.image
        array = image.array
        channel = f"channel {number}: " if len(images) > 1 and len(case.images) != len(images) else ""
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            count = int(array.size - np.isfinite(array).sum())
            what, mend = f"{channel}{count} voxels are NaN or infinite", "replace them by the background's value"
            problems.append(Problem(file, what, mend))
        elif array.min() == array.max():
            what, mend = f"{channel}every voxel has the same value", "export the image again or remove the case"
            problems.append(Problem(file, what, mend))
        else:
            problems += _intensity_problems(file, channel, array, card)
        difference = same_place(images[0], image)
        if difference is not None:
            what = f"{channel}does not lie on the grid of the first channel ({difference})"
            problems.append(Problem(file, what, "resample it onto the first channel"))
    if not any(p.fatal for p in problems):
        # What `medseg segment` would tell of this image and this card.
        for warning in check_fit(images, card).warnings:
            problems.append(
                Problem(case.image, warning, "see whether the case belongs here, or correct the card", False)
            )
    return problems


def _intensity_problems(file: Path, channel: str, array: np.ndarray, card: ModelCard) -> list[Problem]:
    """Fixed numbers of the card that leave nothing of an image: the unit or the scale is another one."""
    kind = card.input.normalisation
    low, high = float(array.min()), float(array.max())
    what = None
    if kind.kind == "window" and kind.window is not None:
        inside = float(((array > kind.window[0]) & (array < kind.window[1])).mean())
        if inside < 0.01:
            what = f"{inside:.2%} of its voxels lie in the card's window {kind.window[0]:g} to {kind.window[1]:g}"
    elif kind.kind == "divide" and kind.divisor:
        if max(abs(low), abs(high)) > 4 * kind.divisor or max(abs(low), abs(high)) < 0.02 * kind.divisor:
            what = f"its values run from {low:g} to {high:g}, and the card divides by {kind.divisor:g}"
    elif kind.kind == "zscore" and kind.mean is not None and kind.standard_deviation:
        away = (float(np.median(array)) - kind.mean) / kind.standard_deviation
        if abs(away) > 10:
            what = f"its median lies {away:.0f} standard deviations from the card's mean"
    if what is None:
        return []
    return [Problem(file, channel + what, "correct card.input.normalisation or the image", fatal=False)]


def _find(names: list[str], name: str) -> int | None:
    return names.index(name) if name in names else None
