"""Measuring a segment, comparing two, giving a case back: jobs of the worker."""

from __future__ import annotations

import contextlib
import time
from typing import Any

import slicer
from medseg.errors import InputError, MedSegError

from .ductsInput import onGridOf, segmentVolume
from .ductsScene import DuctsNodes, ownerOf, showInSteps
from .segmentationJob import Job
from .segmentVoxels import DIGEST_TAG, LABEL_TAG, MODEL_TAG, segmentDigest, segmentTag
from .workerHost import hasApplication

#: How long nodes are put into the scene before the window gets its turn.
TURN_S = 0.02


class MeasureJob(Job):
    """A segment measured as ducts; ``result`` is the worker's answer, ``nodes`` what was put into the scene.

    ``digest`` tells whether the segment was changed since: compare with `segmentDigest`.
    """

    def __init__(
        self, host, segmentationNode, segmentId: str, *, names=None, show=True, onProgress=None, onFinished=None
    ) -> None:
        super().__init__(host, onProgress, onFinished)
        self.segmentationNode, self.segmentId = segmentationNode, segmentId
        labels = segmentVolume(segmentationNode, segmentId)
        self.digest = segmentDigest(segmentationNode, segmentId)
        self.name = segmentationNode.GetSegmentation().GetSegment(segmentId).GetName()
        self.nodes: DuctsNodes | None = None
        self._show, self._steps = show, None
        self._submit("measure", {"labels": labels, "label": 1, "names": names})

    def _take(self, message: dict) -> None:
        if self.segmentationNode.GetScene() is None:
            raise InputError("the segmentation was removed from the scene", mend="measure a segment of the scene")
        self.result = message
        if self._show:
            self.nodes = DuctsNodes(ownerOf(self.segmentationNode, self.segmentId))
            self._steps = showInSteps(self.nodes, message, self.segmentationNode, self.name)

    def _completeOnce(self) -> None:
        """Put a few nodes into the scene, and go on in the next turn of the event loop."""
        if self._last is None or self.finished:
            return
        self._last = None
        if self._attempt(self._someSteps) and self._steps is not None:
            self._last = self._completeOnce
            self._host.later(self._completeOnce)
            return
        if self.error is None:
            self.state = "done"
        self._finish()

    def _someSteps(self) -> None:
        if self._steps is not None and self.segmentationNode.GetScene() is None:
            self._steps = None  # the scene was closed meanwhile, and what was put there went with it
        end = time.perf_counter() + TURN_S
        # The views are painted once, not at each node.
        with slicer.util.RenderBlocker() if hasApplication() else contextlib.nullcontext():
            while self._steps is not None and time.perf_counter() < end:
                if next(self._steps, self) is self:
                    self._steps = None

    def wait(self, timeout: float | None = None):
        if not self.finished:
            with contextlib.suppress(MedSegError):  # it is the job's error by now
                self._host.wait(self._request, timeout)
            while self._last is not None:
                self._completeOnce()
        return super().wait(timeout)


class CompareJob(Job):
    """Two segments compared on the grid of a volume; see `ductsCompare` for what comes into the scene."""

    def __init__(self, host, prediction, reference, volumeNode, onProgress=None, onFinished=None) -> None:
        """``prediction`` and ``reference`` are pairs of segmentation node and segment id."""
        super().__init__(host, onProgress, onFinished)
        self.prediction, self.reference, self.volumeNode = prediction, reference, volumeNode
        self.nodes: Any = None
        self._labels = onGridOf(*prediction, volumeNode)
        self._submit("compare", {"prediction": self._labels, "reference": onGridOf(*reference, volumeNode)})

    def _take(self, message: dict) -> None:
        from .ductsCompare import showComparison

        if self.volumeNode.GetScene() is None or self.prediction[0].GetScene() is None:
            raise InputError("what was compared was removed from the scene", mend="compare segments of the scene")
        self.result = message
        self.nodes = showComparison(message, self._labels, self.prediction, self.reference, self.volumeNode)


class GiveBackJob(Job):
    """A corrected case into a training set; ``result`` names the files."""

    def __init__(
        self, host, volumeNode, segmentationNode, segmentIds, folder, onProgress=None, onFinished=None
    ) -> None:
        """Segments go by the name of their label: the model's, or the segment's own."""
        super().__init__(host, onProgress, onFinished)
        from .volumeInput import volumeFromNode

        if not segmentIds:
            raise InputError("no segment was chosen", mend="choose at least one")
        ids = [segmentIds] if isinstance(segmentIds, str) else list(segmentIds)
        segmentation = segmentationNode.GetSegmentation()
        drawn, names = {}, {}
        for number, segmentId in enumerate(ids, start=1):
            segment = segmentation.GetSegment(segmentId)
            if segment is None:
                raise InputError("that segment is not there any more", mend="choose another one")
            digest = segmentTag(segment, DIGEST_TAG)
            names[number] = segmentTag(segment, LABEL_TAG) or segment.GetName()
            drawn[names[number]] = {
                "model": segmentTag(segment, MODEL_TAG),
                "corrected": digest is None or digest != segmentDigest(segmentationNode, segmentId),
            }
        self._submit(
            "give_back",
            {
                "volume": volumeFromNode(volumeNode),
                "labels": onGridOf(segmentationNode, ids, volumeNode),
                "names": names,
                "folder": str(folder),
                "provenance": {"drawn_with": _application(), "labels": drawn},
            },
        )


def _application() -> str:
    application = getattr(slicer, "app", None)
    version = getattr(application, "applicationVersion", None) if application is not None else None
    return f"3D Slicer {version}" if version else "3D Slicer"
