"""What a run changed in a segmentation, so that it can be taken back."""

from __future__ import annotations

from dataclasses import dataclass, field

import slicer
from medseg.errors import InputError

from .segmentVoxels import segmentDigest


@dataclass
class RunRecord:
    """Filled by `writeSegments`.

    segmentationNode, isNew : where the run wrote, and whether it made the node.
    written : segment id → digest of its voxels as written.
    replaced : (position, segment id, copy) of each segment that made way, in order.
    wantsSurface : whether the closed surface is to be made.
    """

    segmentationNode: object = None
    isNew: bool = False
    written: dict[str, str] = field(default_factory=dict)
    replaced: list[tuple[int, str, object]] = field(default_factory=list)
    wantsSurface: bool = False

    def keep(self, position: int, segmentId: str, segment) -> None:
        """Copy a segment that is about to be removed; its voxels may share an image with others."""
        copy = slicer.vtkSegment()
        copy.DeepCopy(segment)
        self.replaced.append((position, segmentId, copy))

    @property
    def possible(self) -> bool:
        """Whether there is still something to take back."""
        node = self.segmentationNode
        return node is not None and node.GetScene() is not None and bool(self.written)

    def undo(self) -> None:
        """Take the run back: what it wrote goes unless somebody changed it since, what it replaced comes back.

        Raises InputError where the segmentation is gone or everything in it was changed by hand.
        """
        if not self.possible:
            raise InputError("there is no run to take back", mend="the segmentation was removed or undone before")
        node = self.segmentationNode
        segmentation = node.GetSegmentation()
        ours = [
            segmentId
            for segmentId, digest in self.written.items()
            if segmentation.GetSegment(segmentId) is not None and segmentDigest(node, segmentId) == digest
        ]
        if not ours:
            raise InputError("all segments of the last run were changed since", mend="remove them in Segment Editor")
        wasModifying = node.StartModify()
        try:
            for segmentId in ours:
                segmentation.RemoveSegment(segmentId)
            for position, segmentId, copy in self.replaced:
                if segmentation.GetSegment(segmentId) is not None:  # a changed one keeps its place
                    continue
                segmentation.AddSegment(copy, segmentId)
                segmentation.SetSegmentIndex(segmentId, min(position, segmentation.GetNumberOfSegments() - 1))
        finally:
            node.EndModify(wasModifying)
        self.written.clear()
        self.replaced.clear()
        if self.isNew and segmentation.GetNumberOfSegments() == 0:
            node.GetScene().RemoveNode(node)
