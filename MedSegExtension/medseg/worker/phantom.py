"""Sample data for an application that shall not wait while it is made."""

from __future__ import annotations

from typing import Any

from ..errors import Cancelled
from ..progress import Progress
from .server import Context


def phantom(payload: dict[str, Any], context: Context) -> dict[str, Any]:
    """``{"volume", "labels"}`` of the phantom of seed ``payload["seed"]``, both `Volume`. Raises InputError."""
    from ..phantom import make_phantom

    def tell(fraction: float) -> None:
        if context.cancelled():
            raise Cancelled
        context.progress(Progress("phantom", round(100 * fraction), 100, fraction))

    made = make_phantom(payload.get("seed", -1), progress=tell)
    return {"volume": made.volume, "labels": made.labels}
