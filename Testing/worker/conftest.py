from __future__ import annotations

from pathlib import Path

import pytest
from medseg.client import WorkerClient

PROGRAMS = Path(__file__).parent / "programs"


@pytest.fixture(autouse=True)
def private_surroundings(monkeypatch, tmp_path):
    """Temporary folders of workers go to the test's own, and workers find the programs of these tests."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(PROGRAMS))


@pytest.fixture(scope="module")
def shared_odd():
    with WorkerClient(module="odd_worker", cancel_grace_s=0.3) as client:
        yield client


@pytest.fixture
def odd(shared_odd):
    """A client whose worker misbehaves on request. The worker stays for the next test unless a test ends it."""
    yield shared_odd
    assert not shared_odd.poll(), "the test left a request behind"
