"""How far a run has come, and the learning rate there. Both depend on the position alone, so a resumed run goes on."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

from .config import Budget, Optimiser


def position(step: int, elapsed_s: float, budget: Budget) -> float:
    """Share of the run that is done, 0..1: of steps or of time, whichever is further."""
    shares = [0.0]
    if budget.epochs is not None:
        shares.append(step / (budget.epochs * budget.steps_per_epoch))
    if budget.max_minutes is not None:
        shares.append(elapsed_s / (60 * budget.max_minutes))
    return min(1.0, max(shares))


def rate(share: float, settings: Optimiser, reductions: int = 0) -> float:
    """Learning rate after ``share`` of the run: linear warm-up, then the schedule.

    ``reductions`` : how often ``plateau`` has lowered it.
    """
    if share < settings.warm_up:
        # A step is taken at share 0 too: begin at a tenth, not at nothing.
        return settings.learning_rate * max(0.1, share / settings.warm_up)
    through = (share - settings.warm_up) / (1 - settings.warm_up)
    if settings.schedule == "cosine":
        factor = settings.final_share + (1 - settings.final_share) * 0.5 * (1 + math.cos(math.pi * through))
    elif settings.schedule == "poly":
        factor = max(0.0, 1 - through) ** settings.power
    elif settings.schedule == "plateau":
        factor = max(settings.final_share, settings.plateau_factor**reductions)
    else:
        factor = 1.0
    return settings.learning_rate * factor


@dataclass
class Plateau:
    """Counts how often a figure has stood still for ``patience`` looks; higher is better."""

    patience: int
    best: float = -math.inf
    waited: int = 0
    reductions: int = 0

    def look(self, figure: float) -> None:
        """Take a new figure in; NaN is no gain."""
        if figure > self.best:
            self.best, self.waited = figure, 0
            return
        self.waited += 1
        if self.waited >= self.patience:
            self.reductions, self.waited = self.reductions + 1, 0

    def state_dict(self) -> dict[str, float]:
        return asdict(self)

    def load_state_dict(self, state: dict[str, float]) -> None:
        self.best, self.waited, self.reductions = state["best"], int(state["waited"]), int(state["reductions"])
