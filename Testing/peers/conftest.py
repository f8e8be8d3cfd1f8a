"""The peers' own environment. Without it (`make test` alone) nothing here is collected: `make test-peers` makes it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

#: Set by `make test-peers`.
PEERS = os.environ.get("MEDSEG_PEERS")

if PEERS is None:
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(scope="session")
def peers() -> Path:
    """The folder of the peers' programs (`.venv-peers/bin`)."""
    assert PEERS is not None
    programs = Path(PEERS).resolve() / "bin"
    assert (programs / "nnUNetv2_predict").is_file(), f"{programs}: run make test-peers, which builds it"
    return programs
