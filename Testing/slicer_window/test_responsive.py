"""The window is free while a whole volume runs. Processor time of the main thread is counted, not the clock."""

from __future__ import annotations

import numpy as np
from slicer_window_turns import quickest, watch, within

#: What a turn may take: while the run goes on, and the one update of the scene.
TURN_S, SCENE_S = 0.05, 0.5


def test_no_turn_of_the_event_loop_is_long(window):
    window.open()
    from MedSegLib import selfTest

    array = np.zeros((72, 320, 320), np.int16)
    array[20:50, 100:200, 120:180] = 80
    window.ui.inputSelector.setCurrentNode(selfTest.addVolume(array))
    with selfTest.testModel() as model:
        window.widget.modelPanel.choose(str(model))
        window.wait(lambda: window.widget.modelPanel.report is not None)

        def stage() -> str:
            job = window.widget.job
            if job is None or job.progress is None:
                return "start"
            return "write" if job.progress.fraction == 1 else job.progress.stage

        def run():
            window.ui.segmentButton.click()
            turns = watch(window.app.processEvents, lambda: not window.widget.queue.running, stage)
            assert window.widget.job.state == "done"
            return turns

        turns = quickest(run, lambda turns: within(turns, TURN_S, SCENE_S, loading=("write",)))
    assert within(turns, TURN_S, SCENE_S, loading=("write",))
    assert len(turns) > 20
