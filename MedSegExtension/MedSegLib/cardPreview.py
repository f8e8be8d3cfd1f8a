"""A slice as the network would see it, while a person says how it wants its slices."""

from __future__ import annotations

from typing import Any

import numpy as np
import qt
from medseg.errors import Cancelled, MedSegError
from slicer.i18n import tr as _

from .messages import errorText

#: The picture follows the answers when they rest this long.
PAUSE_MS = 250
#: Side of the picture at most, in pixels of the screen.
SIDE = 200
#: Share of the pixels that may be darker or brighter than the picture's ends.
TAILS = (0.5, 99.8)


class CardPreview:
    """``nodes()`` gives the chosen volume nodes; the slice is made in the worker, as a run would."""

    def __init__(self, ui, logic, nodes) -> None:
        self.ui, self._logic, self._nodes = ui, logic, nodes
        self._card: dict | None = None
        self._request: Any = None
        self._asked: Any = None
        self.shape: tuple[int, int] | None = None
        self._timer = qt.QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(PAUSE_MS)
        self._timer.connect("timeout()", self._ask)
        self.clear()

    def cleanup(self) -> None:
        self.clear()
        if self._request is not None and not self._request.finished:
            self._logic.forget(self._request)
        self._request = None

    def clear(self) -> None:
        """Show nothing."""
        self._timer.stop()
        self._card = self._asked = self.shape = None
        self.ui.cardPreviewLabel.visible = False
        self.ui.cardPreviewTextLabel.visible = False

    def show(self, card: dict | None) -> None:
        """Follow other answers; None where they make no card yet."""
        if card is None:
            self.clear()
            return
        self._card = card
        self._timer.start()

    def _ask(self) -> None:
        nodes = self._nodes()
        volumes = (self._card or {}).get("input", {}).get("volumes", ["volume"])
        if self._card is None or len(nodes) != len(volumes) or any(node is None for node in nodes):
            self.clear()
            return
        asked = ([node.GetID() for node in nodes], self._card)
        if asked == self._asked:
            return
        self._asked = asked
        if self._request is not None and not self._request.finished:
            self._logic.forget(self._request)
        try:
            self._request = self._logic.startSlice(nodes, self._card, self._came)
        except MedSegError:  # the check of the volume says why
            self.clear()

    def _came(self, request) -> None:
        if request is not self._request or self._card is None:
            return
        text, picture = self.ui.cardPreviewTextLabel, self.ui.cardPreviewLabel
        if request.error is not None:
            if not isinstance(request.error, Cancelled):
                text.text = "⚠ " + errorText(request.error)
                text.visible, picture.visible = True, False
            return
        image = request.result["image"]
        self.shape = image.shape
        pixmap = qt.QPixmap()
        pixmap.loadFromData(greyMap(image), "PGM")
        picture.setPixmap(pixmap.scaled(SIDE, SIDE, qt.Qt.KeepAspectRatio, qt.Qt.SmoothTransformation))
        text.text = _(
            "The middle slice as the network would see it ({height} × {width}, values {low:.3g} to {high:.3g})."
            " Does it lie as the slices did that it was trained on?"
        ).format(
            height=image.shape[0],
            width=image.shape[1],
            low=float(image.min()),
            high=float(image.max()),
        )
        text.visible = picture.visible = True


def greyMap(image: np.ndarray) -> bytes:
    """An (H, W) image as a PGM file in grey, which Qt reads without help."""
    low, high = np.percentile(image, TAILS)
    grey = np.clip((image - low) / max(float(high - low), 1e-12), 0, 1) * 255
    return b"P5 %d %d 255\n" % image.shape[::-1] + grey.astype(np.uint8).tobytes()
