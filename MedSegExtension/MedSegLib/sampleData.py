"""The phantom as sample data: an MR cholangiography made on the spot, without a network connection."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _

from .messages import errorText
from .segmentationJob import Job
from .segmentsOutput import orientedLabelmap
from .volumeInput import RAS_TO_LPS
from .workerHost import WorkerHost, sharedHost

#: Seeds from 9000 on are never trained on; this one is the demo's.
DEMO_SEED = 9100


def registerSampleData(thumbnail: str) -> None:
    """List the phantom in the Sample Data module; ``thumbnail`` is a picture for its button."""
    import SampleData

    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category="MedSeg",
        sampleName="MRCholangiographyPhantom",
        thumbnailFileName=thumbnail,
        customDownloader=makeInBackground,
        uris="",  # nothing to download; the module refuses None, and lists of different lengths
        nodeNames="MRCP phantom",
    )


def addPhantom(seed: int = DEMO_SEED):
    """Make a synthetic MR cholangiography and add it to the scene, with its reference segmentation (hidden).

    Returns the volume node and the segmentation node. Takes a few seconds, in which the window is painted but takes no
    clicks; nothing is downloaded. Raises MedSegError.
    """
    return PhantomJob(sharedHost(), seed).wait()


class PhantomJob(Job):
    """A phantom under way in the worker; its result are the volume node and the segmentation node."""

    def __init__(self, host: WorkerHost, seed: int = DEMO_SEED, onProgress=None, onFinished=None) -> None:
        super().__init__(host, onProgress, onFinished)
        self._seed = seed
        self._submit("phantom", {"seed": seed})

    def _take(self, message: dict) -> None:
        self.result = addToScene(message["volume"], message["labels"], self._seed)


def addToScene(volume, labels, seed: int) -> tuple:
    """Put a phantom (`medseg.volume.Volume` and its label map) into the scene; the two nodes."""
    matrix = vtkMatrix(RAS_TO_LPS @ volume.ijk_to_lps)
    volumeNode = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", f"MRCP phantom {seed}")
    slicer.util.updateVolumeFromArray(volumeNode, volume.array)
    volumeNode.SetIJKToRASMatrix(matrix)
    volumeNode.CreateDefaultDisplayNodes()
    referenceNode = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", f"MRCP phantom {seed} reference")
    referenceNode.CreateDefaultDisplayNodes()
    referenceNode.SetReferenceImageGeometryParameterFromVolumeNode(volumeNode)
    image = orientedLabelmap(labels.array, matrix)
    for value, name in phantomLabels().items():
        segment = slicer.vtkSegment()
        segment.SetName(name)
        segment.SetLabelValue(value)
        if image is not None and np.any(labels.array == value):
            segment.AddRepresentation("Binary labelmap", image)
        referenceNode.GetSegmentation().AddSegment(segment)
    referenceNode.GetDisplayNode().SetVisibility(False)
    return volumeNode, referenceNode


def makeInBackground(source=None) -> list:
    """Start making the phantom for the Sample Data module; a small window tells how far it is and can cancel it.

    The nodes come later; Sample Data does not look at what its button's function returns.
    """
    _running.append(_Making())
    return []


#: Those under way: Qt lets go of what nobody holds.
_running: list[Any] = []


class _Making:
    """One phantom under way with its progress dialog."""

    def __init__(self) -> None:
        import qt

        self.dialog = qt.QProgressDialog(
            _("Making the synthetic MR cholangiography"), _("Cancel"), 0, 100, slicer.util.mainWindow()
        )
        self.dialog.setWindowTitle("MedSeg")
        self.dialog.setAutoClose(False)
        self.dialog.setAutoReset(False)
        self.dialog.setMinimumDuration(300)
        self.dialog.setValue(0)
        self.dialog.connect("canceled()", self.cancel)
        scene = slicer.mrmlScene
        self._tag = scene.AddObserver(scene.StartCloseEvent, self.cancel)
        self.job = PhantomJob(sharedHost(), onProgress=self._progressed, onFinished=self._finished)

    def cancel(self, caller=None, event=None) -> None:
        """The person gave up, or the scene goes that the phantom was made for."""
        self.job.cancel()

    def _progressed(self, moment) -> None:
        self.dialog.setValue(round(100 * moment.fraction))

    def _finished(self, job) -> None:
        slicer.mrmlScene.RemoveObserver(self._tag)
        self.dialog.disconnect("canceled()", self.cancel)
        self.dialog.hide()
        self.dialog.deleteLater()
        if self in _running:
            _running.remove(self)
        if job.state == "done":
            # As any sample data, it is shown.
            slicer.util.setSliceViewerLayers(background=job.result[0], fit=slicer.app.layoutManager() is not None)
        elif job.state == "failed":
            slicer.util.errorDisplay(errorText(job.error))


def phantomLabels() -> dict[int, str]:
    """What the label values of a phantom mean."""
    return {1: "bile ducts", 2: "gallbladder and cystic duct", 3: "pancreatic duct"}


def vtkMatrix(matrix: np.ndarray) -> vtk.vtkMatrix4x4:
    """A (4, 4) array as VTK's matrix."""
    result = vtk.vtkMatrix4x4()
    result.DeepCopy(matrix.ravel())
    return result
