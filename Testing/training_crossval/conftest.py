"""Ellipsoids of five patients, one of them with two cases, and a configuration that learns a little in a second."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from training_cases import ellipsoid_case, settings, write_case


@pytest.fixture(scope="session")
def ellipsoids(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ellipsoids")
    for number, name in enumerate(("a_p1", "b_p1", "a_p2", "a_p3", "a_p4", "a_p5")):
        write_case(folder, name, *ellipsoid_case(number))
    return folder


@pytest.fixture(scope="session")
def tiny(ellipsoids: Path) -> dict[str, Any]:
    """Two folds of four patients; the fifth is held out. Deterministic."""
    return settings(
        ellipsoids,
        network={"arguments": {"widths": [4, 8], "norm": "batch"}},
        optimiser={"learning_rate": 0.03, "ema_decay": 0.0},
        sampling={"batch_size": 4, "crop": [32, 32]},
        budget={"epochs": 5, "steps_per_epoch": 12},
        split={"folds": 2, "hold_out": ["p5"]},
        crossval={"minimum_part_mm3": [0, 50], "keep_largest_parts": [None, 1]},
        deterministic=True,
    )
