"""Measuring ducts in the window: choose a segment, measure, look at what was found, follow the doubts."""

from __future__ import annotations

import qt
import slicer
from medseg.errors import MedSegError
from slicer.i18n import tr as _

from .ductsReview import Review, jumpTo, makeReview
from .ductsScene import branchName, calibreText, ductName, kindName, ras
from .messages import asSentence, errorText
from .scrolling import bringIntoSight
from .segmentChooser import SegmentChooser
from .segmentVoxels import segmentDigest

#: How long after the last edit the segment is measured again.
QUIET_MS = 800

#: Width in pixels at most of a table's first column.
WIDEST_NAME = 110


class DuctsPanel:
    """``ui`` is the panel's own (MedSegDucts.ui); ``result()`` gives the last run's result in the window, or None."""

    def __init__(self, ui, logic, result, onProblem) -> None:
        self.ui, self._logic, self._result, self._onProblem = ui, logic, result, onProblem
        self.job = None
        self.review = Review([])
        self.onChosen = None
        self._observed: tuple | None = None
        self._plotView = None
        self._doubts = None
        self.chooser = SegmentChooser(ui.ductsSegmentationSelector, ui.ductsSegmentSelector, self._onChosen)
        self._timer = qt.QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(QUIET_MS)
        self._timer.connect("timeout()", self._measureIfChanged)
        self._again = False
        ui.measureButton.connect("clicked(bool)", lambda checked=False: self.measure())
        ui.plotButton.connect("clicked(bool)", lambda checked=False: self.showPlot())
        ui.reviewNextButton.connect("clicked(bool)", lambda checked=False: self._step(1))
        ui.reviewPreviousButton.connect("clicked(bool)", lambda checked=False: self._step(-1))
        ui.findingsTable.connect("cellClicked(int,int)", lambda row, column: self._goToFinding(row))
        ui.branchesTable.connect("cellClicked(int,int)", lambda row, column: self._goToBranch(row))
        ui.ductsSeeThroughCheckBox.connect("toggled(bool)", lambda checked: self._seeThrough(checked))
        ui.reviewNextButton.setShortcut(qt.QKeySequence("N"))
        ui.reviewPreviousButton.setShortcut(qt.QKeySequence("Shift+N"))
        ui.findingsTable.setHorizontalHeaderLabels([_("Finding"), _("Calibre"), _("Expected"), _("Duct")])
        ui.branchesTable.setHorizontalHeaderLabels([_("Duct"), _("Length (mm)"), _("Mean"), _("Narrowest")])
        for table in (ui.findingsTable, ui.branchesTable):
            table.horizontalHeader().setStretchLastSection(True)
            table.verticalHeader().hide()
        self.clear()

    def cleanup(self) -> None:
        """Let go of the scene and of what runs."""
        self._timer.stop()
        self._unobserve()
        if self.job is not None and not self.job.finished:
            self.job.cancel()
        self._doubts = None
        self.chooser.cleanup()
        self._unlistenToPlot()

    def clear(self) -> None:
        """Forget the measurement; its nodes stay in the scene."""
        self._timer.stop()
        self._unobserve()
        self.job = self._doubts = None
        self.review = Review([])
        self.ui.ductsStatusLabel.text = ""
        for table in (self.ui.findingsTable, self.ui.branchesTable):
            table.setRowCount(0)
        self._update()

    def choose(self, segmentationNode, segmentId: str | None = None) -> None:
        """Choose what a run wrote."""
        self.chooser.choose(segmentationNode, segmentId)

    @property
    def running(self) -> bool:
        return self.job is not None and not self.job.finished

    @property
    def measured(self) -> dict | None:
        """The last measurement (the worker's answer), or None."""
        return self.job.result if self.job is not None and self.job.state == "done" else None

    # Measuring

    def measure(self, again: bool = False) -> None:
        """Measure the chosen segment; ``again`` after an edit, while the person looks elsewhere."""
        node, segmentId = self.chooser.node, self.chooser.segmentId
        if node is None or segmentId is None or self.running:
            return
        self._again = again
        self.ui.ductsStatusLabel.text = _("Measuring…")
        try:
            self.job = self._logic.startMeasure(node, segmentId, onFinished=self._onMeasured)
        except MedSegError as error:
            self.ui.ductsStatusLabel.text = errorText(error)
        self._update()

    def _onMeasured(self, job) -> None:
        if job is not self.job:
            return
        if job.error is not None:
            self.ui.ductsStatusLabel.text = _("Cancelled.") if job.state == "cancelled" else errorText(job.error)
            self._onProblem(job)
            self._update()
            return
        measurement = job.result["measurement"]
        self.ui.ductsStatusLabel.text = "\n".join(
            [self._summary(measurement), *(asSentence(line) + "." for line in measurement["warnings"])]
        )
        self._fill(measurement)
        if not self._again:
            bringIntoSight(self.ui.ductsTabs)
        self.review = makeReview(job.result)
        self._observe(job)
        self._update()
        result = self._result()
        if result is not None and result.scores is not None:
            self._doubts = self._logic.startDoubts(result, self._onDoubts)

    def _onDoubts(self, request) -> None:
        """The undecided slices of the run join the places to look at; a run that is no longer kept has none."""
        if request is not self._doubts or self.measured is None or request.error is not None:
            return
        here = self.review.current
        self.review = makeReview(self.measured, request.result["doubts"])
        if here is not None:  # the person has begun already: go on from there
            self.review.index = self.review.stops.index(here)
        self._update()

    def _summary(self, measurement: dict) -> str:
        if not measurement["branches"]:
            return _("There is nothing to follow in this segment.")
        strictures = len(measurement["strictures"])
        return _("{count} branches, {length:.0f} mm, {volume:.1f} ml; candidate strictures: {strictures}.").format(
            count=len(measurement["branches"]),
            length=measurement["total_length_mm"],
            volume=measurement["volume_ml"],
            strictures=strictures,
        )

    def _fill(self, measurement: dict) -> None:
        named = {branch["id"]: branchName(branch) for branch in measurement["branches"]}
        findings = measurement["strictures"] + measurement["dilatations"]
        rows = [
            [
                kindName(finding["kind"]),
                _("no lumen")
                if finding["diameter_mm"] == 0
                else calibreText(finding["diameter_mm"], finding["resolved"]),
                calibreText(finding["reference_diameter_mm"], True),
                ductName(finding["name"]) or named.get(finding["branch"], "–"),
            ]
            for finding in findings
        ]
        _fillTable(self.ui.findingsTable, rows, [asSentence(finding["grade"]) + "." for finding in findings])
        rows = [
            [
                branchName(branch),
                f"{branch['length_mm']:.1f}",
                calibreText(branch["mean_diameter_mm"], branch["mean_resolved"]),
                calibreText(branch["min_diameter_mm"], branch["min_resolved"]),
            ]
            for branch in measurement["branches"]
        ]
        _fillTable(self.ui.branchesTable, rows)

    # Edits

    def _observe(self, job) -> None:
        self._unobserve()
        node = job.segmentationNode
        # The node passes on what its segmentation tells.
        event = slicer.vtkSegmentation.SourceRepresentationModified
        self._observed = (node, node.AddObserver(event, self._onEdited))

    def _unobserve(self) -> None:
        if self._observed is not None:
            node, tag = self._observed
            node.RemoveObserver(tag)
            self._observed = None

    def _onEdited(self, caller, event) -> None:
        if self.ui.ductsAutoCheckBox.checked:
            self._timer.start()

    def _measureIfChanged(self) -> None:
        job = self.job
        if job is None or job.segmentationNode.GetScene() is None:
            return
        if not job.finished:
            self._timer.start()
            return
        segment = job.segmentationNode.GetSegmentation().GetSegment(job.segmentId)
        if segment is not None and segmentDigest(job.segmentationNode, job.segmentId) != job.digest:
            self.chooser.choose(job.segmentationNode, job.segmentId)
            self.measure(again=True)

    # Going there

    def _goToFinding(self, row: int) -> None:
        measured = self.measured
        if measured is None:
            return
        findings = measured["measurement"]["strictures"] + measured["measurement"]["dilatations"]
        if 0 <= row < len(findings):
            jumpTo(ras(findings[row]["position_lps_mm"]))

    def _goToBranch(self, row: int) -> None:
        measured = self.measured
        if measured is not None and 0 <= row < len(measured["measurement"]["branches"]):
            jumpTo(ras(measured["measurement"]["branches"][row]["narrowest_lps_mm"]))

    def _step(self, direction: int) -> None:
        stop = self.review.next() if direction > 0 else self.review.previous()
        if stop is not None:
            self._say(stop)
        self._update()

    def _say(self, stop) -> None:
        self.ui.reviewLabel.text = _("Place {number} of {count}: {text}").format(
            number=self.review.index + 1, count=len(self.review.stops), text=stop.text
        )

    def _seeThrough(self, checked: bool) -> None:
        """Show the coloured tree inside the segment's surface, or the surface as it was."""
        node, segmentId = self.chooser.node, self.chooser.segmentId
        display = node.GetDisplayNode() if node is not None else None
        if display is not None and segmentId is not None:
            display.SetSegmentOpacity3D(segmentId, 0.25 if checked else 1.0)

    # The plot

    def showPlot(self) -> None:
        """Show the calibre plot; the layout changes to one that has a plot view, because it was asked for."""
        chart = self.job.nodes.chart if self.job is not None and self.job.nodes is not None else None
        if chart is None or chart.GetScene() is None:
            return
        slicer.modules.plots.logic().ShowChartInLayout(chart)
        self._listenToPlot()

    def _listenToPlot(self) -> None:
        self._unlistenToPlot()
        manager = slicer.app.layoutManager()
        if manager is None or manager.plotViewCount == 0:
            return
        self._plotView = manager.plotWidget(0).plotView()
        self._plotView.connect("dataSelected(vtkStringArray*,vtkCollection*)", self.onPlotPoint)

    def _unlistenToPlot(self) -> None:
        if self._plotView is not None:
            self._plotView.disconnect("dataSelected(vtkStringArray*,vtkCollection*)", self.onPlotPoint)
            self._plotView = None

    def onPlotPoint(self, seriesIds, selections) -> None:
        """A point of the plot was clicked: go to where it was measured."""
        for n in range(seriesIds.GetNumberOfValues()):
            series = slicer.mrmlScene.GetNodeByID(seriesIds.GetValue(n))
            rows = selections.GetItemAsObject(n)
            if series is None or rows is None or rows.GetNumberOfValues() == 0:
                continue
            table = series.GetTableNode().GetTable()
            row = int(rows.GetValue(0))
            columns = [table.GetColumnByName(f"{axis} (mm)") for axis in "RAS"]
            if all(columns) and 0 <= row < table.GetNumberOfRows():
                jumpTo([column.GetValue(row) for column in columns])
                return

    # The window

    def _onChosen(self) -> None:
        self._update()
        if self.onChosen is not None:
            self.onChosen()

    def _update(self) -> None:
        """Enable what can be done."""
        ready = self.chooser.segmentId is not None
        self.ui.measureButton.enabled = ready and not self.running
        self.ui.plotButton.enabled = (
            self.measured is not None and self.job.nodes is not None and self.job.nodes.chart is not None
        )
        count = len(self.review.stops)
        self.ui.reviewNextButton.enabled = self.review.index + 1 < count
        self.ui.reviewPreviousButton.enabled = self.review.index > 0
        if self.review.index < 0:
            if count:
                self.ui.reviewLabel.text = _("{count} places to look at, the most doubtful first.").format(count=count)
            elif self.measured is not None:
                self.ui.reviewLabel.text = _("No place stands out.")
            else:
                self.ui.reviewLabel.text = ""


def _fillTable(table, rows: list[list[str]], tips: list[str] | None = None) -> None:
    """``tips`` say more of each row, in its tool tip."""
    table.setRowCount(len(rows))
    for r, row in enumerate(rows):
        for c, text in enumerate(row):
            item = qt.QTableWidgetItem(text)
            if tips is not None:
                item.setToolTip(tips[r])
            table.setItem(r, c, item)
    table.resizeColumnsToContents()
    if table.columnWidth(0) > WIDEST_NAME:  # in several lines, so that the figures are in sight
        table.setColumnWidth(0, WIDEST_NAME)
        table.resizeRowsToContents()
