"""One run, from the nodes that go in to the segments that come out."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Sequence
from typing import Any

import slicer
import vtk
from medseg.client import Request
from medseg.errors import Cancelled, InputError, MedSegError, MissingPackageError
from medseg.progress import Progress
from medseg.worker.answers import result_from_message

from .requirements import howToInstallAll
from .runRecord import RunRecord
from .segmentationResult import SegmentationResult
from .segmentsOutput import checkSegmentationNode, showSurface, writeSegments
from .volumeInput import volumesFromNodes
from .workerHost import WorkerHost

__all__ = ["DecisionJob", "FileJob", "Job", "SegmentationJob", "SegmentationResult"]


class Job:
    """Something the worker does, under way.

    state : "running", "cancelling", "done", "failed" or "cancelled".
    progress : the last `medseg.progress.Progress`, or None.
    result : what came out, once done.
    error : a `medseg.errors.MedSegError` once failed or cancelled; `log` is the worker's log where it died.
    sceneSeconds : how long taking the result took this process.
    """

    def __init__(self, host: WorkerHost, onProgress=None, onFinished=None) -> None:
        self.state = "running"
        self.progress = None
        self.result: Any = None
        self.error: MedSegError | None = None
        self.sceneSeconds = 0.0
        self._host = host
        self._request: Request | None = None
        self._last: Any = None
        self._reason: MedSegError | None = None
        self._onProgress, self._onFinished = onProgress, onFinished

    def _submit(self, op: str, payload: dict) -> None:
        self._request = self._host.submit(op, payload, self._progressed, self._answered)

    def _take(self, message: dict) -> None:
        """Do with the worker's answer what must be done at once. Raises MedSegError. For subclasses."""
        self.result = message

    def _complete(self) -> None:
        """What may wait until the window was painted once. For subclasses."""

    @property
    def finished(self) -> bool:
        return self.state in ("done", "failed", "cancelled")

    @property
    def log(self) -> str:
        """The last output of a worker that died, for an error report; else empty."""
        return getattr(self.error, "log", "")

    def cancel(self) -> None:
        """Stop; the job is cancelled within about a second. The scene stays as it was."""
        if not self.finished and self._last is None:
            self.state = "cancelling"
            self._host.cancel(self._request)

    def giveUp(self, reason: MedSegError) -> None:
        """Stop, as failed with ``reason``: there is nothing left to write to."""
        if self.state == "running" and self._last is None:
            self._reason = reason
            self.cancel()

    def wait(self, timeout: float | None = None):
        """Block until finished (the window stays painted) and return the result, or raise the error."""
        if not self.finished:
            with contextlib.suppress(MedSegError):  # it is the job's error by now
                self._host.wait(self._request, timeout)
            if self._last is not None:
                self._last()
        if self.error is not None:
            raise self.error
        return self.result

    def _progressed(self, moment) -> None:
        self.progress = moment
        if self._onProgress is not None:
            self._onProgress(moment)

    def _answered(self, request: Request) -> None:
        if not self._attempt(lambda: self._take(self._answer(request))):
            self._finish()
            return
        self._progressed(Progress("write", 1, 1, 1.0, 0.0))
        self._last = self._completeOnce
        self._host.later(self._completeOnce)

    def _completeOnce(self) -> None:
        if self._last is None or self.finished:
            return
        self._last = None
        if self._attempt(self._complete):
            self.state = "done"
        self._finish()

    def _finish(self) -> None:
        if self._onFinished is not None:
            self._onFinished(self)

    def _answer(self, request: Request) -> dict:
        if self._reason is not None:
            raise self._reason
        if request.error is not None:
            raise request.error
        if self.state == "cancelling":  # the answer crossed the request to stop
            raise Cancelled()
        assert request.result is not None
        return request.result

    def _attempt(self, step) -> bool:
        """Run a step; what it raises becomes the job's error and end. Whether it went well."""
        started = time.perf_counter()
        try:
            step()
        except Cancelled as error:
            self.error, self.state = error, "cancelled"
        except MissingPackageError as error:
            mend = howToInstallAll(error.packages)
            self.error, self.state = MissingPackageError(error.what, mend=mend, packages=error.packages), "failed"
        except MedSegError as error:
            self.error, self.state = error, "failed"
        except Exception as error:
            logging.exception("MedSeg: taking the result failed")
            self.error = MedSegError(
                f"the segments could not be written ({type(error).__name__}: {error})",
                mend="report it with the application's log",
            )
            self.state = "failed"
        finally:
            self.sceneSeconds += time.perf_counter() - started
        return self.error is None


