"""What `MedSegLogic` does with models: segmenting, deciding again, taking back, writing files. Opens no dialog."""

from __future__ import annotations


class RunsLogic:
    """Mixed into `MedSegLogic`; everything is imported when it is called."""

    def segment(self, volumeNode, model, segmentationNode=None, device="auto", **options):
        """Segment a volume (a list of nodes for a model with several inputs) and return when it is done.

        :param model: path of the model file.
        :param segmentationNode: where the segments go; by default a new segmentation beside the volume.
        :param device: "auto", "cpu", "cuda", "cuda:1", "mps".
        :param options: those of :meth:`start`.
        :return: a ``MedSegLib.segmentationJob.SegmentationResult``.
        :raises medseg.errors.InputError: for nodes, models and options that cannot be used; the message says how to
            mend it. Other ``medseg.errors.MedSegError`` for failures, ``WorkerDied`` (with ``log``) among them.
        """
        return self.start(volumeNode, model, segmentationNode, device=device, **options).wait()

    def start(
        self,
        volumeNode,
        model,
        segmentationNode=None,
        device="auto",
        onProgress=None,
        onFinished=None,
        *,
        card=None,
        backend=None,
        threshold=None,
        batchSize=None,
        keepProbabilities=False,
        smoothingFactor=None,
        show3D=None,
        flips=(),
        postprocessing=None,
        keepScores=False,
    ):
        """Start segmenting and return at once with a job (``cancel()``, ``wait()``, ``state``, ``error``, ``result``).

        :param onProgress: called with a ``medseg.Progress`` (``fraction``, ``stage``, ``seconds_left``, ``text``).
        :param onFinished: called with the job when it is done, failed or cancelled.
        :param card: a model card (its JSON data, or the path of a card file) for a model that has none.
        :param backend: "onnxruntime", "torch" or "openvino"; by default the fastest that is installed.
        :param threshold: probability, instead of the model's own.
        :param batchSize: slices at once; by default what suits the device.
        :param keepProbabilities: whether ``result.probabilities`` is kept (4 bytes for each voxel and label).
        :param smoothingFactor: of the closed surface, 0 to 1; by default the segmentation's own.
        :param show3D: whether to make the closed surface; by default for a new or empty segmentation, while one with
            segments keeps the representations it has.
        :param flips: of "rows" and "columns": mirrored slices whose answers are averaged with the slice's own.
        :param postprocessing: changes to the model's clean-up, such as ``{"minimum_part_mm3": 20}``.
        :param keepScores: whether the worker keeps what :meth:`decide` needs.
        :raises medseg.errors.InputError: at once for what can be seen to be wrong before the run.
        """
        from .segmentationJob import SegmentationJob
        from .workerHost import sharedHost

        return SegmentationJob(
            sharedHost(),
            volumeNode,
            model,
            segmentationNode,
            device=device,
            card=card,
            backend=backend,
            threshold=threshold,
            batchSize=batchSize,
            keepProbabilities=keepProbabilities,
            smoothingFactor=smoothingFactor,
            show3D=show3D,
            flips=flips,
            postprocessing=postprocessing,
            keepScores=keepScores,
            onProgress=onProgress,
            onFinished=onFinished,
        )

    def decide(self, job, threshold=None, postprocessing=None, onProgress=None, onFinished=None):
        """Decide a finished job of :meth:`start` (with ``keepScores``) again; the network does not run.

        Only the last job can be: the worker keeps the probabilities of one. Returns a new job.
        """
        from .segmentationJob import DecisionJob
        from .workerHost import sharedHost

        return DecisionJob(
            sharedHost(),
            job,
            threshold=threshold,
            postprocessing=postprocessing,
            onProgress=onProgress,
            onFinished=onFinished,
        )

    def startScores(self, result, onFinished):
        """Fetch what a preview of thresholds needs of a run with ``keepScores`` (`medseg.scores.Scores.part`).

        ``onFinished(request)`` gets a request with ``error`` or ``result``.
        """
        from .workerHost import sharedHost

        return sharedHost().submit("scores", {"scores": result.scores, "floor": 0.01}, onFinished=onFinished)

    def undo(self, result) -> None:
        """Take a run back: what it wrote goes unless somebody changed it, what it replaced comes back.

        :param result: what :meth:`segment` returned.
        :raises medseg.errors.InputError: where there is nothing to take back.
        """
        getattr(result, "record", result).undo()

    def export(self, result, kind, path, volumeNode=None) -> list:
        """Write a result: "nrrd" (.seg.nrrd), "nifti" (label map), or "stl" and "obj" into the folder ``path``.

        :return: the paths of the files. :raises medseg.errors.InputError: where nothing can be written.
        """
        from .exporting import export

        return export(result.segmentationNode, list(result.segmentIds.values()), kind, path, volumeNode)

    def startFile(self, image, model, output, onProgress=None, onFinished=None, **options):
        """Segment an image file into a segmentation file in the worker; the scene stays as it is. Returns a job.

        :param options: device, card, backend, threshold, batchSize, flips and postprocessing of :meth:`start`.
        """
        from .segmentationJob import FileJob
        from .workerHost import sharedHost

        return FileJob(sharedHost(), image, model, output, options, onProgress=onProgress, onFinished=onFinished)

    def startCases(self, folder, onFinished):
        """Look for the images of a folder; ``onFinished(request)`` gets a request with ``error`` or ``result``."""
        from .workerHost import sharedHost

        return sharedHost().submit("cases", {"folder": str(folder)}, onFinished=onFinished)

    def startInspect(self, model, onFinished):
        """As :meth:`inspect`, without waiting; ``onFinished(request)`` gets a request with ``error`` or ``result``."""
        from .workerHost import sharedHost

        return sharedHost().submit("inspect", {"model": str(model), "load": True}, onFinished=onFinished, timeout=120)

    def startSlice(self, volumeNodes, card: dict, onFinished):
        """A slice of the volumes as a network with this card (JSON data) would be fed it; no network is needed.

        ``onFinished(request)`` gets a request with ``error`` or ``result``: ``{"image": (H, W) float32}``.
        """
        from .volumeInput import volumesFromNodes
        from .workerHost import sharedHost

        _nodes, volumes = volumesFromNodes(volumeNodes)
        return sharedHost().submit("slice", {"volumes": volumes, "card": card}, onFinished=onFinished, timeout=60)

    def startProbe(self, onFinished):
        """As :meth:`devices`, without waiting."""
        from .workerHost import probeDevices

        return probeDevices(onFinished)

    def forget(self, request) -> None:
        """Nobody waits for this request any more; one that has not begun is not begun."""
        from .workerHost import sharedHost

        request.on_finished = None
        if request.state == "waiting":
            sharedHost().cancel(request)

    def inspect(self, model) -> dict:
        """What a model file is, what its card says and what is missing, as ``medseg inspect --json`` prints it.

        The file is also loaded, in the worker and within limits of memory and time (120 s).

        :raises medseg.errors.InputError: for files that cannot be used; ``UnsafeModelError`` for refused ones.
        """
        from .workerHost import sharedHost

        return sharedHost().ask("inspect", {"model": str(model), "load": True}, timeout=120)["report"]

    def devices(self) -> list:
        """What can compute here: dicts with backend, device, name, usable, reason and free_bytes."""
        from .workerHost import sharedHost

        return sharedHost().ask("probe", {}, timeout=120)["devices"]

    def close(self) -> None:
        """End the worker process and free what it holds; the next run starts another."""
        from .workerHost import closeSharedHost

        closeSharedHost()
