"""One run, from the nodes that go in to the segments that come out."""

from __future__ import annotations

import contextlib
import logging
from dataclasses import dataclass, field
from typing import Any

import slicer
import vtk
from medseg.client import Request, result_from_message
from medseg.errors import Cancelled, InputError, MedSegError, MissingPackageError

from .requirements import howToInstallAll
from .segmentsOutput import checkSegmentationNode, writeSegments
from .volumeInput import volumesFromNodes
from .workerHost import WorkerHost


@dataclass(frozen=True, eq=False)
class SegmentationResult:
    """What a run left in the scene, and what it knows about it.

    segmentationNode, segmentIds : the node and, for each label name of the model's card, the segment's id.
    engine : the `medseg.pipeline.Result` (labels, timings, warnings, voxel counts, device, card, ...).
    """

    segmentationNode: Any
    segmentIds: dict[str, str]
    engine: Any = field(repr=False)

    @property
    def labels(self):
        """Label map as `medseg.volume.Volume`, on the input's grid as it lies in the world."""
        return self.engine.labels

    @property
    def probabilities(self):
        """(L, K, J, I) float32, or None unless kept."""
        return self.engine.probabilities

    @property
    def timings(self) -> dict[str, float]:
        """Seconds spent in each stage."""
        return self.engine.timings

    @property
    def warnings(self) -> list[str]:
        """Sentences a person should read."""
        return self.engine.warnings

    @property
    def device(self) -> str:
        return self.engine.device

    @property
    def empty(self) -> bool:
        """Whether nothing was found."""
        return self.engine.empty

    @property
    def message(self) -> str:
        """One or two sentences for the person who waits."""
        millilitres = self.labels.voxel_volume_mm3 / 1000
        found, absent = [], []
        for info in self.engine.segments:
            voxels = self.engine.voxel_counts[info.value]
            if voxels:
                found.append(f"{info.name} {voxels * millilitres:.1f} ml")
            else:
                absent.append(f"{info.name} (highest probability {self.engine.highest_probability[info.value]:.2f})")
        text = f"Found {', '.join(found)}." if found else "Nothing was found above the model's threshold."
        return f"{text} Not found: {', '.join(absent)}." if absent else text


class SegmentationJob:
    """A run under way. Made by `MedSegLogic.start`.

    state : "running", "cancelling", "done", "failed" or "cancelled".
    progress : the last `medseg.progress.Progress`, or None.
    result : a `SegmentationResult` once done.
    error : a `medseg.errors.MedSegError` once failed or cancelled; `log` is the worker's log where it died.

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
        onProgress=None,
        onFinished=None,
    ) -> None:
        nodes, volumes = volumesFromNodes(volumeNodes)
        if not model:
            raise InputError("no model file was given", mend="choose a model file")
        checkSegmentationNode(segmentationNode, nodes[0])
        self.state = "running"
        self.progress = None
        self.result: SegmentationResult | None = None
        self.error: MedSegError | None = None
        self._host = host
        self._grid = _grid(nodes[0])
        self._volumeNode, self._segmentationNode = nodes[0], segmentationNode
        self._smoothingFactor, self._show3D = smoothingFactor, show3D
        self._onProgress, self._onFinished = onProgress, onFinished
        self._request = host.submit(
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
            },
            self._progressed,
            self._finished,
        )

    @property
    def finished(self) -> bool:
        return self.state in ("done", "failed", "cancelled")

    @property
    def log(self) -> str:
        """The last output of a worker that died, for an error report; else empty."""
        return getattr(self.error, "log", "")

    def cancel(self) -> None:
        """Stop; the job is cancelled within about a second. The scene stays as it was."""
        if not self.finished:
            self.state = "cancelling"
            self._host.cancel(self._request)

    def wait(self, timeout: float | None = None) -> SegmentationResult:
        """Block until finished (the window stays painted) and return the result, or raise the error."""
        if not self.finished:
            with contextlib.suppress(MedSegError):  # it is the job's error by now
                self._host.wait(self._request, timeout)
        if self.error is not None:
            raise self.error
        assert self.result is not None
        return self.result

    def _progressed(self, moment) -> None:
        self.progress = moment
        if self._onProgress is not None:
            self._onProgress(moment)

    def _finished(self, request: Request) -> None:
        try:
            if request.error is not None:
                raise request.error
            self.result = self._write(result_from_message(request.result))
            self.state = "done"
        except Cancelled as error:
            self.error, self.state = error, "cancelled"
        except MissingPackageError as error:
            self.error, self.state = MissingPackageError(error.what, mend=howToInstallAll()), "failed"
        except MedSegError as error:
            self.error, self.state = error, "failed"
        except Exception as error:
            logging.exception("MedSeg: writing the segments failed")
            self.error = MedSegError(
                f"the segments could not be written ({type(error).__name__}: {error})",
                mend="report it with the application's log",
            )
            self.state = "failed"
        if self._onFinished is not None:
            self._onFinished(self)

    def _write(self, engineResult) -> SegmentationResult:
        if self.state == "cancelling":  # the answer crossed the request to stop
            raise Cancelled()
        for node in (self._volumeNode, self._segmentationNode):
            if node is not None and node.GetScene() is None:
                raise InputError(
                    "the volume or the segmentation was removed from the scene during the run",
                    mend="run it again with nodes of the scene",
                )
        if _grid(self._volumeNode) != self._grid:
            raise InputError("the volume was changed during the run", mend="run it again")
        segmentationNode, ids = writeSegments(
            engineResult, self._volumeNode, self._segmentationNode, self._smoothingFactor, self._show3D
        )
        return SegmentationResult(segmentationNode, ids, engineResult)


def _grid(volumeNode) -> tuple:
    """What must stay the same during a run for the label map to fit: dimensions and voxel positions."""
    matrix = vtk.vtkMatrix4x4()
    volumeNode.GetIJKToRASMatrix(matrix)
    image = volumeNode.GetImageData()
    return image.GetDimensions() if image else None, tuple(slicer.util.arrayFromVTKMatrix(matrix).ravel())
