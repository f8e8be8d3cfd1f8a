"""What can go wrong in the middle of a run: the application and the scene stay whole, nothing is left behind."""

from __future__ import annotations

import os
import signal

import pytest
import slicer


@pytest.fixture
def running(window, slow):
    """A run that takes long until `window.go` is called, under way."""
    window.open()
    window.go = slow
    from MedSegLib import selfTest

    window.volume = selfTest.addVolume(selfTest.blockArray((900, 32, 32)))
    window.output = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "mine")
    window.output.GetSegmentation().AddEmptySegment("drawn", "drawn")
    with selfTest.testModel() as model:
        window.ui.inputSelector.setCurrentNode(window.volume)
        window.ui.outputSelector.setCurrentNode(window.output)
        window.widget.modelPanel.choose(str(model))
        window.ui.segmentButton.click()
        window.wait(lambda: window.widget.job.progress is not None and window.widget.job.progress.stage == "network")
        window.pid = worker_pid()
        window.nodes = slicer.mrmlScene.GetNumberOfNodes()
        yield window


def worker_pid() -> int:
    from MedSegLib.workerHost import sharedHost

    return sharedHost().client.pid


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def ended(window) -> bool:
    return not window.widget.queue.running


def segments() -> list[str]:
    nodes = slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
    return [
        n.GetSegmentation().GetNthSegmentID(i) for n in nodes for i in range(n.GetSegmentation().GetNumberOfSegments())
    ]


def test_cancel(running):
    assert running.ui.segmentButton.text == "Cancel"
    running.ui.segmentButton.click()
    running.wait(lambda: ended(running))
    assert running.ui.statusLabel.text == "Cancelled." and running.ui.segmentButton.text == "Segment"
    assert segments() == ["drawn"] and slicer.mrmlScene.GetNumberOfNodes() == running.nodes


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_killed_worker(running):
    os.kill(running.pid, signal.SIGKILL)
    running.go()
    running.wait(lambda: ended(running))
    assert "memory" in running.ui.statusLabel.text and segments() == ["drawn"]
    assert "worker" in running.widget.logPanel.report()
    from MedSegLib import selfTest

    running.ui.inputSelector.setCurrentNode(selfTest.addVolume(selfTest.blockArray()))
    running.ui.segmentButton.click()
    running.wait(lambda: ended(running))
    assert running.widget.job.state == "done" and worker_pid() != running.pid


def test_the_input_is_deleted(running):
    slicer.mrmlScene.RemoveNode(running.volume)
    running.wait(lambda: ended(running))
    assert running.widget.job.progress.fraction < 0.9  # at once, not when the network is through
    assert running.widget.job.state == "failed"
    assert "removed from the scene" in running.ui.statusLabel.text and segments() == ["drawn"]
    assert running.ui.fitLabel.isHidden() and "Load a volume" in running.ui.reasonLabel.text


def test_the_output_is_deleted(running):
    slicer.mrmlScene.RemoveNode(running.output)
    running.wait(lambda: ended(running))
    assert running.widget.job.progress.fraction < 0.9
    assert "removed from the scene" in running.ui.statusLabel.text and segments() == []


def test_the_scene_is_closed(running):
    slicer.mrmlScene.Clear(0)
    running.wait(lambda: ended(running))
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 0
    assert running.ui.resultCollapsibleButton.isHidden() and not running.ui.segmentButton.enabled
    assert running.widget.inputPanel.nodes() == [None]


def test_the_module_is_left_and_opened_again(running):
    running.module.leave()
    running.module.open()
    assert running.ui.segmentButton.text == "Cancel" and not running.ui.progressBar.isHidden()
    running.ui.segmentButton.click()
    running.wait(lambda: ended(running))


def test_the_module_is_reloaded(running):
    old, pid = running.widget, running.pid
    running.widget.onReload()
    assert running.widget is not old and not running.widget.queue.running
    assert old.Observations == [] and not alive(pid)
    assert running.ui.inputSelector.currentNode() is running.volume  # the choices stay
    from MedSegLib import selfTest

    running.ui.inputSelector.setCurrentNode(selfTest.addVolume(selfTest.blockArray()))
    running.wait(lambda: running.widget.modelPanel.report is not None)
    running.ui.segmentButton.click()
    running.wait(lambda: ended(running))
    assert running.widget.job.state == "done", running.ui.statusLabel.text


def test_slicer_quits(running):
    widget, pid = running.widget, running.pid
    running.module.quit()
    assert not alive(pid) and widget.Observations == []
    assert segments() == ["drawn"]
    slicer.mrmlScene.Clear(0)  # nobody listens any more


def test_a_full_graphics_processor_falls_back_and_says_so(window, monkeypatch, tmp_path):
    from medseg.client import WorkerClient

    window.open()
    from MedSegLib import selfTest, workerHost

    (tmp_path / "full_device.py").write_text(FULL_DEVICE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    workerHost.closeSharedHost()
    workerHost._shared = workerHost.WorkerHost(WorkerClient(module="full_device"))
    window.ui.inputSelector.setCurrentNode(selfTest.addVolume(selfTest.blockArray()))
    with selfTest.testModel() as model:
        window.widget.modelPanel.choose(str(model))
        window.ui.segmentButton.click()
        window.wait(lambda: window.widget.job is not None and ended(window))
    assert window.widget.job.state == "done", window.ui.statusLabel.text
    assert window.widget.job.result.device == "cpu"
    assert "ran out of memory" in window.ui.resultLabel.text and "CPU" in window.ui.resultLabel.text


#: A worker whose device is a graphics processor that is full from the start; all the rest is the real engine.
FULL_DEVICE = """
import sys
from dataclasses import replace
import medseg.models as models
from medseg.errors import DeviceOutOfMemory
from medseg.models.model import Model

def full(self, batch):
    raise DeviceOutOfMemory("the device is full")

real_open, real_move = models.open_model, Model.move_to_cpu

def open_model(*arguments, **options):
    model = real_open(*arguments, **options)
    model.choice = replace(model.choice, device="cuda:0")
    model.run = full.__get__(model)
    return model

def move_to_cpu(self):
    del self.run
    return real_move(self)

models.open_model, Model.move_to_cpu = open_model, move_to_cpu
from medseg.worker.__main__ import main
sys.exit(main())
"""
