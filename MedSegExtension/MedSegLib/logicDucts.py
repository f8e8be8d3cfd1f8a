"""What `MedSegLogic` does with segments: measuring, reviewing, comparing, giving back. Opens no dialog."""

from __future__ import annotations


class DuctsLogic:
    """Mixed into `MedSegLogic`; everything is imported when it is called."""

    def measure(self, segmentationNode, segmentId, names=None, show=True) -> dict:
        """Measure a segment as a tree of ducts, show it in the scene, and return the measurement.

        :param names: names of branches by number, instead of the proposed ones.
        :param show: whether to put curves, points, tables and a plot into the scene.
        :return: a dict with ``measurement`` (as ``medseg measure`` writes it, LPS mm), ``profiles`` and ``doubts``.
        :raises medseg.errors.InputError: for segments that cannot be measured.
        """
        return self.startMeasure(segmentationNode, segmentId, names=names, show=show).wait()

    def startMeasure(self, segmentationNode, segmentId, onProgress=None, onFinished=None, names=None, show=True):
        """As :meth:`measure`, without waiting. Returns a job; ``job.nodes`` is what came into the scene."""
        from .ductsJob import MeasureJob
        from .workerHost import sharedHost

        return MeasureJob(
            sharedHost(),
            segmentationNode,
            segmentId,
            names=names,
            show=show,
            onProgress=onProgress,
            onFinished=onFinished,
        )

    def review(self, measured=None, result=None):
        """Places to look at, the most doubtful first: ``review.next()`` moves the views to each in turn.

        :param measured: what :meth:`measure` returned: breaks, narrow places, thin ducts.
        :param result: what :meth:`segment` returned with ``keepScores=True``: undecided slices.
        :raises medseg.errors.InputError: where the worker no longer keeps the probabilities of that run.
        """
        from .ductsReview import makeReview
        from .workerHost import sharedHost

        if getattr(result, "scores", None) is None:
            return makeReview(measured)
        return makeReview(measured, sharedHost().ask("doubts", {"scores": result.scores})["doubts"])

    def startDoubts(self, result, onFinished):
        """Look for the undecided slices of a run; ``onFinished(request)`` gets one with ``error`` or ``result``."""
        from .workerHost import sharedHost

        return sharedHost().submit("doubts", {"scores": result.scores}, onFinished=onFinished)

    def compare(self, prediction, reference, volumeNode) -> dict:
        """Compare two segments, each a pair of segmentation node and segment id; figures and differences are shown.

        :return: the figures, as ``medseg evaluate`` computes them.
        """
        return self.startCompare(prediction, reference, volumeNode).wait()["agreement"]

    def startCompare(self, prediction, reference, volumeNode, onProgress=None, onFinished=None):
        """As :meth:`compare`, without waiting. Returns a job; ``job.nodes`` is what came into the scene."""
        from .ductsJob import CompareJob
        from .workerHost import sharedHost

        return CompareJob(sharedHost(), prediction, reference, volumeNode, onProgress, onFinished)

    def giveBack(self, volumeNode, segmentationNode, segmentIds, folder) -> dict:
        """Add a volume and segments of it to a training set that ``medseg train`` reads; no patient is named in it.

        :return: a dict with ``case``, ``image``, ``labels`` and ``renewed``.
        """
        return self.startGiveBack(volumeNode, segmentationNode, segmentIds, folder).wait()

    def startGiveBack(self, volumeNode, segmentationNode, segmentIds, folder, onProgress=None, onFinished=None):
        """As :meth:`giveBack`, without waiting. Returns a job."""
        from .ductsJob import GiveBackJob
        from .workerHost import sharedHost

        return GiveBackJob(sharedHost(), volumeNode, segmentationNode, segmentIds, folder, onProgress, onFinished)
