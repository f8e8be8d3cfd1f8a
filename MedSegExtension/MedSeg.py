"""MedSeg: ducts, and anything else a trained 2D U-Net can see, as 3D segments. Research use only."""

# No postponed annotations here: parameterNodeWrapper reads those of MedSegParameterNode while this file is executed.

import logging
import sys

import slicer
import vtk
from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import parameterNodeWrapper
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin


class MedSeg(ScriptedLoadableModule):
    """What Slicer shows of the module before it is opened."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("MedSeg")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        self.parent.dependencies = ["Segmentations", "SubjectHierarchy"]
        self.parent.contributors = ["MedSegExtension contributors"]
        self.parent.helpText = _(
            "Segments a volume slice by slice with a trained 2D network, such as bile ducts in MR cholangiography,"
            " and shows the result as 3D segments. Research use only: not for diagnosis or treatment."
        )
        self.parent.acknowledgementText = _("Made with 3D Slicer, ONNX Runtime, PyTorch and OpenVINO.")
        # Sample Data may be loaded after this module, and nothing else is done at start-up.
        if getattr(slicer, "app", None) is not None:
            slicer.app.connect("startupCompleted()", registerSampleData)


def registerSampleData() -> None:
    """Offer the phantom in the Sample Data module."""
    from MedSegLib.sampleData import registerSampleData as register

    register()


@parameterNodeWrapper
class MedSegParameterNode:
    """What the person chose; saved with the scene.

    inputVolume : the volume to segment.
    modelPath : the model file.
    outputSegmentation : where the segments go; None makes a new segmentation.
    """

    inputVolume: vtkMRMLScalarVolumeNode
    modelPath: str = ""
    outputSegmentation: vtkMRMLSegmentationNode


class MedSegWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The module's panel."""

    def __init__(self, parent=None) -> None:
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = None
        self.job = None
        self._parameterNode = None
        self._parameterNodeGuiTag = None

    def setup(self) -> None:
        """Called once, when the module is opened for the first time."""
        ScriptedLoadableModuleWidget.setup(self)
        uiWidget = slicer.util.loadUI(self.resourcePath("UI/MedSeg.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self.logic = MedSegLogic()

        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onSceneEndClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartImportEvent, self.onSceneStartImport)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndImportEvent, self.onSceneEndImport)
        self.ui.segmentButton.connect("clicked(bool)", self.onSegmentButton)
        self.ui.cancelButton.connect("clicked(bool)", self.onCancelButton)
        self.ui.modelPathLineEdit.connect("currentPathChanged(QString)", self.onModelPathChanged)
        self.initializeParameterNode()

    def cleanup(self) -> None:
        """Called when the application closes and when the module is reloaded."""
        if self.job is not None:
            self.job.cancel()
        self.setParameterNode(None)
        self.removeObservers()
        if self.logic is not None:
            self.logic.close()

    def enter(self) -> None:
        """Called each time the module is opened."""
        self.initializeParameterNode()

    def exit(self) -> None:
        """Called each time another module is opened. A run goes on."""
        self.setParameterNode(None)

    def onSceneStartClose(self, caller, event) -> None:
        """The nodes of a run are about to go, and what was said about them."""
        if self.job is not None:
            self.job.cancel()
            if self.job.finished:
                self.job = None  # it would keep its nodes alive
        self.ui.statusLabel.text = ""
        self.setParameterNode(None)

    def onSceneEndClose(self, caller, event) -> None:
        if self.parent.isEntered:
            self.initializeParameterNode()

    def onSceneStartImport(self, caller, event) -> None:
        """While a scene is read, the panel would write what its lists show at the moment over what was saved."""
        self.setParameterNode(None)

    def onSceneEndImport(self, caller, event) -> None:
        if self.parent.isEntered:
            self.initializeParameterNode()

    def onReload(self) -> None:
        """Slicer executes only this file again: forget our other modules, and the worker that runs the old engine."""
        if self.logic is not None:
            self.logic.close()
        for name in [n for n in sys.modules if n.partition(".")[0] in ("MedSegLib", "medseg")]:
            del sys.modules[name]
        ScriptedLoadableModuleWidget.onReload(self)

    def initializeParameterNode(self) -> None:
        """Make sure the parameter node exists and is observed; choose the first volume where none is chosen."""
        self.setParameterNode(self.logic.getParameterNode())
        if not self._parameterNode.inputVolume:
            first = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode")
            if first:
                self._parameterNode.inputVolume = first

    def setParameterNode(self, parameterNode: MedSegParameterNode | None) -> None:
        """Connect the panel to ``parameterNode``, or to nothing."""
        if self._parameterNode:
            self._parameterNode.disconnectGui(self._parameterNodeGuiTag)
            self._parameterNodeGuiTag = None
            self.removeObserver(self._parameterNode, vtk.vtkCommand.ModifiedEvent, self.onParameterNodeModified)
        self._parameterNode = parameterNode
        if self._parameterNode:
            self._parameterNodeGuiTag = self._parameterNode.connectGui(self.ui)
            self.addObserver(self._parameterNode, vtk.vtkCommand.ModifiedEvent, self.onParameterNodeModified)
            self.onParameterNodeModified()

    def onParameterNodeModified(self, caller=None, event=None) -> None:
        if not self._parameterNode:
            return
        if self.ui.modelPathLineEdit.currentPath != self._parameterNode.modelPath:
            self.ui.modelPathLineEdit.currentPath = self._parameterNode.modelPath
        self.updateButtons()

    def onModelPathChanged(self, path) -> None:
        if self._parameterNode and self._parameterNode.modelPath != str(path):
            self._parameterNode.modelPath = str(path)

    def updateButtons(self) -> None:
        """Enable what makes sense now, and say why the rest does not."""
        running = self.job is not None and not self.job.finished
        ready = bool(self._parameterNode and self._parameterNode.inputVolume and self._parameterNode.modelPath)
        self.ui.segmentButton.enabled = ready and not running
        missing = _("Choose an input volume and a model file")
        self.ui.segmentButton.toolTip = _("Segment the volume") if ready else missing
        self.ui.cancelButton.enabled = running
        self.ui.progressBar.visible = running

    def onSegmentButton(self) -> None:
        """Start a run; it reports to `onProgress` and `onFinished`."""
        from MedSegLib.requirements import ensureRequirements

        with slicer.util.tryWithErrorDisplay(_("The segmentation could not be started.")):
            if not ensureRequirements():
                self.ui.statusLabel.text = _("Not started: the packages the model needs are not installed.")
                return
            self.ui.progressBar.value = 0
            self.ui.statusLabel.text = _("Starting")
            parameters = self._parameterNode
            self.job = self.logic.start(
                parameters.inputVolume,
                parameters.modelPath,
                parameters.outputSegmentation,
                onProgress=self.onProgress,
                onFinished=self.onFinished,
            )
        self.updateButtons()

    def onCancelButton(self) -> None:
        if self.job is not None:
            self.ui.statusLabel.text = _("Stopping")
            self.job.cancel()

    def onProgress(self, moment) -> None:
        self.ui.progressBar.value = round(100 * moment.fraction)
        self.ui.statusLabel.text = moment.text

    def onFinished(self, job) -> None:
        """Say what came out. The result is chosen as output, so that the next run renews it."""
        self.updateButtons()
        if job.state == "cancelled":
            self.ui.statusLabel.text = _("Cancelled.")
        elif job.state == "failed":
            self.ui.statusLabel.text = job.error.line()
            slicer.util.errorDisplay(job.error.line(), **({"detailedText": job.log} if job.log else {}))
        else:
            self.ui.statusLabel.text = " ".join([job.result.message, *job.result.warnings])
            self.logic.getParameterNode().outputSegmentation = job.result.segmentationNode  # also if the panel is left


