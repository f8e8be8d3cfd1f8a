"""Threshold with preview, mirrored slices, clean-up and surface smoothing."""

from __future__ import annotations

from typing import Any

import qt
from medseg.errors import Cancelled
from slicer.i18n import tr as _

from .messages import errorText
from .segmentsOutput import SMOOTHING, SURFACE
from .thresholdPreview import ThresholdPreview

#: Value of the parameter node's field -> the engine's flips.
FLIPS = {"none": (), "columns": ("columns",), "both": ("rows", "columns")}

#: The preview and the surface follow the slider when it rests this long.
PREVIEW_MS = 30
SMOOTHING_MS = 300


class AdvancedPanel:
    """``onFlips(name)`` is called with the person's choice, ``onApply()`` by the button, ``onSay(text)`` to tell."""

    def __init__(self, ui, logic, onFlips, onApply, onSay) -> None:
        self.ui, self._logic, self._onFlips, self._onSay = ui, logic, onFlips, onSay
        self.preview = ThresholdPreview()
        self._request: Any = None
        self._part: dict | None = None
        self._result = self._volumeNode = None
        self._card = None
        for value, text in (
            ("none", _("no")),
            ("columns", _("left and right (twice the time)")),
            ("both", _("both directions (four times)")),
        ):
            ui.flipsSelector.addItem(text, value)
        ui.flipsSelector.connect("activated(int)", self._onFlipsActivated)
        ui.applyThresholdButton.connect("clicked(bool)", lambda checked=False: onApply())
        ui.thresholdSlider.connect("valueChanged(double)", self._onThreshold)
        ui.ownThresholdCheckBox.connect("toggled(bool)", self._onOwnThreshold)
        ui.ownPostprocessingCheckBox.connect("toggled(bool)", lambda checked: self.update())
        ui.smoothingSlider.connect("valueChanged(double)", lambda value: self._smoothingTimer.start())
        self._previewTimer = self._timer(PREVIEW_MS, self._showPreview)
        self._smoothingTimer = self._timer(SMOOTHING_MS, self._smooth)
        self.update()

    def _timer(self, milliseconds: int, call):
        timer = qt.QTimer()
        timer.setSingleShot(True)
        timer.setInterval(milliseconds)
        timer.connect("timeout()", call)
        return timer

    def cleanup(self) -> None:
        self._previewTimer.stop()
        self._smoothingTimer.stop()
        self.stopPreview()
        self._forget()
        self._result = self._volumeNode = None

    def _forget(self) -> None:
        """The probabilities of another result are not those of this one."""
        if self._request is not None and not self._request.finished:
            self._logic.forget(self._request)
        self._request = self._part = None

    def stopPreview(self) -> None:
        """Take the preview away; the slice views are as before."""
        self.preview.stop()
        self.ui.previewLabel.visible = False

    def setFlips(self, name: str) -> None:
        self.ui.flipsSelector.currentIndex = list(FLIPS).index(name if name in FLIPS else "none")

    def setCard(self, card) -> None:
        """Show the model's own threshold and clean-up where the person has not chosen another."""
        self._card = card
        if card is not None and card.output.threshold is not None and not self.ui.ownThresholdCheckBox.checked:
            self.ui.thresholdSlider.value = card.output.threshold
        if card is not None and not self.ui.ownPostprocessingCheckBox.checked:
            settings = card.postprocessing
            self.ui.minimumPartSpinBox.value = settings.minimum_part_mm3
            self.ui.keepLargestSpinBox.value = settings.keep_largest_parts or 0
            self.ui.fillHolesCheckBox.checked = settings.fill_holes
        self.update()

    def setResult(self, result, volumeNode) -> None:
        """The result that the sliders act on, or None."""
        self.stopPreview()
        self._forget()
        self._result, self._volumeNode = result, volumeNode
        self.update()

    @property
    def canApply(self) -> bool:
        """Whether there is a result of which the probabilities are kept."""
        return self._result is not None and self._result.scores is not None

    def threshold(self) -> float | None:
        """The person's threshold, or None for the model's own."""
        return self.ui.thresholdSlider.value if self.ui.ownThresholdCheckBox.checked else None

    def postprocessing(self) -> dict | None:
        """The person's changes to the model's clean-up, or None."""
        if not self.ui.ownPostprocessingCheckBox.checked:
            return None
        return {
            "minimum_part_mm3": self.ui.minimumPartSpinBox.value,
            "keep_largest_parts": self.ui.keepLargestSpinBox.value or None,
            "fill_holes": self.ui.fillHolesCheckBox.checked,
        }

    def update(self) -> None:
        """Enable what acts on something."""
        own = self.ui.ownPostprocessingCheckBox.checked
        for widget in (self.ui.minimumPartSpinBox, self.ui.keepLargestSpinBox, self.ui.fillHolesCheckBox):
            widget.enabled = own
        self.ui.thresholdSlider.enabled = self.ui.ownThresholdCheckBox.checked
        self.ui.applyThresholdButton.enabled = self.canApply
        self.ui.applyThresholdButton.toolTip = (
            _("Write the result again with these choices, without running the network again.")
            if self.canApply
            else _("There is no result in this session to apply it to.")
        )

    def _onFlipsActivated(self, index) -> None:
        self._onFlips(self.ui.flipsSelector.itemData(index))

    def _onOwnThreshold(self, checked) -> None:
        if not checked:
            self._previewTimer.stop()
            self.stopPreview()
            self.setCard(self._card)
        elif self.canApply:
            self._previewTimer.start()
        self.update()

    def _onThreshold(self, value) -> None:
        if self.canApply and self.ui.ownThresholdCheckBox.checked:
            self._previewTimer.start()

    def _showPreview(self) -> None:
        if not self.canApply or self._result.segmentationNode.GetScene() is None:
            return
        if self._volumeNode is None or self._volumeNode.GetScene() is None:
            return
        if self._part is None:
            if self._request is None:
                self._request = self._logic.startScores(self._result, self._onPart)
            return
        if not self.preview.shown:
            self.preview.start(self._result, self._volumeNode, self._part)
        counts = self.preview.show(self.ui.thresholdSlider.value)
        millilitres = self._result.labels.voxel_volume_mm3 / 1000
        volumes = [
            _("{name} {volume:.1f} ml").format(name=info.name, volume=counts.get(info.value, 0) * millilitres)
            for info in self._result.engine.segments
        ]
        self.ui.previewLabel.text = _(
            "Preview in the slice views, before clean-up: {volumes}. It is not written yet."
        ).format(volumes=", ".join(volumes))
        self.ui.previewLabel.visible = True

    def _onPart(self, request) -> None:
        """The worker has sent the probabilities: show what the slider says by now."""
        if request is not self._request:
            return
        self._request = None
        if request.error is not None:
            if not isinstance(request.error, Cancelled):
                self._onSay(errorText(request.error))
            return
        self._part = request.result
        if self.ui.ownThresholdCheckBox.checked:
            self._showPreview()

    def _smooth(self) -> None:
        """Give the result's surfaces the smoothing of the slider."""
        node = None if self._result is None else self._result.segmentationNode
        if node is None or node.GetScene() is None:
            return
        segmentation = node.GetSegmentation()
        wanted = str(float(self.ui.smoothingSlider.value))
        if segmentation.GetConversionParameter(SMOOTHING) == wanted:
            return
        segmentation.SetConversionParameter(SMOOTHING, wanted)
        if segmentation.ContainsRepresentation(SURFACE):
            segmentation.CreateRepresentation(SURFACE, True)
