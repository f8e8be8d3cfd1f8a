"""What a row can run: volumes of the scene, an image file, a time point of a sequence."""

from __future__ import annotations

import csv
from pathlib import Path

import slicer
from medseg.errors import InputError
from slicer.i18n import tr as _

from .runQueue import Run
from .texts import resultText


class SceneRun(Run):
    """Volumes of the scene into a segmentation of the scene. ``options`` are those of `MedSegLogic.start`."""

    def __init__(self, logic, nodes: list, model: str, segmentationNode, options: dict) -> None:
        super().__init__(nodes[0].GetName())
        self.logic, self.nodes, self.model = logic, nodes, model
        self.segmentationNode, self.options = segmentationNode, options

    def start(self, onProgress, onFinished):
        for node in self.nodes:
            if node is None or node.GetScene() is None:
                raise InputError("the volume was removed from the scene", mend="add it again")
        nodes = self.nodes if len(self.nodes) > 1 else self.nodes[0]
        return self.logic.start(
            nodes, self.model, self.segmentationNode, onProgress=onProgress, onFinished=onFinished, **self.options
        )

    def finish(self) -> str:
        return self.job.result.message


class DecisionRun(SceneRun):
    """A finished run decided again with another threshold or clean-up."""

    def __init__(self, logic, job, nodes: list, threshold: float | None, postprocessing: dict | None) -> None:
        super().__init__(logic, nodes, "the same", job.result.segmentationNode, {})
        self._job, self._threshold, self._postprocessing = job, threshold, postprocessing

    def start(self, onProgress, onFinished):
        return self.logic.decide(self._job, self._threshold, self._postprocessing, onProgress, onFinished)


class FileRun(Run):
    """An image file into a segmentation file; the scene stays as it is."""

    def __init__(self, logic, path: Path, output: Path, model: str, options: dict) -> None:
        super().__init__(path.name)
        self.logic, self.path, self.output, self.model, self.options = logic, path, output, model, options
        self.summary: dict = {}

    def start(self, onProgress, onFinished):
        return self.logic.startFile(
            self.path, self.model, self.output, onProgress=onProgress, onFinished=onFinished, **self.options
        )

    def finish(self) -> str:
        self.summary = self.job.result
        if self.summary.get("skipped"):
            return _("done before: {file}").format(file=self.output.name)
        self._writeTable()
        parts = [
            _("{name} {volume:.1f} ml").format(name=entry["name"], volume=entry["volume_ml"])
            for entry in self.summary["segments"]
        ]
        return ", ".join(parts) + f" → {self.output.name}"

    def _writeTable(self) -> None:
        """Add the case to ``segments.csv`` beside the results."""
        path = self.output.parent / "segments.csv"
        isNew = not path.exists()
        with path.open("a", newline="", encoding="utf-8") as stream:
            table = csv.writer(stream)
            if isNew:
                table.writerow(["case", "segment", "voxels", "volume_ml", "highest_probability", "model", "output"])
            for entry in self.summary["segments"]:
                table.writerow(
                    [
                        self.path.name,
                        entry["name"],
                        entry["voxels"],
                        f"{entry['volume_ml']:.3f}",
                        f"{entry['highest_probability']:.3f}",
                        self.summary["model"],
                        self.output.name,
                    ]
                )


class SequenceRun(Run):
    """One time point of a sequence into the same time point of a sequence of segmentations."""

    def __init__(self, logic, sequenceNode, number: int, target: SequenceTarget, model: str, options: dict) -> None:
        value = sequenceNode.GetNthIndexValue(number)
        super().__init__(f"{sequenceNode.GetName()} [{sequenceNode.GetIndexName()} {value}]")
        self.logic, self.sequenceNode, self.number = logic, sequenceNode, number
        self.target, self.model, self.options = target, model, options
        self._value = value

    def start(self, onProgress, onFinished):
        if self.sequenceNode.GetScene() is None:
            raise InputError("the sequence was removed from the scene", mend="add it again")
        node = self.sequenceNode.GetDataNodeAtValue(self._value)
        temporary = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", _("MedSeg time point"))
        temporary.SetHideFromEditors(True)
        temporary.SetSaveWithScene(False)
        temporary.CreateDefaultDisplayNodes()
        self._temporary = temporary

        def finished(job) -> None:
            try:
                if job.state == "done":
                    self.target.put(temporary, self._value)
            finally:
                self._remove()
                onFinished(job)

        try:
            options = {**self.options, "show3D": True, "keepScores": False}
            return self.logic.start(node, self.model, temporary, onProgress=onProgress, onFinished=finished, **options)
        except Exception:
            self._remove()
            raise

    def finish(self) -> str:
        return resultText(self.job.result.engine)

    def _remove(self) -> None:
        node, self._temporary = self._temporary, None
        if node is not None and node.GetScene() is not None:
            display = node.GetDisplayNode()
            slicer.mrmlScene.RemoveNode(node)
            if display is not None and display.GetScene() is not None:
                slicer.mrmlScene.RemoveNode(display)


class SequenceTarget:
    """The sequence of segmentations beside a sequence of volumes, made when the first result comes."""

    def __init__(self, sequenceNode, browserNode=None) -> None:
        self._sequenceNode, self._browserNode = sequenceNode, browserNode
        self.node = None

    def put(self, segmentationNode, value: str) -> None:
        """Store a copy of the segmentation at ``value`` of the index."""
        if self.node is None or self.node.GetScene() is None:
            source = self._sequenceNode
            scene = slicer.mrmlScene
            name = scene.GenerateUniqueName(_("{name} segmentation").format(name=source.GetName()))
            self.node = scene.AddNewNodeByClass("vtkMRMLSequenceNode", name)
            self.node.SetIndexName(source.GetIndexName())
            self.node.SetIndexUnit(source.GetIndexUnit())
            self.node.SetIndexType(source.GetIndexType())
        segmentationNode.SetHideFromEditors(False)
        segmentationNode.SetSaveWithScene(True)
        self.node.SetDataNodeAtValue(segmentationNode, value)
        browser = self._browserNode
        if browser is not None and browser.GetScene() is not None and not browser.IsSynchronizedSequenceNode(self.node):
            browser.AddSynchronizedSequenceNode(self.node)
            logic = slicer.modules.sequences.logic()
            logic.UpdateProxyNodesFromSequences(browser)


def browserOf(volumeNode):
    """The sequence and the browser that show ``volumeNode``, or (None, None)."""
    scene = volumeNode.GetScene()
    for number in range(scene.GetNumberOfNodesByClass("vtkMRMLSequenceBrowserNode")):
        browser = scene.GetNthNodeByClass(number, "vtkMRMLSequenceBrowserNode")
        sequence = browser.GetSequenceNode(volumeNode)
        if sequence is not None:
            return sequence, browser
    return None, None
