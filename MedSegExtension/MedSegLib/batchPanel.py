"""Many volumes: of the scene, of a folder, of a sequence; a row and a state for each."""

from __future__ import annotations

from pathlib import Path

import qt
import slicer
from medseg.errors import MedSegError
from slicer.i18n import tr as _

from .messages import errorText
from .runKinds import FileRun, SceneRun, SequenceRun, SequenceTarget, browserOf
from .runQueue import RunQueue
from .texts import stateName

#: Results of a folder go into a folder of this name inside it.
RESULTS = "MedSeg"


class BatchPanel:
    """``choices()`` gives (model path, options) or None after saying why not; ``onSay(text)`` shows a sentence."""

    def __init__(self, ui, logic, queue: RunQueue, choices, inputNode, onSay) -> None:
        self.ui, self._logic, self._queue = ui, logic, queue
        self._choices, self._inputNode, self._onSay = choices, inputNode, onSay
        self._request = None
        table = ui.batchTable
        table.setHorizontalHeaderLabels([_("Volume"), _("State"), _("Result")])
        table.horizontalHeader().setSectionResizeMode(0, qt.QHeaderView.Stretch)
        table.verticalHeader().hide()
        table.setMinimumHeight(120)
        ui.addSceneButton.connect("clicked(bool)", lambda checked=False: self.addScene())
        ui.addFolderButton.connect("clicked(bool)", lambda checked=False: self.addFolder())
        ui.addSequenceButton.connect("clicked(bool)", lambda checked=False: self.addSequence())
        ui.batchStartButton.connect("clicked(bool)", lambda checked=False: self.start())
        ui.batchRemoveButton.connect("clicked(bool)", lambda checked=False: self.remove())
        ui.batchClearButton.connect("clicked(bool)", lambda checked=False: self.clearFinished())
        self.refresh()

    def cleanup(self) -> None:
        if self._request is not None and not self._request.finished:
            self._logic.forget(self._request)
        self._request = None

    def addScene(self) -> None:
        """Every plain scalar volume of the scene that does not wait already."""
        scene = slicer.mrmlScene
        waiting = [run.nodes[0] for run in self._queue.waiting if isinstance(run, SceneRun)]
        added = 0
        for number in range(scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode")):
            node = scene.GetNthNodeByClass(number, "vtkMRMLScalarVolumeNode")
            if node.GetClassName() != "vtkMRMLScalarVolumeNode" or node.GetHideFromEditors():
                continue
            if any(node is other for other in waiting):
                continue
            self._queue.add(SceneRun(self._logic, [node], "", None, {}))
            added += 1
        self._said(added)

    def addFolder(self) -> None:
        """Every image of a folder; the worker looks for them."""
        path = qt.QFileDialog.getExistingDirectory(slicer.util.mainWindow(), _("Folder of images"), "")
        if not path:
            return
        folder = Path(str(path))
        self._onSay(_("Looking through the folder…"))
        self._request = self._logic.startCases(folder, lambda request: self._found(folder, request))

    def _found(self, folder: Path, request) -> None:
        if request.error is not None:
            self._onSay(errorText(request.error))
            return
        cases = request.result["cases"]
        for case in cases:
            output = folder / RESULTS / f"{case['name']}.seg.nrrd"
            self._queue.add(FileRun(self._logic, Path(case["path"]), output, "", {}))
        self._said(len(cases))

    def addSequence(self) -> None:
        """Every time point of the sequence that shows the chosen volume."""
        node = self._inputNode()
        sequence, browser = browserOf(node) if node is not None else (None, None)
        if sequence is None:
            self._onSay(_("The chosen volume does not belong to a sequence. Choose the volume that a sequence shows."))
            return
        target = SequenceTarget(sequence, browser)
        count = sequence.GetNumberOfDataNodes()
        for number in range(count):
            self._queue.add(SequenceRun(self._logic, sequence, number, target, "", {}))
        self._said(count)

    def _said(self, count: int) -> None:
        self.refresh()
        if count:
            self._onSay(_("{count} added. Press “Run all” to start.").format(count=count))
        else:
            self._onSay(_("There was nothing to add."))

    def start(self) -> None:
        """Run every row that waits with the choices above."""
        chosen = self._choices()
        if chosen is None:
            return
        model, options = chosen
        for run in self._queue.waiting:
            if not run.model:  # a queued single run keeps its own choices
                run.model, run.options = model, {**options, "keepScores": False}
        self._queue.start()

    def remove(self) -> None:
        """Take out the selected rows."""
        rows = {index.row() for index in self.ui.batchTable.selectionModel().selectedRows()}
        for run in [run for row, run in enumerate(self._queue.runs) if row in rows]:
            try:
                self._queue.remove(run)
            except MedSegError as error:
                self._onSay(errorText(error))
        self.refresh()

    def clearFinished(self) -> None:
        self._queue.clearFinished()
        self.refresh()

    def refresh(self) -> None:
        """Show every row."""
        table, runs = self.ui.batchTable, self._queue.runs
        table.setRowCount(len(runs))
        for row in range(len(runs)):
            self.refreshRow(row)
        self.ui.batchStartButton.enabled = bool(self._queue.waiting) and not self._queue.running
        self.ui.batchRemoveButton.enabled = bool(runs)
        self.ui.batchClearButton.enabled = any(run.finished for run in runs)

    def refreshRow(self, row: int) -> None:
        run = self._queue.runs[row]
        state = stateName(run.state)
        if run.state == "running" and run.progress is not None:
            state = f"{state} {run.progress.fraction:.0%}"
        for column, text in enumerate((run.name, state, run.message)):
            item = self.ui.batchTable.item(row, column)
            if item is None:
                item = qt.QTableWidgetItem()
                self.ui.batchTable.setItem(row, column, item)
            if item.text() != text:
                item.setText(text)
                item.setToolTip(text)
