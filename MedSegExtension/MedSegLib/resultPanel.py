"""What came out: volumes, going there, showing, exporting, taking back."""

from __future__ import annotations

from pathlib import Path

import qt
import slicer
from medseg.errors import MedSegError
from slicer.i18n import tr as _

from .cardText import syntheticSentence
from .exporting import canExportDicom, export, exportDicom
from .goTo import goTo
from .messages import asSentence, errorText
from .scrolling import bringIntoSight
from .segmentsOutput import SURFACE, showSurface

#: Below this highest probability a lower threshold finds nothing of worth.
TRACE = 0.05

#: Height of the table at most, in pixels.
HIGHEST = 150


class ResultPanel:
    """``onSay(text)`` shows a sentence in the window, ``onUndone(node)`` is called after a run was taken back."""

    def __init__(self, ui, logic, onSay, onUndone) -> None:
        self.ui, self._logic, self._onSay, self._onUndone = ui, logic, onSay, onUndone
        self.result = self._volumeNode = None
        self._records: list = []
        table = ui.resultTable
        table.setHorizontalHeaderLabels([_("Segment"), _("Volume (ml)"), _("Probability")])
        table.horizontalHeaderItem(2).setToolTip(_("The highest probability that was seen anywhere."))
        table.horizontalHeader().setSectionResizeMode(0, qt.QHeaderView.Stretch)
        table.verticalHeader().hide()
        table.setMaximumHeight(HIGHEST)
        table.connect("cellDoubleClicked(int,int)", lambda row, column: self.goTo())
        ui.goToButton.connect("clicked(bool)", lambda checked=False: self.goTo())
        ui.show3DButton.connect("toggled(bool)", self._onShow3D)
        ui.undoButton.connect("clicked(bool)", lambda checked=False: self.undo())
        self._menu = qt.QMenu()
        self._actions: list = []
        for kind, text in (
            ("nrrd", _("Segmentation for Slicer (.seg.nrrd)…")),
            ("nifti", _("Label map (.nii.gz)…")),
            ("stl", _("Surfaces (.stl)…")),
            ("obj", _("Surfaces (.obj)…")),
            ("dicom", _("DICOM SEG…")),
        ):
            action = qt.QAction(text, self._menu)
            self._menu.addAction(action)
            action.connect("triggered(bool)", lambda checked=False, kind=kind: self.export(kind))
            self._actions.append(action)
        self._actions[-1].enabled = canExportDicom()
        ui.exportButton.setMenu(self._menu)

    def cleanup(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget the result; its nodes are not kept alive."""
        self.result = self._volumeNode = None
        self._records = []
        self.ui.resultCollapsibleButton.visible = False
        self.ui.resultTable.setRowCount(0)

    def show(self, result, volumeNode, report: dict | None, oneOfMany: bool = False) -> None:
        """Show a `SegmentationResult` and bring it into sight; one of many is named instead."""
        self.result, self._volumeNode = result, volumeNode
        self._records.append(result.record)
        text = result.message
        if result.empty:
            seen = max(result.engine.highest_probability.values(), default=0.0)
            text += " " + (
                _("Try a lower threshold under Advanced, and check that the volume is what the model was made for.")
                if seen >= TRACE
                else _("There is no trace of it: check that the volume is what the model was made for.")
            )
        # An empty result is explained above, by the engine too.
        warnings = [line for line in result.warnings if not (result.empty and line.startswith("nothing was found"))]
        self.ui.resultLabel.text = "\n".join([text, *(f"⚠ {asSentence(warning)}" for warning in warnings)])
        self.ui.resultResearchLabel.text = " ".join(
            part for part in (_("Research use only."), syntheticSentence(report)) if part
        )
        self._fill()
        self.ui.resultCollapsibleButton.visible = True
        display = result.segmentationNode.GetDisplayNode()
        blocked = self.ui.show3DButton.blockSignals(True)
        self.ui.show3DButton.checked = bool(display and display.GetVisibility3D()) and self._hasSurface()
        self.ui.show3DButton.blockSignals(blocked)
        self.update()
        box = self.ui.resultCollapsibleButton
        box.text = _("Result of {name}").format(name=volumeNode.GetName()) if oneOfMany else _("Result")
        if not oneOfMany:
            bringIntoSight(box)

    def update(self) -> None:
        """Enable what still has something to act on."""
        here = self._here()
        self.ui.undoButton.enabled = any(record.possible for record in self._records)
        if not here and not self.ui.undoButton.enabled:
            self.ui.resultCollapsibleButton.visible = False
        self.ui.goToButton.enabled = here and not self.result.empty
        self.ui.show3DButton.enabled = self.ui.exportButton.enabled = here

    def _here(self) -> bool:
        return self.result is not None and self.result.segmentationNode.GetScene() is not None

    def _hasSurface(self) -> bool:
        return self.result.segmentationNode.GetSegmentation().ContainsRepresentation(SURFACE)

    def _fill(self) -> None:
        table, engine = self.ui.resultTable, self.result.engine
        millilitres = engine.labels.voxel_volume_mm3 / 1000
        table.setRowCount(len(engine.segments))
        for row, info in enumerate(engine.segments):
            voxels = engine.voxel_counts[info.value]
            name = qt.QTableWidgetItem(info.name)
            name.setToolTip(info.name)
            name.setData(qt.Qt.DecorationRole, qt.QColor(*(round(255 * part) for part in info.color)))
            table.setItem(row, 0, name)
            table.setItem(row, 1, qt.QTableWidgetItem(f"{voxels * millilitres:.1f}" if voxels else "–"))
            table.setItem(row, 2, qt.QTableWidgetItem(f"{engine.highest_probability[info.value]:.2f}"))
        for column in (1, 2):
            table.resizeColumnToContents(column)
        rows = sum(table.rowHeight(row) for row in range(len(engine.segments)))
        table.setMinimumHeight(min(HIGHEST, rows + table.rowHeight(0) + 4))
        found = next((n for n, info in enumerate(engine.segments) if engine.voxel_counts[info.value]), -1)
        if found >= 0:
            table.selectRow(found)

    def goTo(self) -> None:
        """Move the slice views to the selected segment."""
        if not self._here():
            return
        row = self.ui.resultTable.currentRow()
        info = self.result.engine.segments[max(row, 0)]
        if not goTo(self.result.labels, info.value):
            self._onSay(_("There is nothing of {name} to go to.").format(name=info.name))

    def _onShow3D(self, shown) -> None:
        if not self._here():
            return
        node = self.result.segmentationNode
        if shown and not self._hasSurface():
            showSurface(node)
        display = node.GetDisplayNode()
        if display is not None:
            if shown:
                display.SetPreferredDisplayRepresentationName3D(SURFACE)
                display.SetVisibility(True)
            display.SetVisibility3D(bool(shown))

    def undo(self) -> None:
        """Take the last run back that can be."""
        while self._records:
            record = self._records.pop()
            if not record.possible:
                continue
            node = record.segmentationNode
            try:
                self._logic.undo(record)
            except MedSegError as error:
                self._onSay(errorText(error))
                return
            self._onSay(_("The last run was taken back."))
            gone = node.GetScene() is None
            if gone or not any(earlier.possible for earlier in self._records):
                self.ui.resultCollapsibleButton.visible = any(r.possible for r in self._records)
            self.update()
            self._onUndone(None if gone else node)
            return
        self.update()

    def export(self, kind: str) -> None:
        """Ask where, and write."""
        if not self._here():
            return
        node, ids = self.result.segmentationNode, list(self.result.segmentIds.values())
        parent = slicer.util.mainWindow()
        try:
            if kind == "dicom":
                exportDicom(node)
                return
            if kind in ("stl", "obj"):
                path = qt.QFileDialog.getExistingDirectory(parent, _("Folder for the surfaces"), "")
            else:
                name, pattern = {
                    "nrrd": ("ducts.seg.nrrd", "*.seg.nrrd"),
                    "nifti": ("ducts.nii.gz", "*.nii.gz"),
                }[kind]
                path = qt.QFileDialog.getSaveFileName(parent, _("Export the segments"), name, pattern)
            if not path:
                return
            files = export(node, ids, kind, Path(str(path)), self._volumeNode)
            self._onSay(_("Written: {files}").format(files=", ".join(file.name for file in files)))
        except MedSegError as error:
            self._onSay(errorText(error))
