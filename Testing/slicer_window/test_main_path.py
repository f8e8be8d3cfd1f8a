"""Choose, press Segment, wait, look at the scene: through the widgets."""

from __future__ import annotations

import unittest

import pytest

NAMES = [
    "scenarioPanelRun",
    "scenarioPanelCancel",
    "scenarioPanelReadsScene",
    "scenarioPanelUndo",
    "scenarioPanelThreshold",
    "scenarioPanelQueue",
    "scenarioPanelAsksForCard",
]


def test_all_scenarios_run_here(window):
    from MedSegLib import panelTest

    assert [scenario.__name__ for scenario in panelTest.SCENARIOS] == NAMES


@pytest.mark.parametrize("window", [False, True], indirect=True, ids=["attended", "testing mode"])
def test_the_main_path(window):
    from MedSegLib import panelTest

    panelTest.scenarioPanelRun(unittest.TestCase(), None)


@pytest.mark.parametrize("name", NAMES[1:])
def test_what_medsegtest_does_in_slicer(window, name):
    from MedSegLib import panelTest

    window.open()
    getattr(panelTest, name)(unittest.TestCase(), window.module.logic)
