"""The one button, progress, and what is to be said."""

from __future__ import annotations

from slicer.i18n import tr as _

from .texts import progressText


class RunPanel:
    """``onStart()``, ``onCancel()`` and ``onQueue()`` are called by the buttons."""

    def __init__(self, ui, onStart, onCancel, onQueue) -> None:
        self.ui = ui
        self._onStart, self._onCancel = onStart, onCancel
        self._running = False
        ui.segmentButton.connect("clicked(bool)", lambda checked=False: self._pressed())
        ui.queueButton.connect("clicked(bool)", lambda checked=False: onQueue())

    def _pressed(self) -> None:
        if self._running:
            self._onCancel()
        else:
            self._onStart()

    def say(self, text: str) -> None:
        self.ui.statusLabel.text = text

    def setState(self, running: bool, cancelling: bool, reason: str) -> None:
        """The button starts where ``reason`` is empty, else it says why not; while something runs it cancels."""
        self._running = running
        button = self.ui.segmentButton
        button.text = _("Cancel") if running else _("Segment")
        button.enabled = (running and not cancelling) or (not running and not reason)
        button.toolTip = (
            _("Stop the run; the scene stays as it was.") if running else reason or _("Segment the volume.")
        )
        self.ui.queueButton.visible = running
        self.ui.queueButton.enabled = not reason
        self.ui.queueButton.toolTip = reason or _("Run this choice too, after what is running.")
        self.ui.progressBar.visible = running
        self.ui.reasonLabel.text = reason
        self.ui.reasonLabel.visible = bool(reason) and not running

    def started(self) -> None:
        self.ui.progressBar.value = 0
        self.say(_("Starting"))

    def progress(self, moment) -> None:
        self.ui.progressBar.value = round(100 * moment.fraction)
        self.say(progressText(moment))
