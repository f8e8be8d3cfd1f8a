"""HDF5 is read in the tests' own process here: the files are good, and there are hundreds of openings."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from medseg.models.hdf5_reader import reading_here


@pytest.fixture(autouse=True)
def near(request: pytest.FixtureRequest) -> Iterator[None]:
    """Every test but those marked by their name reads without another process."""
    if "process_of_its_own" in request.node.name:
        yield
        return
    with reading_here():
        yield
