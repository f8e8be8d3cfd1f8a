"""Checks of the arguments a card may give a network: right type, and small enough to be built."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import InputError

#: Wider than any 2D segmentation network in use; above it a card is wrong or hostile.
MAX_CHANNELS = 4096
MAX_LEVELS = 9


def check_whole(name: str, value: Any) -> int:
    """``value`` where it is a whole number. Raises InputError."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise InputError(f"architecture argument {name} is {value!r}", mend="give a whole number")
    return value


def check_channels(name: str, value: Any) -> int:
    """``value`` where it can be a number of channels. Raises InputError."""
    if not 1 <= check_whole(name, value) <= MAX_CHANNELS:
        raise InputError(
            f"architecture argument {name} is {value}", mend=f"give a whole number from 1 to {MAX_CHANNELS}"
        )
    return value


def check_widths(widths: Any) -> tuple[int, ...]:
    """The widths as a tuple. Raises InputError where there are too few, too many, or one is no channel count."""
    if isinstance(widths, str) or not isinstance(widths, Sequence) or not 2 <= len(widths) <= MAX_LEVELS:
        raise InputError(
            f"architecture argument widths is {widths!r}",
            mend=f"give a list of 2 to {MAX_LEVELS} channel counts, fine to coarse, such as [16, 32, 64]",
        )
    return tuple(check_channels(f"widths[{number}]", width) for number, width in enumerate(widths))


def check_choice(name: str, value: Any, choices: Sequence[str]) -> None:
    """Raise InputError where ``value`` is not one of ``choices``."""
    if value not in choices:
        raise InputError(f"architecture argument {name} is {value!r}", mend=f"use one of {', '.join(choices)}")


def check_flag(name: str, value: Any) -> None:
    """Raise InputError where ``value`` is not true or false."""
    if not isinstance(value, bool):
        raise InputError(f"architecture argument {name} is {value!r}", mend="use true or false")


def check_dropout(value: Any) -> float:
    """``value`` where it is a probability below 1. Raises InputError."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1:
        raise InputError(
            f"architecture argument dropout is {value!r}", mend="give a probability, 0 or more and below 1"
        )
    return float(value)
