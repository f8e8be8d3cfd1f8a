"""MedSeg: ducts, and anything else a trained 2D U-Net can see, as 3D segments. Research use only."""

# No postponed annotations here: parameterNodeWrapper reads those of MedSegParameterNode while this file is executed.

import logging
import sys
from pathlib import Path
from typing import Annotated

import slicer
import vtk
from MedSegLib.logicDucts import DuctsLogic
from MedSegLib.logicRuns import RunsLogic
from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper
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
        # Slicer looks for translations in its own folders only.
        if getattr(slicer, "app", None) is not None:
            slicer.app.loadTranslations(str(Path(__file__).parent / "Resources" / "Translations"))
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

    register(str(Path(__file__).parent / "Resources" / "Icons" / "MRCholangiographyPhantom.png"))


@parameterNodeWrapper
class MedSegParameterNode:
    """What the person chose; saved with the scene. The second, third, ... input volume of a model with several are
    references ``inputVolume2``, ``inputVolume3``, ... of the same node.

    inputVolume : the volume to segment.
    modelPath : the model file.
    outputSegmentation : where the segments go; None makes a new segmentation.
    device : "auto", "cpu", "cuda:0", ...
    flips : "none", "columns" or "both".
    ownThreshold, threshold : whether to decide with this probability instead of the model's own.
    ownPostprocessing, minimumPart, keepLargest, fillHoles : whether to clean up in this way instead of the model's; mm³
        and number of parts, 0 for all.
    smoothing : of the closed surface, 0 to 1.
    """

    inputVolume: vtkMRMLScalarVolumeNode
    modelPath: str = ""
    outputSegmentation: vtkMRMLSegmentationNode
    device: str = "auto"
    flips: str = "none"
    ownThreshold: bool = False
    threshold: Annotated[float, WithinRange(0.01, 0.99)] = 0.5
    ownPostprocessing: bool = False
    minimumPart: Annotated[float, WithinRange(0.0, 100000.0)] = 0.0
    keepLargest: Annotated[int, WithinRange(0, 100)] = 0
    fillHoles: bool = False
    smoothing: Annotated[float, WithinRange(0.0, 1.0)] = 0.5


class MedSegWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The module's panel: wires the small panels of MedSegLib to the parameter node, the queue and the logic."""

    def __init__(self, parent=None) -> None:
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = None
        self.queue = None
        self._parameterNode = None
        self._parameterNodeGuiTag = None
        self._last = None

    def setup(self) -> None:
        """Called once, when the module is opened for the first time."""
        ScriptedLoadableModuleWidget.setup(self)
        from MedSegLib.advancedPanel import AdvancedPanel
        from MedSegLib.batchPanel import BatchPanel
        from MedSegLib.comparePanel import ComparePanel, showDirectories, volumeOf
        from MedSegLib.devicePanel import DevicePanel
        from MedSegLib.ductsPanel import DuctsPanel
        from MedSegLib.inputPanel import InputPanel
        from MedSegLib.installPanel import InstallPanel
        from MedSegLib.logPanel import LogPanel
        from MedSegLib.modelDrop import ModelDrop
        from MedSegLib.modelPanel import ModelPanel
        from MedSegLib.resultPanel import ResultPanel
        from MedSegLib.runPanel import RunPanel
        from MedSegLib.runQueue import RunQueue
        from MedSegLib.scrolling import followOpening

        uiWidget = slicer.util.loadUI(self.resourcePath("UI/MedSeg.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self.logic = MedSegLogic()
        self.queue = RunQueue(self.onRunChanged, self.onRunFinished)
        self.logPanel = LogPanel(self.ui, self.describe)
        self.installPanel = InstallPanel(self.ui, self.onPackagesReady, self.logPanel.add)
        self.inputPanel = InputPanel(self.ui, self.update)
        self.modelPanel = ModelPanel(
            self.ui,
            self.logic,
            self.inputPanel.nodes,
            self.onModelPath,
            self.onModelChanged,
            self.installPanel.explain,
        )
        self.devicePanel = DevicePanel(self.ui, self.logic, self.onDeviceChosen, lambda: self.queue.running)
        self.advancedPanel = AdvancedPanel(self.ui, self.logic, self.onFlipsChosen, self.onApplyThreshold, self.say)
        self.runPanel = RunPanel(self.ui, self.onStart, self.onCancel, self.onQueue)
        self.resultPanel = ResultPanel(self.ui, self.logic, self.say, self.onUndone)
        self.batchPanel = BatchPanel(
            self.ui, self.logic, self.queue, self.choices, self.ui.inputSelector.currentNode, self.say
        )
        self.drop = ModelDrop(uiWidget, self.modelPanel.choose)

        ductsWidget = slicer.util.loadUI(self.resourcePath("UI/MedSegDucts.ui"))
        # After the result, which is what is measured.
        layout = uiWidget.layout()
        layout.insertWidget(layout.indexOf(self.ui.batchCollapsibleButton), ductsWidget)
        self.ductsUi = slicer.util.childWidgetVariables(ductsWidget)
        ductsWidget.setMRMLScene(slicer.mrmlScene)
        showDirectories(self.ductsUi.giveBackPathLineEdit)
        self.ductsPanel = DuctsPanel(self.ductsUi, self.logic, lambda: self.resultPanel.result, self.onDuctsProblem)
        self.comparePanel = ComparePanel(
            self.ductsUi,
            self.logic,
            self.ductsPanel.chooser,
            lambda: volumeOf(self.ductsPanel.chooser.node),
            self.onDuctsProblem,
        )
        self.ductsPanel.onChosen = self.comparePanel.update
        for box in (
            self.ui.advancedCollapsibleButton,
            self.ductsUi.ductsCollapsibleButton,
            self.ductsUi.compareCollapsibleButton,
            self.ui.batchCollapsibleButton,
            self.ui.logCollapsibleButton,
        ):
            followOpening(box)

        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(scene, scene.EndCloseEvent, self.onSceneEndClose)
        self.addObserver(scene, scene.StartImportEvent, self.onSceneStartImport)
        self.addObserver(scene, scene.EndImportEvent, self.onSceneEndImport)
        self.addObserver(scene, scene.NodeRemovedEvent, self.onNodeRemoved)
        self.initializeParameterNode()

    def cleanup(self) -> None:
        """Called when the application closes and when the module is reloaded."""
        self.setParameterNode(None)
        self.removeObservers()
        if self.queue is not None:
            self.queue.clear()
            for panel in (
                self.inputPanel,
                self.modelPanel,
                self.devicePanel,
                self.advancedPanel,
                self.resultPanel,
                self.batchPanel,
                self.comparePanel,
                self.ductsPanel,
            ):
                panel.cleanup()
        self._last = None
        if self.logic is not None:
            self.logic.close()

    def enter(self) -> None:
        """Called each time the module is opened."""
        self.initializeParameterNode()
        self.installPanel.recheck()

    def exit(self) -> None:
        """Called each time another module is opened. A run goes on."""
        self.advancedPanel.stopPreview()
        self.setParameterNode(None)

    @property
    def job(self):
        """The job of the run under way, or of the last one."""
        run = self.queue.current or self._last
        return run.job if run is not None else None

    # The scene

    def onSceneStartClose(self, caller, event) -> None:
        """The nodes of a run are about to go, and what was said about them."""
        self.queue.clear()
        self._last = None
        self.resultPanel.clear()
        self.ductsPanel.clear()
        self.comparePanel.clear()
        self.advancedPanel.setResult(None, None)
        self.batchPanel.refresh()
        self.say("")
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

    def onNodeRemoved(self, caller, event) -> None:
        """What runs, the result, or what it was made of may be what was removed."""
        from MedSegLib.segmentationJob import SegmentationJob

        current = self.queue.current
        if current is not None and isinstance(current.job, SegmentationJob):
            current.job.stopIfGone()
        result = self.resultPanel.result
        if result is not None and result.segmentationNode.GetScene() is None:
            self.advancedPanel.setResult(None, None)
            self.resultPanel.update()

    def onReload(self) -> None:
        """Slicer executes only this file again: forget our other modules, and the worker that runs the old engine."""
        self.cleanup()
        for name in [n for n in sys.modules if n.partition(".")[0] in ("MedSegLib", "medseg")]:
            del sys.modules[name]
        ScriptedLoadableModuleWidget.onReload(self)

    # The parameter node

    def initializeParameterNode(self) -> None:
        """Make sure the parameter node exists and is observed; choose the first volume where none is chosen."""
        self.setParameterNode(self.logic.getParameterNode())
        if not self._parameterNode.inputVolume:
            first = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode")
            if first:
                self._parameterNode.inputVolume = first

    def setParameterNode(self, parameterNode) -> None:
        """Connect the panel to ``parameterNode``, or to nothing."""
        if self._parameterNode:
            self._parameterNode.disconnectGui(self._parameterNodeGuiTag)
            self._parameterNodeGuiTag = None
            self.removeObserver(self._parameterNode, vtk.vtkCommand.ModifiedEvent, self.onParameterNodeModified)
        self._parameterNode = parameterNode
        self.inputPanel.setParameterNode(parameterNode.parameterNode if parameterNode else None)
        if self._parameterNode:
            self._parameterNodeGuiTag = self._parameterNode.connectGui(self.ui)
            self.addObserver(self._parameterNode, vtk.vtkCommand.ModifiedEvent, self.onParameterNodeModified)
            self.onParameterNodeModified()

    def onParameterNodeModified(self, caller=None, event=None) -> None:
        if not self._parameterNode:
            return
        if self.modelPanel.path != self._parameterNode.modelPath:
            self.modelPanel.choose(self._parameterNode.modelPath)
        if self.devicePanel.device != self._parameterNode.device:
            self.devicePanel.setDevice(self._parameterNode.device)
        self.advancedPanel.setFlips(self._parameterNode.flips)
        self.update()

    def onModelPath(self, path) -> None:
        """Another model was chosen."""
        if not self.queue.running:
            self.say("")  # what was said was about another one
        if self._parameterNode and self._parameterNode.modelPath != path:
            self._parameterNode.modelPath = path

    def onModelChanged(self) -> None:
        """Another model, or more is known about it."""
        self.inputPanel.setCard(self.modelPanel.card)
        if self.modelPanel.card is not None:
            self.advancedPanel.setCard(self.modelPanel.card)
            self.devicePanel.lookSoon()
        self.update()

    def onDeviceChosen(self, device) -> None:
        if self._parameterNode:
            self._parameterNode.device = device

    def onFlipsChosen(self, name) -> None:
        if self._parameterNode:
            self._parameterNode.flips = name

    def onPackagesReady(self) -> None:
        """The worker must start again to see what was installed."""
        self.logic.close()
        self.modelPanel.refresh()
        self.devicePanel.lookAgain()
        self.say(_("The packages are installed."))
        self.update()

    # What can be done now

    def update(self) -> None:
        """Check the choices against each other and enable what makes sense now."""
        fit = self.inputPanel.check(self.modelPanel.card)
        self.modelPanel.volumeChanged()
        reason = ""
        if self.inputPanel.nodes()[0] is None:
            reason = (
                _("Choose a volume.")
                if slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode")
                else _("Load a volume first. The module Sample Data has a synthetic one under MedSeg.")
            )
        elif not self.modelPanel.path:
            reason = _("Choose a model: press Models for the one that ships.")
        elif self.modelPanel.problem:
            reason = self.modelPanel.problem
        elif self.modelPanel.report is not None and self.modelPanel.card is None:
            reason = _("Answer what the model's file does not say.")
        elif fit is not None and fit.problems:
            reason = fit.problems[0]
        current = self.queue.current
        self.runPanel.setState(current is not None, current is not None and current.state == "cancelling", reason)
        self.batchPanel.refresh()

    def say(self, text) -> None:
        """Show a sentence under the button and write it into the log."""
        self.runPanel.say(text)
        if text:
            self.logPanel.add(text)

    def describe(self) -> list:
        """What the report tells of the choices: no names of nodes or folders."""
        node, report = self.inputPanel.nodes()[0], self.modelPanel.report or {}
        image = node.GetImageData() if node is not None else None
        card = report.get("card") or {}
        return [
            ("model", f"{card.get('name', 'no card')} {card.get('version', '')} ({report.get('format', 'not read')})"),
            ("volume", f"{image.GetDimensions()}, spacing {node.GetSpacing()}" if image is not None else "none"),
            ("device", self.devicePanel.device),
            ("devices", [(d["backend"], d["device"], d["usable"], d["reason"]) for d in self.devicePanel.devices]),
            ("options", self.options()),
            ("packages", self.installPanel.state),
            ("runs", [run.state for run in self.queue.runs]),
        ]

    def options(self) -> dict:
        """The choices as `MedSegLogic.start` takes them."""
        from MedSegLib.advancedPanel import FLIPS

        flips = self._parameterNode.flips if self._parameterNode else "none"
        return {
            "device": self.devicePanel.device,
            "card": self.modelPanel.givenCard,
            "threshold": self.advancedPanel.threshold(),
            "postprocessing": self.advancedPanel.postprocessing(),
            "flips": FLIPS.get(flips, ()),
            "smoothingFactor": self.ui.smoothingSlider.value,
            "keepScores": True,
        }

    def choices(self):
        """(model path, options), or None where the packages or the model are not ready; the panel says why."""
        if not self.installPanel.check():
            self.say(_("Not started: the packages that the model needs are not installed."))
            return None
        if not self.modelPanel.path or self.modelPanel.problem:
            self.say(self.modelPanel.problem or _("Choose a model."))
            return None
        return self.modelPanel.path, self.options()

    # Runs

    def onStart(self) -> None:
        """Start what is chosen; it reports to `onRunChanged` and `onRunFinished`."""
        run = self._newRun()
        if run is not None:
            self.queue.clearFinished()
            self.advancedPanel.stopPreview()
            self.queue.add(run)
            self.queue.start(only=run)

    def onQueue(self) -> None:
        """Run what is chosen after what is running."""
        run = self._newRun()
        if run is not None:
            run.options["keepScores"] = False
            self.queue.add(run)
            self.queue.goOn()
            self.ui.batchCollapsibleButton.collapsed = False

    def _newRun(self):
        from MedSegLib.runKinds import SceneRun

        chosen = self.choices()
        nodes = self.inputPanel.nodes()
        if chosen is None or nodes[0] is None:
            return None
        return SceneRun(self.logic, nodes, chosen[0], self.ui.outputSelector.currentNode(), chosen[1])

    def onCancel(self) -> None:
        self.say(_("Stopping"))
        self.queue.cancel()

    def onRunChanged(self, run) -> None:
        if run is self.queue.current and run.state == "running":
            if run.progress is None:
                self.runPanel.started()
                self.update()
            else:
                self.runPanel.progress(run.progress)
                if run in self.queue.runs:
                    self.batchPanel.refreshRow(self.queue.runs.index(run))
                return
        self.update()

    def onRunFinished(self, run) -> None:
        """Say what came out. The result is chosen as output, so that the next run renews it."""
        from MedSegLib.runKinds import SceneRun
        from MedSegLib.scrolling import bringIntoSight

        self._last = run
        job = run.job
        error = job.error if job is not None else None
        if run.state == "cancelled":
            waiting = len(self.queue.waiting)
            text = _("Cancelled.")
            self.say(text if not waiting else text + " " + _("{count} runs still wait.").format(count=waiting))
        elif run.state == "failed":
            self.say(run.message)
            self.logPanel.workerLog = job.log if job is not None else ""
            self.installPanel.explain(error)
        else:
            self.logPanel.add(run.message)
            if isinstance(run, SceneRun):
                empty = job.result.empty
                self.runPanel.say(
                    _("Done: nothing was found, see below.") if empty else _("Done. The result is below.")
                )
            else:
                self.runPanel.say(run.message)
            self.modelPanel.remember()
            if isinstance(run, SceneRun):
                self.onResult(job.result, run.nodes[0])
        if len(self.queue.runs) > 1 and not self.queue.waiting and run.state != "cancelled":
            bringIntoSight(self.ui.batchCollapsibleButton)
            self.say(
                _("{done} of {count} done. Each is listed under Several volumes.").format(
                    done=sum(one.state == "done" for one in self.queue.runs), count=len(self.queue.runs)
                )
            )
        self.update()

    def onResult(self, result, volumeNode) -> None:
        """Show a result that is in the scene."""
        seconds = ", ".join(f"{name} {value:.2f} s" for name, value in result.timings.items())
        if seconds:
            self.logPanel.add(f"{result.engine.backend} {result.device}: {seconds}")
        self.resultPanel.show(result, volumeNode, self.modelPanel.report, oneOfMany=len(self.queue.runs) > 1)
        if result.segmentIds:
            self.ductsPanel.choose(result.segmentationNode, next(iter(result.segmentIds.values())))
        self.advancedPanel.setResult(result, volumeNode)
        self.logic.getParameterNode().outputSegmentation = result.segmentationNode  # also if the panel is left

    def onDuctsProblem(self, job) -> None:
        """Measuring, comparing or giving back failed: say why where installing is offered, and keep the log."""
        self.logPanel.workerLog = job.log
        self.installPanel.explain(job.error)

    def onUndone(self, segmentationNode) -> None:
        """The last run was taken back."""
        self.advancedPanel.setResult(None, None)
        if segmentationNode is None and self._parameterNode:
            self._parameterNode.outputSegmentation = None
        self.update()

    def onApplyThreshold(self) -> None:
        """Decide the last result again with the chosen threshold and clean-up."""
        from MedSegLib.runKinds import DecisionRun

        last = self._last
        if self.queue.running or last is None or last.job is None or last.job.result is None:
            return
        self.advancedPanel.stopPreview()
        run = DecisionRun(
            self.logic, last.job, last.nodes, self.advancedPanel.threshold(), self.advancedPanel.postprocessing()
        )
        self.queue.clearFinished()
        self.queue.add(run)
        self.queue.start(only=run)


class MedSegLogic(RunsLogic, DuctsLogic, ScriptedLoadableModuleLogic):
    """Segmenting from the Python console and from other modules. Opens no dialog; docs/scripting.md has examples.

    logic = slicer.util.getModuleLogic("MedSeg")
    result = logic.segment(volumeNode, "model.onnx")
    """

    def __init__(self) -> None:
        ScriptedLoadableModuleLogic.__init__(self)

    def getParameterNode(self):
        return MedSegParameterNode(super().getParameterNode())


class MedSegTest(ScriptedLoadableModuleTest):
    """What is tested inside Slicer; the suites in Testing/ run the same and more without the application."""

    def setUp(self) -> None:
        slicer.mrmlScene.Clear()

    def runTest(self) -> None:
        from MedSegLib import ductsTest, panelTest, requirements, selfTest

        missing = requirements.missingRequirements()
        if missing:
            logging.warning("MedSeg: %s not installed, so only what happens then is tested", ", ".join(missing))
        scenarios = selfTest.SCENARIOS + ductsTest.SCENARIOS
        if slicer.util.mainWindow() is not None and not missing:
            scenarios += panelTest.SCENARIOS
        for scenario in (selfTest.scenarioPackagesAbsent,) if missing else scenarios:
            self.setUp()
            self.delayDisplay(scenario.__doc__)
            scenario(self, MedSegLogic())
        logging.info("MedSeg: all scenarios passed")
