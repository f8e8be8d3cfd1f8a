"""The scenarios of MedSegTest, on real MRML without the application."""

from __future__ import annotations

import unittest

import pytest

NAMES = ["scenarioInPlace", "scenarioKeep", "scenarioRefused", "scenarioEmpty", "scenarioCancel"]


def test_all_scenarios_run_here(application):
    from MedSegLib import selfTest

    assert [scenario.__name__ for scenario in selfTest.SCENARIOS] == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_scenario(name, scene, logic):
    from MedSegLib import selfTest

    getattr(selfTest, name)(unittest.TestCase(), logic)


def test_ducts(scene, logic):
    from MedSegLib import ductsTest

    ductsTest.scenarioDucts(unittest.TestCase(), logic)
