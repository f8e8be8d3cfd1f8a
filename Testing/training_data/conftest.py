"""These folders are no packages: ``data_sets`` is found by its folder."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from data_sets import ball_case, write_case


@pytest.fixture(scope="session")
def balls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder: five patients with one case each, and a second case of the first."""
    folder = tmp_path_factory.mktemp("balls")
    for number, name in enumerate(("a_p1", "b_p1", "a_p2", "a_p3", "a_p4", "a_p5")):
        write_case(folder, name, *ball_case(number))
    return folder
