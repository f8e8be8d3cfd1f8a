"""The ellipsoids as a data folder, and configurations for them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parent))  # for training_cases: these folders are no packages

from training_cases import ellipsoid_case, settings, write_case


@pytest.fixture(scope="session")
def ellipsoids(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder: five patients with one case each, and a second case of the first."""
    folder = tmp_path_factory.mktemp("ellipsoids")
    for number, name in enumerate(("a_p1", "b_p1", "a_p2", "a_p3", "a_p4", "a_p5")):
        write_case(folder, name, *ellipsoid_case(number))
    return folder


@pytest.fixture
def write_settings(tmp_path: Path, ellipsoids: Path) -> Callable[..., Path]:
    """Writes a configuration file with changes and returns its path."""

    def write(**changes: Any) -> Path:
        path = tmp_path / "tiny.yaml"
        path.write_text(yaml.safe_dump(settings(ellipsoids, **changes)), encoding="utf-8")
        return path

    return write
