"""A segmentation and one of its segments, in two lists that follow the scene."""

from __future__ import annotations

import slicer


class SegmentChooser:
    """``nodeSelector`` is a qMRMLNodeComboBox, ``segmentSelector`` a QComboBox; ``onChanged()`` after each change."""

    def __init__(self, nodeSelector, segmentSelector, onChanged) -> None:
        self._nodes, self._segments, self._onChanged = nodeSelector, segmentSelector, onChanged
        self._ids: list[str] = []
        self._observed: list = []
        nodeSelector.connect("currentNodeChanged(vtkMRMLNode*)", self._onNode)
        segmentSelector.connect("currentIndexChanged(int)", self._onSegment)
        self._follow(nodeSelector.currentNode())

    @property
    def node(self):
        """The chosen segmentation node, or None."""
        return self._nodes.currentNode()

    @property
    def segmentId(self) -> str | None:
        """The chosen segment's id, or None."""
        index = self._segments.currentIndex
        return self._ids[index] if 0 <= index < len(self._ids) else None

    def choose(self, node, segmentId: str | None = None) -> None:
        """Choose a segmentation, and a segment of it (the first where left out)."""
        self._nodes.setCurrentNode(node)
        if segmentId in self._ids:
            self._segments.setCurrentIndex(self._ids.index(segmentId))

    def cleanup(self) -> None:
        """Let go of the node."""
        for node, tag in self._observed:
            node.RemoveObserver(tag)
        self._observed = []

    def _onNode(self, node) -> None:
        self._follow(node)
        self._onChanged()

    def _follow(self, node) -> None:
        self.cleanup()
        if node is not None:
            for event in (
                slicer.vtkSegmentation.SegmentAdded,
                slicer.vtkSegmentation.SegmentRemoved,
                slicer.vtkSegmentation.SegmentModified,
            ):
                self._observed.append((node, node.AddObserver(event, self._onSegmentsChanged)))
        self._fill()

    def _onSegmentsChanged(self, caller, event) -> None:
        before = self.segmentId
        self._fill()
        if self.segmentId != before:
            self._onChanged()

    def _onSegment(self, index) -> None:
        self._onChanged()

    def _fill(self) -> None:
        chosen, node = self.segmentId, self.node
        segmentation = node.GetSegmentation() if node is not None else None
        ids = list(segmentation.GetSegmentIDs()) if segmentation is not None else []
        names = [segmentation.GetSegment(segmentId).GetName() for segmentId in ids]
        shown = [self._segments.itemText(n) for n in range(self._segments.count)]
        if ids == self._ids and names == shown:
            return
        blocked = self._segments.blockSignals(True)
        self._ids = ids
        self._segments.clear()
        for name in names:
            self._segments.addItem(name)
        if chosen in ids:
            self._segments.setCurrentIndex(ids.index(chosen))
        elif ids:
            self._segments.setCurrentIndex(0)
        self._segments.blockSignals(blocked)
