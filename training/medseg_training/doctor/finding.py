"""One line of the doctor."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

State = Literal["ok", "warn", "fail"]


@dataclass(frozen=True)
class Finding:
    """What was looked at, how it is, and what to do where it is not well.

    Attributes
    ----------
    name : what was looked at; the headings of ``docs/servers.md``.
    state : ``ok``; ``warn``, it runs but something is lost or may go wrong; ``fail``, training cannot work so.
    what : what was found.
    mend : what to do; empty where all is well.
    values : the numbers behind it, JSON-ready.
    """

    name: str
    state: State
    what: str
    mend: str = ""
    values: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready data."""
        return asdict(self)


def gib(count: float) -> str:
    """Bytes as a person reads them."""
    value = count / 2**30
    return f"{value:.0f} GiB" if value >= 10 else f"{value:.1f} GiB"
