"""What the configuration says about a cross-validation beside `split`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ..section import Amount, Section

#: Probabilities below this are not kept out of fold, so nothing below it can be chosen.
LOWEST = 0.05

Probability = Annotated[float, Field(ge=LOWEST, le=1.0 - LOWEST)]


class CrossValidation(Section):
    """Which thresholds and post-processing are tried on the out-of-fold probabilities. What the card says is always
    among them, and stays where nothing is better."""

    figure: Literal["dice", "cldice", "dice+cldice"] = "dice"
    """What is to be best: the mean over patients and labels."""
    thresholds: list[Probability] = Field(
        default_factory=lambda: [
            0.1,
            0.15,
            0.2,
            0.25,
            0.3,
            0.35,
            0.4,
            0.45,
            0.5,
            0.55,
            0.6,
            0.65,
            0.7,
            0.75,
            0.8,
            0.85,
            0.9,
        ]
    )
    """Empty keeps the card's."""
    hysteresis_low: list[Probability] = Field(default_factory=list)
    """Lower thresholds of the hysteresis; none unless asked for. Those above the threshold are passed over."""
    minimum_part_mm3: list[Amount] = Field(default_factory=lambda: [0.0, 10.0, 30.0, 100.0, 300.0, 1000.0])
    """Smallest parts kept. Empty keeps the card's."""
    fill_holes: list[bool] = Field(default_factory=lambda: [False, True])
    keep_largest_parts: list[Annotated[int, Field(ge=1)] | None] = Field(default_factory=list)
    """How many parts may be kept, ``null`` for all; not tried unless asked for. Never ask for ducts: above a complete
    stricture they are apart from the rest."""
