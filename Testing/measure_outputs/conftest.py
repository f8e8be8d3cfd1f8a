"""A small duct tree, its measurement, and a DICOM series that it was drawn in."""

from __future__ import annotations

from pathlib import Path

import pytest
from duct_cases import draw, write_series
from medseg.ducts import DuctMeasurement, measure_ducts
from medseg.volume import Volume


@pytest.fixture(scope="session")
def labels() -> Volume:
    return draw()


@pytest.fixture(scope="session")
def measured(labels) -> DuctMeasurement:
    return measure_ducts(labels)


@pytest.fixture(scope="session")
def series(labels, tmp_path_factory) -> Path:
    """The MR series of the label map, one file a slice, names and numbers in another order than the slices."""
    return write_series(labels, tmp_path_factory.mktemp("series"))