class SegmentationJob(Job):
    """A segmentation of volumes of the scene. Made by `MedSegLogic.start`; its result is a `SegmentationResult`.

    Raises InputError at once for what can be seen to be wrong before the run.
    """

    def __init__(
        self,
        host: WorkerHost,
        volumeNodes,
        model,
        segmentationNode=None,
        *,
        device: str = "auto",
        card=None,
        backend: str | None = None,
        threshold: float | None = None,
        batchSize: int | None = None,
        keepProbabilities: bool = False,
        smoothingFactor: float | None = None,
        show3D: bool | None = None,
        flips: Sequence[str] = (),
        postprocessing: dict | None = None,
        keepScores: bool = False,
        onProgress=None,
        onFinished=None,
    ) -> None:
        nodes, volumes = volumesFromNodes(volumeNodes)
        if not model:
            raise InputError("no model file was given", mend="choose a model file")
        checkSegmentationNode(segmentationNode, nodes[0])
        super().__init__(host, onProgress, onFinished)
        self._grid = _grid(nodes[0])
        self._volumeNode, self._segmentationNode = nodes[0], segmentationNode
        self._smoothingFactor, self._show3D = smoothingFactor, show3D
        self._submit(
            "segment",
            {
                "volumes": volumes,
                "model": str(model),
                "card": card,
                "device": device,
                "backend": backend,
                "threshold": threshold,
                "batch_size": batchSize,
                "keep_probabilities": keepProbabilities,
                "flips": list(flips),
                "postprocessing": postprocessing,
                "keep_scores": keepScores,
            },
        )

    def _take(self, message: dict) -> None:
        self._check()
        self._write(result_from_message(message), message.get("scores"))

    def stopIfGone(self) -> None:
        """Stop at once where the volume or the segmentation is no longer in the scene."""
        try:
            self._checkScene()
        except InputError as error:
            self.giveUp(error)

    def _checkScene(self) -> None:
        for node in (self._volumeNode, self._segmentationNode):
            if node is not None and node.GetScene() is None:
                raise InputError(
                    "the volume or the segmentation was removed from the scene during the run",
                    mend="choose them again and run it again",
                )

    def _check(self) -> None:
        self._checkScene()
        if _grid(self._volumeNode) != self._grid:
            raise InputError("the volume was changed during the run", mend="run it again")

    def _write(self, engineResult, scores) -> None:
        record = RunRecord()
        segmentationNode, ids = writeSegments(
            engineResult, self._volumeNode, self._segmentationNode, self._smoothingFactor, self._show3D, record
        )
        self.result = SegmentationResult(segmentationNode, ids, engineResult, record, scores)

    def _complete(self) -> None:
        record = self.result.record
        if record.wantsSurface and record.segmentationNode.GetScene() is not None:
            showSurface(record.segmentationNode, record.isNew)


class DecisionJob(SegmentationJob):
    """A finished run decided again with another threshold or clean-up; the network does not run.

    Its segments replace those of the run. Raises InputError where nothing was kept.
    """

    def __init__(
        self,
        host: WorkerHost,
        job: SegmentationJob,
        *,
        threshold: float | None = None,
        postprocessing: dict | None = None,
        onProgress=None,
        onFinished=None,
    ) -> None:
        result = job.result
        if result is None or result.scores is None:
            raise InputError("the probabilities of that run were not kept", mend="run it again with keepScores=True")
        Job.__init__(self, host, onProgress, onFinished)
        self._before = result
        self._grid = job._grid
        self._volumeNode, self._segmentationNode = job._volumeNode, result.segmentationNode
        self._smoothingFactor = self._show3D = None
        self._submit("decide", {"scores": result.scores, "threshold": threshold, "postprocessing": postprocessing})

    def _take(self, message: dict) -> None:
        self._check()
        self._write(result_from_message(message), self._before.scores)


class FileJob(Job):
    """An image file into a segmentation file; its result is the summary (`medseg.pipeline.Result.summary`)."""

    def __init__(self, host: WorkerHost, image, model, output, options: dict, onProgress=None, onFinished=None) -> None:
        if not model:
            raise InputError("no model file was given", mend="choose a model file")
        super().__init__(host, onProgress, onFinished)
        self._submit(
            "segment_file",
            {
                "input": str(image),
                "output": str(output),
                "model": str(model),
                "card": options.get("card"),
                "device": options.get("device") or "auto",
                "backend": options.get("backend"),
                "threshold": options.get("threshold"),
                "batch_size": options.get("batchSize"),
                "flips": list(options.get("flips") or ()),
                "postprocessing": options.get("postprocessing"),
            },
        )


def _grid(volumeNode) -> tuple:
    """What must stay the same during a run for the label map to fit: dimensions and voxel positions."""
    matrix = vtk.vtkMatrix4x4()
    volumeNode.GetIJKToRASMatrix(matrix)
    image = volumeNode.GetImageData()
    return image.GetDimensions() if image else None, tuple(slicer.util.arrayFromVTKMatrix(matrix).ravel())