class MedSegLogic(ScriptedLoadableModuleLogic):
    """Segmenting from the Python console and from other modules. Opens no dialog.

    logic = slicer.util.getModuleLogic("MedSeg")
    result = logic.segment(volumeNode, "model.onnx")
    """

    def __init__(self) -> None:
        ScriptedLoadableModuleLogic.__init__(self)

    def getParameterNode(self):
        return MedSegParameterNode(super().getParameterNode())

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
        :raises medseg.errors.InputError: at once for what can be seen to be wrong before the run.
        """
        from MedSegLib.segmentationJob import SegmentationJob
        from MedSegLib.workerHost import sharedHost

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
            onProgress=onProgress,
            onFinished=onFinished,
        )

    def inspect(self, model) -> dict:
        """What a model file is, what its card says and what is missing, as ``medseg inspect --json`` prints it.

        The file is also loaded, in the worker and within limits of memory and time (120 s).

        :raises medseg.errors.InputError: for files that cannot be used; ``UnsafeModelError`` for refused ones.
        """
        from MedSegLib.workerHost import sharedHost

        return sharedHost().ask("inspect", {"model": str(model), "load": True}, timeout=120)["report"]

    def devices(self) -> list:
        """What can compute here: dicts with backend, device, name, usable, reason and free_bytes."""
        from MedSegLib.workerHost import sharedHost

        return sharedHost().ask("probe", {}, timeout=120)["devices"]

    def close(self) -> None:
        """End the worker process and free what it holds; the next run starts another."""
        from MedSegLib.workerHost import closeSharedHost

        closeSharedHost()


class MedSegTest(ScriptedLoadableModuleTest):
    """What is tested inside Slicer; the suites in Testing/ run the same and more without the application."""

    def setUp(self) -> None:
        slicer.mrmlScene.Clear()

    def runTest(self) -> None:
        from MedSegLib import panelTest, requirements, selfTest

        missing = requirements.missingRequirements()
        if missing:
            logging.warning("MedSeg: %s not installed, so only what happens then is tested", ", ".join(missing))
        scenarios = selfTest.SCENARIOS
        if slicer.util.mainWindow() is not None:
            scenarios += panelTest.SCENARIOS
        for scenario in (selfTest.scenarioPackagesAbsent,) if missing else scenarios:
            self.setUp()
            self.delayDisplay(scenario.__doc__)
            scenario(self, MedSegLogic())
        logging.info("MedSeg: all scenarios passed")
