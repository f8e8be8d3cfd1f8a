"""The volumes that go in: one, or several for a model with several input volumes; and whether they fit the model."""

from __future__ import annotations

import qt
import slicer
import vtk
from slicer.i18n import tr as _

from .fitCheck import checkNodes

#: The references of the parameter node that hold the second, third, … volume.
ROLE = "inputVolume{number}"


#: The check follows a volume that changes when it has been quiet for this long.
QUIET_MS = 100


class InputPanel:
    """``onChanged()`` is called when a further volume is chosen, and when a chosen one was changed."""

    def __init__(self, ui, onChanged) -> None:
        self.ui, self._onChanged = ui, onChanged
        self.selectors: list = []
        self._names: tuple[str, ...] = ()
        self._parameterNode = None
        self._observed: list[tuple] = []
        self._timer = qt.QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(QUIET_MS)
        self._timer.connect("timeout()", onChanged)
        # The parameter node may tell of the choice before the list shows it.
        ui.inputSelector.connect("currentNodeChanged(vtkMRMLNode*)", lambda node=None: self._timer.start())

    def cleanup(self) -> None:
        """Let go of the volumes."""
        self._timer.stop()
        self._observe([])

    def setParameterNode(self, parameterNode) -> None:
        """The MRML parameter node that keeps the further volumes, or None."""
        self._parameterNode = parameterNode
        if parameterNode is None:
            self.cleanup()
        self._read()

    def setCard(self, card) -> None:
        """Ask for as many volumes as the model takes."""
        names = card.input.volumes if card is not None else ("volume",)
        if names == self._names:
            return
        self._names = names
        several = len(names) > 1
        self.ui.inputLabel.text = _("{name}:").format(name=names[0]) if several else _("Volume:")
        layout = self.ui.moreInputsWidget.layout()
        while layout.rowCount():
            layout.removeRow(0)
        self.selectors = []
        for name in names[1:]:
            selector = slicer.qMRMLNodeComboBox()
            selector.nodeTypes = ["vtkMRMLScalarVolumeNode"]
            selector.showChildNodeTypes = False
            selector.addEnabled = selector.removeEnabled = False
            selector.noneEnabled = True
            selector.toolTip = _("Another volume of the same patient on the same grid.")
            selector.setMRMLScene(slicer.mrmlScene)
            layout.addRow(qt.QLabel(_("{name}:").format(name=name)), selector)
            self.selectors.append(selector)
        self._read()
        for selector in self.selectors:
            selector.connect("currentNodeChanged(vtkMRMLNode*)", self._write)
        self.ui.moreInputsWidget.visible = several

    def nodes(self) -> list:
        """All chosen volume nodes; None where nothing is chosen."""
        return [self.ui.inputSelector.currentNode(), *(selector.currentNode() for selector in self.selectors)]

    def check(self, card):
        """A `FitReport` of the chosen volumes, shown under the card; None without a card."""
        self._observe([node for node in self.nodes() if node is not None])
        report = checkNodes(self.nodes(), card) if card is not None else None
        # That no volume is chosen is said beside the button.
        shown = report is not None and self.nodes()[0] is not None
        self.ui.fitLabel.text = report.text if shown else ""
        self.ui.fitLabel.visible = shown
        return report

    def _observe(self, nodes: list) -> None:
        """Hear of it when a chosen volume gets its image, another spacing, or another place."""
        if [node for node, _tags in self._observed] == nodes:
            return
        for node, tags in self._observed:
            for tag in tags:
                node.RemoveObserver(tag)
        events = (
            vtk.vtkCommand.ModifiedEvent,
            slicer.vtkMRMLVolumeNode.ImageDataModifiedEvent,
            slicer.vtkMRMLTransformableNode.TransformModifiedEvent,
        )
        self._observed = [(node, [node.AddObserver(event, self._onVolume) for event in events]) for node in nodes]

    def _onVolume(self, caller, event) -> None:
        self._timer.start()

    def _read(self) -> None:
        if self._parameterNode is None:
            return
        for number, selector in enumerate(self.selectors, start=2):
            blocked = selector.blockSignals(True)
            selector.setCurrentNode(self._parameterNode.GetNodeReference(ROLE.format(number=number)))
            selector.blockSignals(blocked)

    def _write(self, node=None) -> None:
        if self._parameterNode is not None:
            for number, selector in enumerate(self.selectors, start=2):
                chosen = selector.currentNode()
                self._parameterNode.SetNodeReferenceID(
                    ROLE.format(number=number), chosen.GetID() if chosen is not None else None
                )
        self._onChanged()
