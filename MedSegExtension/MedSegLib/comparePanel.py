"""Comparing a segment with another, and giving corrected cases back, in the window."""

from __future__ import annotations

import slicer
from medseg.errors import MedSegError
from slicer.i18n import tr as _

from .messages import errorText
from .segmentChooser import SegmentChooser


class ComparePanel:
    """``chooser`` is the `SegmentChooser` of the segment at hand; ``volume()`` gives the volume it was drawn on."""

    def __init__(self, ui, logic, chooser, volume, onProblem) -> None:
        self.ui, self._logic, self._chosen, self._volume, self._onProblem = ui, logic, chooser, volume, onProblem
        self.job = None
        self.reference = SegmentChooser(ui.compareSegmentationSelector, ui.compareSegmentSelector, self.update)
        ui.compareButton.connect("clicked(bool)", lambda checked=False: self.compare())
        ui.giveBackButton.connect("clicked(bool)", lambda checked=False: self.giveBack())
        ui.giveBackPathLineEdit.connect("currentPathChanged(QString)", lambda path: self.update())
        self.update()

    def cleanup(self) -> None:
        if self.running:
            self.job.cancel()
        self.reference.cleanup()

    def clear(self) -> None:
        """Forget what was said."""
        self.job = None
        self.ui.compareStatusLabel.text = self.ui.giveBackStatusLabel.text = ""
        self.update()

    @property
    def running(self) -> bool:
        return self.job is not None and not self.job.finished

    def update(self) -> None:
        """Enable what can be done."""
        chosen = self._chosen.segmentId is not None and self._volume() is not None and not self.running
        same = (self._chosen.node, self._chosen.segmentId) == (self.reference.node, self.reference.segmentId)
        self.ui.compareButton.enabled = chosen and self.reference.segmentId is not None and not same
        self.ui.giveBackButton.enabled = chosen and bool(self.ui.giveBackPathLineEdit.currentPath)

    def compare(self) -> None:
        """Compare the chosen segment with the reference."""
        self.ui.compareStatusLabel.text = _("Comparing…")
        mine = (self._chosen.node, self._chosen.segmentId)
        theirs = (self.reference.node, self.reference.segmentId)
        self._begin(
            lambda: self._logic.startCompare(mine, theirs, self._volume(), onFinished=self._onCompared),
            self.ui.compareStatusLabel,
        )

    def giveBack(self) -> None:
        """Write the volume and all segments into the training set."""
        node = self._chosen.node
        ids = list(node.GetSegmentation().GetSegmentIDs())
        self.ui.giveBackStatusLabel.text = _("Writing…")
        folder = self.ui.giveBackPathLineEdit.currentPath
        self._begin(
            lambda: self._logic.startGiveBack(self._volume(), node, ids, folder, onFinished=self._onGivenBack),
            self.ui.giveBackStatusLabel,
        )

    def _begin(self, start, label) -> None:
        try:
            self.job = start()
        except MedSegError as error:
            label.text = errorText(error)
        self.update()

    def _onCompared(self, job) -> None:
        if job.error is not None:
            self._failed(job, self.ui.compareStatusLabel)
            return
        a = job.result["agreement"]
        if not a["counted"]:
            self.ui.compareStatusLabel.text = _("Both segments are empty.")
        else:
            self.ui.compareStatusLabel.text = _(
                "Dice {dice:.3f}, clDice {cldice:.3f}, 95 % Hausdorff distance {hd95:.1f} mm. "
                "The table, what differs and the distances are in the scene."
            ).format(dice=a["dice"], cldice=a["cldice"], hd95=a["hd95_mm"])
        self.update()

    def _onGivenBack(self, job) -> None:
        if job.error is not None:
            self._failed(job, self.ui.giveBackStatusLabel)
            return
        text = _("{case} was renewed; its former labels are kept.") if job.result["renewed"] else _("{case} was added.")
        self.ui.giveBackStatusLabel.text = text.format(case=job.result["case"])
        self.ui.giveBackPathLineEdit.addCurrentPathToHistory()
        self.update()

    def _failed(self, job, label) -> None:
        label.text = _("Cancelled.") if job.state == "cancelled" else errorText(job.error)
        self._onProblem(job)
        self.update()


def showDirectories(pathLineEdit) -> None:
    """Let a ctkPathLineEdit choose folders only."""
    import ctk

    pathLineEdit.filters = ctk.ctkPathLineEdit.Dirs | ctk.ctkPathLineEdit.Writable


def volumeOf(segmentationNode):
    """The volume a segmentation was drawn on, or None."""
    if segmentationNode is None:
        return None
    role = slicer.vtkMRMLSegmentationNode.GetReferenceImageGeometryReferenceRole()
    return segmentationNode.GetNodeReference(role)
