"""How far a run has come, and the learning rate there. Both depend on the position alone, so a resumed run goes on."""

from __future__ import annotations

import math

from .config import Budget, Optimiser


def position(step: int, elapsed_s: float, budget: Budget) -> float:
    """Share of the run that is done, 0..1: of steps or of time, whichever is further."""
    shares = [0.0]
    if budget.epochs is not None:
        shares.append(step / (budget.epochs * budget.steps_per_epoch))
    if budget.max_minutes is not None:
        shares.append(elapsed_s / (60 * budget.max_minutes))
    return min(1.0, max(shares))


def rate(share: float, settings: Optimiser) -> float:
    """Learning rate after ``share`` of the run: linear warm-up, then constant or half a cosine."""
    if share < settings.warm_up:
        # A step is taken at share 0 too: begin at a tenth, not at nothing.
        return settings.learning_rate * max(0.1, share / settings.warm_up)
    if settings.schedule == "constant":
        return settings.learning_rate
    through = (share - settings.warm_up) / (1 - settings.warm_up)
    factor = settings.final_share + (1 - settings.final_share) * 0.5 * (1 + math.cos(math.pi * through))
    return settings.learning_rate * factor
